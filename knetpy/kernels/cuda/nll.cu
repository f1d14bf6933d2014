// Negative log likelihood of a label under softmax, along the last axis (some lanes of a warp, or a block, take a row)
// or another one (a thread takes a column).
//
// Forward: p = exp(x - top) / sum, and the loss, the sum of share * (log(sum) - (x - top)) over the classes.
// Backward: dx = dy (p * the sum of all shares - share), or 0 where dy is 0.
// weight may be null: each class weighs 1. A label that is out of range gives NaN.

// How much of -log(softmax) of class c is in the loss: `own` is the label's part, `each` that of every class.
template <typename T>
__device__ __forceinline__ T share(int c, i64 label, const T* __restrict__ weight, T own, T each) {
    const T part = c == label ? own + each : each;
    return part != 0 && weight ? part * weight[c] : part;
}

// What class c adds to the loss; what has no share may be infinite.
template <typename T> __device__ __forceinline__ T cost(T share, T logsum, T x) {
    return share == 0 && x == T(-INFINITY) ? T(0) : share * (logsum - x);
}

__device__ __forceinline__ bool known(i64 label, int n) { return 0 <= label && label < n; }

// LANES neighbours take a row of up to LANES * PER scores, which stay in registers: each is read once.
template <typename T, int LANES, int PER>
__global__ void rows(const T* __restrict__ x, const i64* __restrict__ labels, const T* __restrict__ weight, T own,
                     T each, T* __restrict__ losses, T* __restrict__ p, i64 count, int n)
{
    const i64 row = row_of(LANES);
    const int lane = threadIdx.x % LANES;
    const bool mine = row < count;  // lanes beyond the last row take part in the sums of their warp
    T v[PER], top = T(-INFINITY), sum = 0, loss = 0;
    #pragma unroll
    for (int k = 0; k < PER; ++k) {
        const int c = lane + k * LANES;
        v[k] = mine && c < n ? x[row * n + c] : T(-INFINITY);
        top = larger(top, v[k]);
    }
    top = warp_larger<LANES>(top);
    #pragma unroll
    for (int k = 0; k < PER; ++k) {
        v[k] = below(v[k], top);
        if (lane + k * LANES < n) sum += exp(v[k]);
    }
    sum = warp_sum<LANES>(sum);
    const T logsum = log(sum);
    const i64 label = mine ? labels[row] : 0;
    #pragma unroll
    for (int k = 0; k < PER; ++k) {
        const int c = lane + k * LANES;
        if (!mine || c >= n) continue;
        p[row * n + c] = exp(v[k]) / sum;
        loss += cost(share(c, label, weight, own, each), logsum, v[k]);
    }
    loss = warp_sum<LANES>(loss);
    if (mine && lane == 0) losses[row] = known(label, n) ? loss : T(NAN);
}

// A block takes a longer row. It reads all once but what lies beyond the first `kept` scores, which stay in shared
// memory: that is read again. A thread meets only scores of its own there.
template <typename T>
__global__ void __launch_bounds__(1024, 1) long_rows(const T* __restrict__ x, const i64* __restrict__ labels,
    const T* __restrict__ weight, T own, T each, T* __restrict__ losses, T* __restrict__ p, int n, int kept)
{
    extern __shared__ __align__(16) char memory[];
    __shared__ T part[WARP];
    T* const row = (T*)memory;
    const i64 start = (i64)blockIdx.x * n, label = labels[blockIdx.x];
    Exponentials<T> all;
    for (int c = threadIdx.x; c < n; c += blockDim.x) {
        const T v = x[start + c];
        if (c < kept) row[c] = v;
        all.add(v);
    }
    all.join(part);
    const T logsum = log(all.sum);
    T loss = 0;
    for (int c = threadIdx.x; c < n; c += blockDim.x) {
        const T z = below(c < kept ? row[c] : x[start + c], all.top);
        p[start + c] = exp(z) / all.sum;
        loss += cost(share(c, label, weight, own, each), logsum, z);
    }
    loss = block_sum(loss, part);
    if (threadIdx.x == 0) losses[blockIdx.x] = known(label, n) ? loss : T(NAN);
}

// A thread takes a column of n scores that lie `inner` apart: neighbours in a warp read neighbours in memory. As
// in long rows, the first `kept` scores are read once.
template <typename T>
__global__ void columns(const T* __restrict__ x, const i64* __restrict__ labels, const T* __restrict__ weight, T own,
                        T each, T* __restrict__ losses, T* __restrict__ p, i64 count, int n, i64 inner, int kept)
{
    extern __shared__ __align__(16) char memory[];
    const i64 column = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= count) return;
    const i64 start = column / inner * n * inner + column % inner, label = labels[column];
    T *const row = (T*)memory + threadIdx.x, loss = 0;
    Exponentials<T> all;
    for (int c = 0; c < n; ++c) {
        const T v = x[start + c * inner];
        if (c < kept) row[c * blockDim.x] = v;
        all.add(v);
    }
    const T logsum = log(all.sum);
    for (int c = 0; c < n; ++c) {
        const T z = below(c < kept ? row[c * blockDim.x] : x[start + c * inner], all.top);
        p[start + c * inner] = exp(z) / all.sum;
        loss += cost(share(c, label, weight, own, each), logsum, z);
    }
    losses[column] = known(label, n) ? loss : T(NAN);
}

// The factor of p in a row's derivative. whole: the sum of all weights; null: each weighs 1.
template <typename T>
__device__ __forceinline__ T mass(i64 label, const T* __restrict__ weight, const T* __restrict__ whole, T own, T each,
                                  int n) {
    if (!known(label, n)) return T(NAN);
    return (weight ? own * weight[label] : own) + each * (whole ? *whole : T(n));
}

template <typename T> __device__ __forceinline__ T slope(T dy, T p, T mass, T share) {
    return dy == 0 ? dy : dy * (p * mass - share);  // of a place that does not count p may be NaN
}

// `lanes` neighbours, a power of two, take a row; dy is one number for all rows if `same`.
template <typename T>
__global__ void rows_dx(const T* __restrict__ dy, const T* __restrict__ p, const i64* __restrict__ labels,
                        const T* __restrict__ weight, const T* __restrict__ whole, T own, T each, T* __restrict__ dx,
                        i64 count, int n, int lanes, int same)
{
    const i64 row = row_of(lanes);
    if (row >= count) return;
    const i64 label = labels[row];
    const T d = dy[same ? 0 : row], m = mass(label, weight, whole, own, each, n);
    for (int c = threadIdx.x % lanes; c < n; c += lanes)
        dx[row * n + c] = slope(d, p[row * n + c], m, share(c, label, weight, own, each));
}

// A thread takes a column, as in the forward pass.
template <typename T>
__global__ void columns_dx(const T* __restrict__ dy, const T* __restrict__ p, const i64* __restrict__ labels,
                           const T* __restrict__ weight, const T* __restrict__ whole, T own, T each, T* __restrict__ dx,
                           i64 count, int n, i64 inner, int same)
{
    const i64 column = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= count) return;
    const i64 start = column / inner * n * inner + column % inner, label = labels[column];
    const T d = dy[same ? 0 : column], m = mass(label, weight, whole, own, each, n);
    for (int c = 0; c < n; ++c) {
        const i64 at = start + c * inner;
        dx[at] = slope(d, p[at], m, share(c, label, weight, own, each));
    }
}
