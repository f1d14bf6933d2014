// What the kernels of normalisation share: y = (x - mean) / sqrt(var + eps) * scale + bias.
//
// x is read as rows of `size` neighbours. Row r belongs to group r % groups: images (N, C, *S) with a group for each
// channel have C groups of N rows each, otherwise there are as many groups as rows. Its scale and bias begin at
// r % period * per; `per` of them lie in a row, each for `run` neighbours.
template <typename T> struct Standard {
    T high, low, factor;  // the mean in two parts, as one number of T is too coarse
    __device__ __forceinline__ Standard(double mean, double var, double eps)
        : high(T(mean)), low(T(mean - T(mean))), factor(T(1) / sqrt(T(var + eps))) {}
    __device__ __forceinline__ T operator()(T x) const { return ((x - high) - low) * factor; }
};

// Which of the `per` scales of a row belongs to its element i.
template <typename I> __device__ __forceinline__ I within(I i, I size, I per, I run)
{
    return per == 1 ? 0 : per == size ? i : i / run;
}
template <typename T> __device__ __forceinline__ T scaled(T n, const T* scale, const T* bias, i64 at)
{
    n = scale ? n * scale[at] : n;
    return bias ? n + bias[at] : n;
}
