// Activations and their slopes as a table: CURVE(name, value at x), SLOPE(name_dx, what dy becomes at x).
// a, b and c are the numbers that the reference's functions take besides, in their order.
#define FUNCTION(name, ...) struct name { template <typename T> static __device__ __forceinline__ T at(__VA_ARGS__)
#define CURVE(name, ...) FUNCTION(name, T x, T a, T b, T c) { return __VA_ARGS__; } };
#define SLOPE(name, ...) FUNCTION(name, T dy, T x, T a, T b, T c) { return __VA_ARGS__; } };

template <typename T> __device__ __forceinline__ T size(T x) { return x < 0 ? -x : x; }
template <typename T> __device__ __forceinline__ T within(T x, T low, T high) { return smaller(larger(x, low), high); }
template <typename T> __device__ __forceinline__ T gate(T x)  // 1 / (1 + exp(-x))
{
    const T e = exp(-size(x));
    return (x >= 0 ? T(1) : e) / (1 + e);
}
template <typename T> __device__ __forceinline__ T share(T x) { return erfc(T(-0.70710678118654752) * x) * T(0.5); }
template <typename T> __device__ __forceinline__ T density(T x) { return exp(-x * x / 2) * T(0.39894228040143268); }
template <typename T> __device__ __forceinline__ T cubic(T x)  // sqrt(8 / pi) (x + 0.044715 x^3)
{
    return T(1.5957691216057308) * (x + T(0.044715) * x * x * x);
}
template <typename T> __device__ __forceinline__ T cubic_slope(T x)
{
    return T(1.5957691216057308) * (1 + T(0.134145) * x * x);
}

namespace curve {
CURVE(identity, x)
SLOPE(identity_dx, dy)
CURVE(relu, larger(x, T(0)))
SLOPE(relu_dx, x <= 0 ? T(0) : dy)  // x: the value
CURVE(leakyrelu, larger(x, T(0)) + a * smaller(x, T(0)))
SLOPE(leakyrelu_dx, x > 0 ? dy : dy * a)
CURVE(sigmoid, gate(x))
SLOPE(sigmoid_dx, dy * x * (1 - x))  // x: the value
CURVE(tanh, ::tanh(x))
SLOPE(tanh_dx, dy * (1 - x * x))  // x: the value
CURVE(silu, larger(x, T(-1000)) * gate(larger(x, T(-1000))))
SLOPE(silu_dx, dy * (gate(x) * (1 + within(x, T(-1000), T(1000)) * gate(-x))))
CURVE(gelu, larger(x, T(-40)) * share(larger(x, T(-40))))
SLOPE(gelu_dx, dy * (share(within(x, T(-40), T(40))) + within(x, T(-40), T(40)) * density(within(x, T(-40), T(40)))))
CURVE(gelu_tanh, larger(x, T(-25)) * gate(cubic(within(x, T(-25), T(25)))))

struct gelu_tanh_dx {
    template <typename T> static __device__ __forceinline__ T at(T dy, T x, T, T, T) {
        x = within(x, T(-25), T(25));
        const T u = cubic(x);
        return dy * gate(u) * (1 + x * cubic_slope(x) * gate(-u));
    }
};
}
