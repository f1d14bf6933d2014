// Elements by number along the middle axis of x (A, N, B), and what meets in one place put together, without atomics.
//
// Who meets whom is found by sorting: a list is the numbers of one a and one b (or of all of them), in ascending order
// (keys), each with its place among the M before sorting (order). Equal numbers are a run. A result is put together by
// one thread: in the order of places, but that RUN neighbours are taken from `part`, where they are together already.
// A row of (a, m) or (a, n) is taken by `lanes` neighbours, a power of two, which go over its B columns.
constexpr int RUN = 32;
constexpr int SUM = 0, LARGEST = 1, SMALLEST = 2;

template <typename T, int HOW> __device__ __forceinline__ T nothing() {
    return HOW == SUM ? T(0) : HOW == LARGEST ? T(-INFINITY) : T(INFINITY);
}
template <typename T, int HOW> __device__ __forceinline__ T together(T a, T b) {
    return HOW == SUM ? a + b : HOW == LARGEST ? larger(a, b) : -larger(-a, -b);
}

// y[a, m, b] = x[a, index, b], 0 for a negative index; one that is too large means the last. U: so many bytes are moved
// at a time. lists, columns: whether there are indices for each a, for each b.
template <typename U>
__global__ void take(const U* __restrict__ x, const i64* __restrict__ index, U* __restrict__ y, i64 rows, i64 M, i64 N,
                     i64 B, int lists, int columns, int lanes)
{
    const i64 row = row_of(lanes);
    if (row >= rows) return;
    const i64 a = rows == M ? 0 : row / M, list = lists ? row : row - a * M;
    i64 n = columns ? 0 : min(index[list], N - 1);
    for (i64 b = threadIdx.x % lanes; b < B; b += lanes) {
        if (columns) n = min(index[list * B + b], N - 1);
        y[row * B + b] = n < 0 ? U() : x[(a * N + n) * B + b];
    }
}

// starts (lists, N + 1): where in its list the first number lies that is n or more. A thread finds one by halving.
__global__ void find(const i64* __restrict__ keys, i64* __restrict__ starts, i64 count, i64 M, i64 N)
{
    const i64 at = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= count) return;
    const i64 list = at / (N + 1), n = at - list * (N + 1);
    i64 low = 0, high = M;
    while (low < high) {
        const i64 middle = (low + high) / 2;
        if (keys[list * M + middle] < n) low = middle + 1;
        else high = middle;
    }
    starts[at] = low;
}

// part (A, chunks, B): each RUN neighbours of a list put together, where they are of one run; a row is one (a, chunk).
template <typename T, int HOW>
__global__ void chunks(const T* __restrict__ src, const i64* __restrict__ keys, const i64* __restrict__ order,
                       T* __restrict__ part, i64 rows, i64 M, i64 B, int lists, int columns, int lanes)
{
    const i64 row = row_of(lanes), count = M / RUN;
    if (row >= rows) return;
    const i64 a = rows == count ? 0 : row / count, first = (row - a * count) * RUN;
    for (i64 b = threadIdx.x % lanes; b < B; b += lanes) {
        const i64 list = (lists ? a : 0) * (columns ? B : 1) + (columns ? b : 0), here = list * M + first;
        if (keys[here] != keys[here + RUN - 1]) continue;
        T all = nothing<T, HOW>();
        #pragma unroll 8
        for (int i = 0; i < RUN; ++i) all = together<T, HOW>(all, src[(a * M + order[here + i]) * B + b]);
        part[row * B + b] = all;
    }
}

// y (A, N, B): what is in the run of each number, put together; a row is one (a, n).
template <typename T, int HOW>
__global__ void runs(const T* __restrict__ src, const i64* __restrict__ order, const i64* __restrict__ starts,
                     const T* __restrict__ part, T* __restrict__ y, i64 rows, i64 M, i64 N, i64 B, int lists,
                     int columns, int lanes)
{
    const i64 row = row_of(lanes);
    if (row >= rows) return;
    const i64 a = rows == N ? 0 : row / N, n = row - a * N, count = M / RUN;
    for (i64 b = threadIdx.x % lanes; b < B; b += lanes) {
        const i64 list = (lists ? a : 0) * (columns ? B : 1) + (columns ? b : 0);
        const i64 low = starts[list * (N + 1) + n], high = starts[list * (N + 1) + n + 1];
        i64 i = low;
        T all = nothing<T, HOW>();
        for (; i < high && i % RUN; ++i) all = together<T, HOW>(all, src[(a * M + order[list * M + i]) * B + b]);
        for (; i + RUN <= high; i += RUN) all = together<T, HOW>(all, part[(a * count + i / RUN) * B + b]);
        for (; i < high; ++i) all = together<T, HOW>(all, src[(a * M + order[list * M + i]) * B + b]);
        y[row * B + b] = all;
    }
}
