// What every kernel may use. NVRTC has no standard headers, and the emulator is a host compiler: this is plain C++.
#ifndef INFINITY
#define INFINITY __int_as_float(0x7f800000)
#endif
typedef long long i64;  // offsets: arrays may have more than 2^31 elements
typedef unsigned long long u64;
constexpr unsigned ALL = 0xffffffffu;
constexpr int WARP = 32;

// The larger of two numbers; NaN beats every number, as in NumPy.
template <typename T> __device__ __forceinline__ T larger(T a, T b) { return a > b || a != a ? a : b; }

template <typename T> __device__ __forceinline__ T warp_sum(T v) {
    for (int d = WARP / 2; d; d >>= 1) v += __shfl_xor_sync(ALL, v, d);
    return v;
}
template <typename T> __device__ __forceinline__ T warp_larger(T v) {
    for (int d = WARP / 2; d; d >>= 1) v = larger(v, __shfl_xor_sync(ALL, v, d));
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
