// Sums in a fixed order: over rows, which teams of threads take in parts, and over columns, of which a block takes 32.
constexpr int BLOCK = 256, LANES = BLOCK / WARP;  // threads of a block; threads that share a column
constexpr i64 PART = 32 * BLOCK;                  // elements of a row that a team takes
constexpr i64 ROWS = 32 * LANES;                  // rows of a column that a block takes

// Sums over the threads of a team: a warp or the block.
template <typename T> __device__ __forceinline__ T team_sum(int team, T v, T* part)
{
    return team == WARP ? warp_sum(v) : block_sum(v, part);
}
// The number of this one.
__device__ __forceinline__ i64 team_number(int team)
{
    return (i64)blockIdx.x * (blockDim.x / team) + threadIdx.x / team;
}

// The sum of a value over the LANES threads of a column; threads of a warp have neighbouring columns.
__device__ __forceinline__ double column_sum(double v, double (&box)[LANES][WARP])
{
    __syncthreads();
    box[threadIdx.x / WARP][threadIdx.x % WARP] = v;
    __syncthreads();
    double sum = 0;
    for (int k = 0; k < LANES; ++k) sum += box[k][threadIdx.x % WARP];
    return sum;
}

// Where the block is among those that take 32 columns each of a part of the rows, for each of `outer` arrays.
struct Place {
    i64 column, part, outer, begin, end;  // the last two in rows
    __device__ __forceinline__ Place(i64 rows, i64 width, i64 parts) {
        const i64 across = (width + WARP - 1) / WARP, number = blockIdx.x / across;
        column = blockIdx.x % across * WARP + threadIdx.x % WARP;
        part = number % parts;
        outer = number / parts;
        begin = part * ROWS + threadIdx.x / WARP;
        end = min(rows, (part + 1) * ROWS);
    }
};

// Sums (n, columns, items) over the first and the last axis, for 32 columns a block, which share the rest evenly. With
// weights, one belongs to each `split` items: those of column c begin at c % period * (items / split).
template <typename In, typename T>
__device__ __forceinline__ double gathered(const In* __restrict__ sums, const T* __restrict__ weights, i64 n,
                                           i64 columns, int items, i64 period, int split, double (&box)[LANES][WARP])
{
    const i64 column = (i64)blockIdx.x * WARP + threadIdx.x % WARP;
    double sum = 0;
    if (column < columns)
        for (i64 q = threadIdx.x / WARP; q < n * items; q += LANES) {
            const int item = (int)(q % items);
            const double v = sums[(q / items * columns + column) * items + item];
            sum += weights ? v * (double)weights[column % period * (items / split) + item / split] : v;
        }
    return column_sum(sum, box);
}
