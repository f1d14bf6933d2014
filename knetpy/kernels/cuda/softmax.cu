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

// A block takes a longer row. It reads all once but what lies beyond the first `kept` elements, which stay in shared
// memory: that is read again. A thread meets only elements of its own there.
template <typename T, bool LOG>
__global__ void __launch_bounds__(1024, 1) long_rows(const T* __restrict__ x, const unsigned char* __restrict__ mask,
                                                     T* __restrict__ y, int n, int kept)
{
    extern __shared__ __align__(16) char memory[];
    __shared__ T part[WARP];
    T* const row = (T*)memory;
    char* const marks = (char*)(row + kept);
    const i64 start = (i64)blockIdx.x * n;
    Exponentials<T> all;
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        const bool counts = !mask || mask[start + i];
        const T v = counts ? x[start + i] : T(0);
        if (i < kept) row[i] = v;
        if (i < kept && mask) marks[i] = counts;
        if (counts) all.add(v);
    }
    all.join(part);
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        const bool here = i < kept, counts = !mask || (here ? marks[i] : mask[start + i]);
        y[start + i] = answer<T, LOG>(here ? row[i] : x[start + i], counts, all.top, all.sum);
    }
}

template <typename T, bool LOG>
__global__ void __launch_bounds__(1024, 1) long_rows_dx(const T* __restrict__ dy, const T* __restrict__ y,
                                                        T* __restrict__ dx, int n, int kept)
{
    extern __shared__ __align__(16) char memory[];
    __shared__ T part[WARP];
    T *const d = (T*)memory, *const p = d + kept;
    const i64 start = (i64)blockIdx.x * n;
    T sum = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        const T a = dy[start + i], b = y[start + i];
        if (i < kept) d[i] = a, p[i] = b;
        sum += term<T, LOG>(a, b);
    }
    sum = block_sum(sum, part);
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        const bool here = i < kept;
        dx[start + i] = slope<T, LOG>(here ? d[i] : dy[start + i], here ? p[i] : y[start + i], sum);
    }
}

// A thread takes a column of n elements that lie `inner` apart: neighbours in a warp read neighbours in memory. As in
// long rows, the first `kept` elements are read once.
template <typename T, bool LOG>
__global__ void columns(const T* __restrict__ x, const unsigned char* __restrict__ mask, T* __restrict__ y, i64 count,
                        int n, i64 inner, int kept)
{
    extern __shared__ __align__(16) char memory[];
    const i64 column = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= count) return;
    T* const row = (T*)memory + threadIdx.x;
    char* const marks = (char*)((T*)memory + kept * blockDim.x) + threadIdx.x;
    const i64 start = column / inner * n * inner + column % inner;
    Exponentials<T> all;
    for (int i = 0; i < n; ++i) {
        const i64 at = start + i * inner;
        const bool counts = !mask || mask[at];
        const T v = counts ? x[at] : T(0);
        if (i < kept) row[i * blockDim.x] = v;
        if (i < kept && mask) marks[i * blockDim.x] = counts;
        if (counts) all.add(v);
    }
    for (int i = 0; i < n; ++i) {
        const i64 at = start + i * inner;
        const bool here = i < kept, counts = !mask || (here ? marks[i * blockDim.x] : mask[at]);
        y[at] = answer<T, LOG>(here ? row[i * blockDim.x] : x[at], counts, all.top, all.sum);
    }
}

template <typename T, bool LOG>
__global__ void columns_dx(const T* __restrict__ dy, const T* __restrict__ y, T* __restrict__ dx, i64 count, int n,
                           i64 inner, int kept)
{
    extern __shared__ __align__(16) char memory[];
    const i64 column = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= count) return;
    T *const d = (T*)memory + threadIdx.x, *const p = d + kept * blockDim.x;
    const i64 start = column / inner * n * inner + column % inner;
    T sum = 0;
    for (int i = 0; i < n; ++i) {
        const T a = dy[start + i * inner], b = y[start + i * inner];
        if (i < kept) d[i * blockDim.x] = a, p[i * blockDim.x] = b;
        sum += term<T, LOG>(a, b);
    }
    for (int i = 0; i < n; ++i) {
        const i64 at = start + i * inner;
        const bool here = i < kept;
        dx[at] = slope<T, LOG>(here ? d[i * blockDim.x] : dy[at], here ? p[i * blockDim.x] : y[at], sum);
    }
}
