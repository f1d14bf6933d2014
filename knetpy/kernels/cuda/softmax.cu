// Softmax and its logarithm along the last axis (a warp or a block takes a row) or another one (a thread takes a column).
//
// Forward: y = exp(x - top) / sum, or (LOG) x - top - log(sum), over the elements whose mask is not 0 (no mask: all).
// Backward: dx = p (dy - sum(dy p)), or (LOG) dy - exp(y) sum(dy).

template <typename T, bool LOG> __device__ __forceinline__ T answer(T x, bool counts, T top, T sum) {
    if (!counts) return LOG ? T(-INFINITY) : T(0);
    return LOG ? below(x, top) - log(sum) : exp(below(x, top)) / sum;
}
template <typename T, bool LOG> __device__ __forceinline__ T term(T dy, T y) { return LOG ? dy : dy * y; }
template <typename T, bool LOG> __device__ __forceinline__ T slope(T dy, T y, T sum) {
    return LOG ? dy - exp(y) * sum : y * (dy - sum);
}

// A warp takes a row of up to 32 PER elements, which stay in registers: every element is read once.
template <typename T, int PER, bool LOG>
__global__ void rows(const T* __restrict__ x, const unsigned char* __restrict__ mask, T* __restrict__ y, i64 count, int n)
{
    const i64 row = (i64)blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
    const int lane = threadIdx.x % WARP;
    if (row >= count) return;
    T v[PER], top = T(-INFINITY), sum = 0;
    bool counts[PER];
    #pragma unroll
    for (int k = 0; k < PER; ++k) {
        const int i = lane + k * WARP;
        counts[k] = i < n && (!mask || mask[row * n + i]);
        v[k] = counts[k] ? x[row * n + i] : T(-INFINITY);
        top = larger(top, v[k]);
    }
    top = warp_larger(top);
    #pragma unroll
    for (int k = 0; k < PER; ++k)
        if (counts[k]) sum += exp(below(v[k], top));
    sum = warp_sum(sum);
    #pragma unroll
    for (int k = 0; k < PER; ++k)
        if (lane + k * WARP < n) y[row * n + lane + k * WARP] = answer<T, LOG>(v[k], counts[k], top, sum);
}

template <typename T, int PER, bool LOG>
__global__ void rows_dx(const T* __restrict__ dy, const T* __restrict__ y, T* __restrict__ dx, i64 count, int n)
{
    const i64 row = (i64)blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
    const int lane = threadIdx.x % WARP;
    if (row >= count) return;
    T d[PER], p[PER], sum = 0;
    #pragma unroll
    for (int k = 0; k < PER; ++k) {
        const i64 i = row * n + lane + k * WARP;
        const bool in = lane + k * WARP < n;
        d[k] = in ? dy[i] : T(0);
        p[k] = in ? y[i] : T(0);
        sum += term<T, LOG>(d[k], p[k]);
    }
    sum = warp_sum(sum);
    #pragma unroll
    for (int k = 0; k < PER; ++k)
        if (lane + k * WARP < n) dx[row * n + lane + k * WARP] = slope<T, LOG>(d[k], p[k], sum);
}

// A block takes a longer row and reads it three times, from the second time on out of the cache.
template <typename T, bool LOG>
__global__ void long_rows(const T* __restrict__ x, const unsigned char* __restrict__ mask, T* __restrict__ y, int n)
{
    __shared__ T part[WARP];
    const i64 start = (i64)blockIdx.x * n;
    T top = T(-INFINITY), sum = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x)
        if (!mask || mask[start + i]) top = larger(top, x[start + i]);
    top = block_larger(top, part);
    for (int i = threadIdx.x; i < n; i += blockDim.x)
        if (!mask || mask[start + i]) sum += exp(below(x[start + i], top));
    sum = block_sum(sum, part);
    for (int i = threadIdx.x; i < n; i += blockDim.x)
        y[start + i] = answer<T, LOG>(x[start + i], !mask || mask[start + i], top, sum);
}

template <typename T, bool LOG>
__global__ void long_rows_dx(const T* __restrict__ dy, const T* __restrict__ y, T* __restrict__ dx, int n)
{
    __shared__ T part[WARP];
    const i64 start = (i64)blockIdx.x * n;
    T sum = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) sum += term<T, LOG>(dy[start + i], y[start + i]);
    sum = block_sum(sum, part);
    for (int i = threadIdx.x; i < n; i += blockDim.x) dx[start + i] = slope<T, LOG>(dy[start + i], y[start + i], sum);
}

// A thread takes a column of n elements that lie `inner` apart: neighbours in a warp read neighbours in memory. The
// maximum and the sum are found in one pass: what was summed so far is scaled to a new maximum.
template <typename T, bool LOG>
__global__ void columns(const T* __restrict__ x, const unsigned char* __restrict__ mask, T* __restrict__ y, i64 count,
                        int n, i64 inner)
{
    const i64 column = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= count) return;
    const i64 start = column / inner * n * inner + column % inner;
    T top = T(-INFINITY), sum = 0;
    for (int i = 0; i < n; ++i) {
        const i64 at = start + i * inner;
        if (mask && !mask[at]) continue;
        const T next = larger(top, x[at]);
        sum = sum * exp(below(top, next)) + exp(below(x[at], next));
        top = next;
    }
    for (int i = 0; i < n; ++i) {
        const i64 at = start + i * inner;
        y[at] = answer<T, LOG>(x[at], !mask || mask[at], top, sum);
    }
}

template <typename T, bool LOG>
__global__ void columns_dx(const T* __restrict__ dy, const T* __restrict__ y, T* __restrict__ dx, i64 count, int n,
                           i64 inner)
{
    const i64 column = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= count) return;
    const i64 start = column / inner * n * inner + column % inner;
    T sum = 0;
    for (int i = 0; i < n; ++i) sum += term<T, LOG>(dy[start + i * inner], y[start + i * inner]);
    for (int i = 0; i < n; ++i) {
        const i64 at = start + i * inner;
        dx[at] = slope<T, LOG>(dy[at], y[at], sum);
    }
}
