// Smooth activations besides those of curves.h, the error function and its complement; elementwise.h calls them.
template <typename T> __device__ __forceinline__ T above(T x, T beta)  // log(1 + exp(beta x)) / beta
{
    return larger(x, T(0)) + log1p(exp(-beta * size(x))) / beta;
}

namespace curve {
CURVE(erf, ::erf(x))
CURVE(erfc, ::erfc(x))
CURVE(logsigmoid, smaller(x, T(0)) - log1p(exp(-size(x))))
SLOPE(logsigmoid_dx, dy * gate(-x))
CURVE(softplus, above(x, a))
SLOPE(softplus_dx, dy * gate(a * x))
CURVE(elu, b * larger(x, T(0)) + a * expm1(c * smaller(x, T(0))))
SLOPE(elu_dx, dy * (x > 0 ? b : a * c * exp(smaller(x, T(0)) * c)))
CURVE(mish, larger(x, T(-1000)) * ::tanh(above(x, T(1))))

struct mish_dx {
    template <typename T> static __device__ __forceinline__ T at(T dy, T x, T, T, T) {
        const T open = ::tanh(above(x, T(1)));
        return dy * (open + within(x, T(-1000), T(1000)) * (1 - open * open) * gate(x));
    }
};
}
