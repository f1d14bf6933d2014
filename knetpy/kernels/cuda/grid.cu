// Blends of elements of an image: index (N, P, T) tells T positions among the S of an image for each of P places; what
// is no position counts as 0. `lanes` neighbours take a row.
constexpr int CHANNELS = 8;  // that a thread goes over: weights and index are read again out of the cache

// y (N, C, P): sums over T of weights (N, P, T) times the elements of x (N, C, S). A row is an image and some channels.
template <typename T>
__global__ void blend(const T* __restrict__ x, const T* __restrict__ weights, const i64* __restrict__ index,
                      T* __restrict__ y, i64 rows, i64 C, i64 S, i64 P, int terms, int lanes)
{
    const i64 row = row_of(lanes), parts = (C + CHANNELS - 1) / CHANNELS;
    if (row >= rows) return;
    const i64 n = row / parts, first = (row - n * parts) * CHANNELS, last = min(first + CHANNELS, C);
    for (i64 p = threadIdx.x % lanes; p < P; p += lanes)
        for (i64 c = first; c < last; ++c) {
            T sum = 0;
            for (int t = 0; t < terms; ++t) {
                const i64 at = (n * P + p) * terms + t, s = index[at];
                if (0 <= s && s < S) sum += weights[at] * x[(n * C + c) * S + s];
            }
            y[(n * C + c) * P + p] = sum;
        }
}

// dw (N, P, T): sums over C of dy (N, C, P) times the elements of x. A thread takes one of dw.
template <typename T>
__global__ void blend_dw(const T* __restrict__ dy, const T* __restrict__ x, const i64* __restrict__ index,
                         T* __restrict__ dw, i64 count, i64 C, i64 S, i64 P, int terms)
{
    const i64 at = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= count) return;
    const i64 place = at / terms, n = place / P, p = place - n * P, s = index[at];
    T sum = 0;
    if (0 <= s && s < S)
        for (i64 c = 0; c < C; ++c) sum += dy[(n * C + c) * P + p] * x[(n * C + c) * S + s];
    dw[at] = sum;
}
