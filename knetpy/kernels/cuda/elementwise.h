// A thread makes a pack of neighbouring elements, each from the elements at its own place.
template <typename F, typename T>
__global__ void __launch_bounds__(256) curve_of(const T* __restrict__ x, T* __restrict__ y, i64 n, T a, T b, T c)
{
    const i64 at = ((i64)blockIdx.x * blockDim.x + threadIdx.x) * Pack<T>::N;
    if (at >= n) return;
    Pack<T> v = load(x, at, n);
    #pragma unroll
    for (int k = 0; k < Pack<T>::N; ++k) v.v[k] = F::at(v.v[k], a, b, c);
    store(y, at, n, v);
}
template <typename F, typename T>
__global__ void __launch_bounds__(256) slope_of(const T* __restrict__ dy, const T* __restrict__ x, T* __restrict__ dx,
                                                i64 n, T a, T b, T c)
{
    const i64 at = ((i64)blockIdx.x * blockDim.x + threadIdx.x) * Pack<T>::N;
    if (at >= n) return;
    Pack<T> d = load(dy, at, n);
    const Pack<T> v = load(x, at, n);
    #pragma unroll
    for (int k = 0; k < Pack<T>::N; ++k) d.v[k] = F::at(d.v[k], v.v[k], a, b, c);
    store(dx, at, n, d);
}
