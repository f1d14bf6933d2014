// Sums over the last axis (rows) and over a middle one (columns): up to CHUNK elements in their own type, then float64.
constexpr int CHUNK = 8;

// The sum from element `begin` to before `end`, `step` apart.
template <typename In>
__device__ __forceinline__ double sum_of(const In* __restrict__ x, i64 begin, i64 end, i64 step)
{
    double sum = 0;
    for (i64 i = begin; i < end; i += CHUNK * step) {
        In v[CHUNK], part = 0;
        #pragma unroll
        for (int k = 0; k < CHUNK; ++k) v[k] = i + k * step < end ? x[i + k * step] : In(0);
        #pragma unroll
        for (int k = 0; k < CHUNK; ++k) part += v[k];
        sum += part;
    }
    return sum;
}

// A team takes a part of a row: y (rows, parts).
template <typename In, typename Out>
__global__ void __launch_bounds__(256) rows(const In* __restrict__ x, Out* __restrict__ y, i64 count, i64 size,
                                            i64 parts, int team)
{
    __shared__ double box[WARP];
    const i64 task = team_number(team), row = task / parts;
    if (row >= count) return;
    const i64 begin = row * size + task % parts * PART, end = min((row + 1) * size, begin + PART);
    const int lane = threadIdx.x % team;
    const double own = sum_of(x, begin + lane, end, (i64)team);
    const double sum = team_sum(team, own, box);
    if (lane == 0) y[task] = Out(sum);
}

// A block takes 32 columns of a part of `rows` rows of an array (outer, rows, width): y (outer, parts, width).
template <typename In, typename Out>
__global__ void __launch_bounds__(256) columns(const In* __restrict__ x, Out* __restrict__ y, i64 rows, i64 width,
                                               i64 parts)
{
    __shared__ double box[LANES][WARP];
    const Place at(rows, width, parts);
    const i64 start = at.outer * rows * width;
    double sum = 0;
    if (at.column < width)
        sum = sum_of(x, start + at.begin * width + at.column, start + at.end * width, LANES * width);
    sum = column_sum(sum, box);
    if (at.column < width && threadIdx.x < WARP) y[(at.outer * parts + at.part) * width + at.column] = Out(sum);
}
