// What every kernel may use. NVRTC has no standard headers, and the emulator is a host compiler: this is plain C++.
#ifndef INFINITY
#define INFINITY __int_as_float(0x7f800000)
#endif
#ifndef NAN
#define NAN __int_as_float(0x7fc00000)
#endif
typedef long long i64;  // offsets: arrays may have more than 2^31 elements
typedef unsigned long long u64;
constexpr unsigned ALL = 0xffffffffu;
constexpr int WARP = 32;

// The row that a thread works at, where `lanes` neighbours, a power of two, take one.
__device__ __forceinline__ i64 row_of(int lanes) {
    return (i64)blockIdx.x * (blockDim.x / lanes) + threadIdx.x / lanes;
}

// The larger of two numbers; NaN beats every number, as in NumPy.
template <typename T> __device__ __forceinline__ T larger(T a, T b) { return a > b || a != a ? a : b; }
template <typename T> __device__ __forceinline__ T smaller(T a, T b) { return a < b || a != a ? a : b; }

// Neighbouring elements that are read and written as one, where they lie at a multiple of their 16 bytes.
template <typename T> struct alignas(16) Pack {
    static constexpr int N = 16 / sizeof(T);
    T v[N];
};
template <typename T> __device__ __forceinline__ bool whole(const T* x, i64 at, i64 n)
{
    return at + Pack<T>::N <= n && (size_t)(x + at) % sizeof(Pack<T>) == 0;
}
// The pack from element `at` on of an array of n; what lies beyond is 0.
template <typename T> __device__ __forceinline__ Pack<T> load(const T* __restrict__ x, i64 at, i64 n)
{
    if (whole(x, at, n)) return *(const Pack<T>*)(x + at);
    Pack<T> p;
    #pragma unroll
    for (int k = 0; k < Pack<T>::N; ++k) p.v[k] = at + k < n ? x[at + k] : T(0);
    return p;
}
template <typename T> __device__ __forceinline__ void store(T* __restrict__ y, i64 at, i64 n, const Pack<T>& p)
{
    if (whole(y, at, n)) {
        *(Pack<T>*)(y + at) = p;
        return;
    }
    #pragma unroll
    for (int k = 0; k < Pack<T>::N; ++k)
        if (at + k < n) y[at + k] = p.v[k];
}

// x - top, where the top, also an infinite one, becomes 0: the limit, instead of Inf - Inf.
template <typename T> __device__ __forceinline__ T below(T x, T top) { return x == top ? T(0) : x - top; }

// The sum, or the largest, of each LANES neighbours in a warp; every lane of the warp takes part and gets the result.
template <int LANES = WARP, typename T> __device__ __forceinline__ T warp_sum(T v) {
    for (int d = LANES / 2; d; d >>= 1) v += __shfl_xor_sync(ALL, v, d);
    return v;
}
template <int LANES = WARP, typename T> __device__ __forceinline__ T warp_larger(T v) {
    for (int d = LANES / 2; d; d >>= 1) v = larger(v, __shfl_xor_sync(ALL, v, d));
    return v;
}

// The same over a block of up to 1024 threads, whose number is a multiple of 32; every thread gets the result.
// `part` is shared memory for 32 values; the caller's threads have met before it is written again.
template <typename T> __device__ __forceinline__ T block_sum(T v, T* part) {
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    v = warp_sum(v);
    __syncthreads();
    if (lane == 0) part[warp] = v;
    __syncthreads();
    return warp_sum(lane < warps ? part[lane] : T(0));
}
template <typename T> __device__ __forceinline__ T block_larger(T v, T* part) {
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    v = warp_larger(v);
    __syncthreads();
    if (lane == 0) part[warp] = v;
    __syncthreads();
    return warp_larger(lane < warps ? part[lane] : T(-INFINITY));
}

// The largest of some numbers and the sum of exp(x - top), in one pass: what was summed so far is scaled to a new top.
template <typename T> struct Exponentials {
    T top = T(-INFINITY), sum = 0;
    __device__ __forceinline__ void add(T x) {
        const T next = larger(top, x);
        sum = sum * exp(below(top, next)) + exp(below(x, next));
        top = next;
    }
    // Those of all threads of a block, as `block_sum` takes part.
    __device__ __forceinline__ void join(T* part) {
        const T own = top;
        top = block_larger(own, part);
        sum = block_sum(sum * exp(below(own, top)), part);
    }
};
