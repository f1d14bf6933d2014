// y (A, R, B): element r along the middle axis is the sum of weights[k] times element columns[k] of x (A, N, B), for k
// from starts[r] to before starts[r + 1]. A row is one (a, r); `lanes` neighbours take it.
template <typename T>
__global__ void resample(const T* __restrict__ x, const i64* __restrict__ starts, const i64* __restrict__ columns,
                         const T* __restrict__ weights, T* __restrict__ y, i64 rows, i64 R, i64 N, i64 B, int lanes)
{
    const i64 row = row_of(lanes);
    if (row >= rows) return;
    const i64 a = row / R, r = row - a * R, from = starts[r], to = starts[r + 1];
    for (i64 b = threadIdx.x % lanes; b < B; b += lanes) {
        T sum = 0;
        for (i64 k = from; k < to; ++k) sum += weights[k] * x[(a * N + columns[k]) * B + b];
        y[row * B + b] = sum;
    }
}
