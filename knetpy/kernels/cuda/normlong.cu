// Normalisation in groups that are longer or lie in several rows: sums first, then what they give to each element.
//
// Statistics are float64, but little of the work is, as many GPUs are slow at it: up to CHUNK elements are added in T,
// relative to the first of them, then joined in float64 relative to the first element of the group. So what is lost by
// rounding is small beside the deviation, however large the mean.
constexpr int CHUNK = 8;

// ----------------------------------------------------------------------------------------- statistics of long groups

// Adds n elements to the sums of x - first and its squares, given those of x - base.
template <typename T>
__device__ __forceinline__ void join(double& sum, double& squares, T base, double first, T s, T q, int n)
{
    const double a = base - first;
    sum += n * a + s;
    squares += q + a * (2. * s + n * a);
}

// What a sum is made of, in the order of memory: elements from `begin` to before `end`, `step` apart.
template <typename T>
__device__ __forceinline__ void statistics(const T* __restrict__ x, i64 begin, i64 end, i64 step, double first,
                                           double& sum, double& squares)
{
    for (i64 i = begin; i < end; i += CHUNK * step) {
        const int n = (int)min((end - 1 - i) / step + 1, (i64)CHUNK);
        T v[CHUNK], s = 0, q = 0;
        #pragma unroll
        for (int k = 0; k < CHUNK; ++k) v[k] = k < n ? x[i + k * step] : T(0);
        #pragma unroll
        for (int k = 1; k < CHUNK; ++k) {
            const T d = k < n ? v[k] - v[0] : T(0);
            s += d;
            q += d * d;
        }
        join(sum, squares, v[0], first, s, q, n);
    }
}

// The same in float64, for sums that were infinite; not relative to a first element that is, as the mean of infinite
// elements is infinite, not Inf - Inf.
template <typename T>
__device__ __forceinline__ void again(const T* __restrict__ x, i64 begin, i64 end, i64 step, double first, double& sum,
                                   double& squares)
{
    sum = squares = 0;
    for (i64 i = begin; i < end; i += step) {
        const double d = x[i] - (first - first == 0 ? first : 0.);
        sum += d;
        squares += d * d;
    }
}
__device__ __forceinline__ bool finite(double a, double b) { return a - a == 0 && b - b == 0; }

// A team takes a part of a row: sums (2, rows, parts).
template <typename T, int TEAM>
__global__ void __launch_bounds__(256) row_stats(const T* __restrict__ x, double* __restrict__ sums, i64 rows, i64 size,
                                                 i64 groups, i64 parts, int centred)
{
    __shared__ double part[WARP];
    const i64 task = team_number(TEAM), row = task / parts, begin = task % parts * PART;
    if (row >= rows) return;
    const i64 end = min(size, begin + PART);
    const int lane = threadIdx.x % TEAM;
    const double first = centred ? (double)x[row % groups * size] : 0.;
    double sum = 0, squares = 0;
    statistics(x + row * size, begin + lane, end, (i64)TEAM, first, sum, squares);
    sum = team_sum(TEAM, sum, part);
    squares = team_sum(TEAM, squares, part);
    if (!finite(sum, squares)) {
        again(x + row * size, begin + lane, end, (i64)TEAM, first, sum, squares);
        sum = team_sum(TEAM, sum, part);
        squares = team_sum(TEAM, squares, part);
    }
    if (lane == 0) sums[task] = sum, sums[rows * parts + task] = squares;
}

// Of short rows, those of all groups are read as one of width = groups size: sums (2, parts, width).
template <typename T>
__global__ void __launch_bounds__(256) column_stats(const T* __restrict__ x, double* __restrict__ sums, i64 rows,
                                                    i64 width, i64 size, i64 parts, int centred)
{
    __shared__ double box[LANES][WARP];
    const Place at(rows, width, parts);
    double sum = 0, squares = 0;
    if (at.column < width) {
        const double first = centred ? (double)x[at.column / size * size] : 0.;
        const i64 start = at.begin * width + at.column, stop = at.end * width, step = LANES * width;
        statistics(x, start, stop, step, first, sum, squares);
        if (!finite(sum, squares)) again(x, start, stop, step, first, sum, squares);
    }
    sum = column_sum(sum, box);
    squares = column_sum(squares, box);
    if (at.column >= width || threadIdx.x >= WARP) return;
    sums[at.part * width + at.column] = sum;
    sums[(parts + at.part) * width + at.column] = squares;
}

// Mean and variance of groups of `count` elements from sums (2, n, groups, items).
template <typename T>
__global__ void __launch_bounds__(256, 4) finish(const double* __restrict__ sums, const T* __restrict__ x,
    double* __restrict__ means, double* __restrict__ vars, i64 n, i64 groups, int items, i64 size, double count,
    int centred)
{
    __shared__ double box[LANES][WARP];
    const T* const even = nullptr;
    const i64 group = (i64)blockIdx.x * WARP + threadIdx.x;
    const double sum = gathered(sums, even, n, groups, items, 1, items, box) / count;
    const double squares = gathered(sums + n * groups * items, even, n, groups, items, 1, items, box) / count;
    if (threadIdx.x >= WARP || group >= groups) return;
    means[group] = centred ? x[group * size] + sum : 0.;
    vars[group] = centred ? larger(squares - sum * sum, 0.) : squares;  // rounding may leave less than 0
}

// ------------------------------------------------------------------------------------------- elementwise, given these

// What belongs to an element, carried along from one to its neighbour.
struct Walk {
    i64 row, i, base, group;
    const i64 size, groups, period, per, run;
    __device__ __forceinline__ Walk(i64 at, i64 size, i64 groups, i64 period, i64 per, i64 run)
        : row(at / size), i(at % size), size(size), groups(groups), period(period), per(per), run(run) { arrive(); }
    __device__ __forceinline__ void arrive() {
        group = row < groups ? row : row % groups;
        base = (row < period ? row : row % period) * per;
    }
    __device__ __forceinline__ bool next() {  // whether another row begins
        if (++i < size) return false;
        i = 0;
        ++row;
        arrive();
        return true;
    }
    __device__ __forceinline__ i64 affine() const { return base + within(i, size, per, run); }
};

template <typename T>
__global__ void __launch_bounds__(256) apply(const T* __restrict__ x, const T* __restrict__ residual,
    const T* __restrict__ scale, const T* __restrict__ bias, T* __restrict__ y, const double* __restrict__ means,
    const double* __restrict__ vars, i64 n, i64 size, i64 groups, i64 period, i64 per, i64 run, double eps, int relu)
{
    const i64 at = ((i64)blockIdx.x * BLOCK + threadIdx.x) * Pack<T>::N;
    if (at >= n) return;
    Pack<T> v = load(x, at, n), more{};
    if (residual) more = load(residual, at, n);
    Walk walk(at, size, groups, period, per, run);
    Standard<T> standard(means[walk.group], vars[walk.group], eps);
    #pragma unroll
    for (int k = 0; k < Pack<T>::N; ++k) {
        if (k && walk.next()) standard = Standard<T>(means[walk.group], vars[walk.group], eps);
        T out = scaled(standard(v.v[k]), scale, bias, walk.affine());
        if (residual) out += more.v[k];
        v.v[k] = relu ? larger(out, T(0)) : out;
    }
    store(y, at, n, v);
}

// ------------------------------------------------------------------------------------------------------- and back

// dy that a relu lets through: of y, or of what x gives.
template <typename T>
__device__ __forceinline__ T passed(T dy, const T* y, i64 at, T n, const T* scale, const T* bias, i64 affine, int relu)
{
    return relu && (y ? y[at] : scaled(n, scale, bias, affine)) <= 0 ? T(0) : dy;
}

// Sums of dy n and dy from element `begin` to before `end`, `step` apart, which share a scale. dresidual is dy passed.
template <typename T>
__device__ __forceinline__ void cotangents(const T* __restrict__ dy, const T* __restrict__ y, const T* __restrict__ x,
    const Standard<T>& standard, const T* __restrict__ scale, const T* __restrict__ bias, T* __restrict__ dresidual,
    i64 begin, i64 end, i64 step, i64 affine, int relu, double& both, double& plain)
{
    for (i64 i = begin; i < end; i += CHUNK * step) {
        T d[CHUNK], v[CHUNK], products = 0, sum = 0;
        #pragma unroll
        for (int k = 0; k < CHUNK; ++k) {
            const bool in = i + k * step < end;
            d[k] = in ? dy[i + k * step] : T(0);
            v[k] = in ? x[i + k * step] : T(0);
        }
        #pragma unroll
        for (int k = 0; k < CHUNK; ++k) {
            const i64 at = i + k * step;
            if (at >= end) break;
            const T n = standard(v[k]), g = passed(d[k], y, at, n, scale, bias, affine, relu);
            if (dresidual) dresidual[at] = g;
            products += g * n;
            sum += g;
        }
        both += products;
        plain += sum;
    }
}

// A team takes a part of a run of `size` elements, all of one scale; `per` of them make a row. sums (2, runs, parts).
template <typename T, int TEAM>
__global__ void __launch_bounds__(256) row_sums(const T* __restrict__ dy, const T* __restrict__ y,
    const T* __restrict__ x, const double* __restrict__ means, const double* __restrict__ vars,
    const T* __restrict__ scale, const T* __restrict__ bias, T* __restrict__ dresidual, double* __restrict__ sums,
    i64 runs, i64 size, i64 parts, i64 groups, i64 per, i64 scales, double eps, int relu)
{
    __shared__ double part[WARP];
    const i64 task = team_number(TEAM), run = task / parts, begin = run * size + task % parts * PART;
    if (run >= runs) return;
    const i64 end = min((run + 1) * size, begin + PART), group = run / per % groups;
    const int lane = threadIdx.x % TEAM;
    const Standard<T> standard(means[group], vars[group], eps);
    double both = 0, plain = 0;
    cotangents(dy, y, x, standard, scale, bias, dresidual, begin + lane, end, (i64)TEAM, run % scales, relu, both,
               plain);
    both = team_sum(TEAM, both, part);
    plain = team_sum(TEAM, plain, part);
    if (lane == 0) sums[task] = both, sums[runs * parts + task] = plain;
}

// Of short rows, each of one group: sums (2, parts, width), width = groups size.
template <typename T>
__global__ void __launch_bounds__(256, 2) column_sums(const T* __restrict__ dy, const T* __restrict__ y,
    const T* __restrict__ x, const double* __restrict__ means, const double* __restrict__ vars,
    const T* __restrict__ scale, const T* __restrict__ bias, T* __restrict__ dresidual, double* __restrict__ sums,
    i64 rows, i64 width, i64 size, i64 parts, double eps, int relu)
{
    __shared__ double box[LANES][WARP];
    const Place at(rows, width, parts);
    double both = 0, plain = 0;
    if (at.column < width) {
        const i64 group = at.column / size;
        const Standard<T> standard(means[group], vars[group], eps);
        cotangents(dy, y, x, standard, scale, bias, dresidual, at.begin * width + at.column, at.end * width,
                   LANES * width, group, relu, both, plain);
    }
    both = column_sum(both, box);
    plain = column_sum(plain, box);
    if (at.column >= width || threadIdx.x >= WARP) return;
    sums[at.part * width + at.column] = both;
    sums[(parts + at.part) * width + at.column] = plain;
}

// Rows with scales of their own for each few elements, `period` of them each: row j of `count` of a residue is row
// j period + residue of x. A block takes WIDE columns of `each` rows of one residue, and reads them once: what a row adds
// up to, weighted by the scales, is in weighted (2, rows, parts), and what a column adds up to, for scale and bias, in
// sums (2, chunks, period size).
constexpr int OWN = 4, WIDE = OWN * BLOCK;  // columns of a thread, of a block
template <typename T>
__global__ void __launch_bounds__(256, 2) tile_sums(const T* __restrict__ dy, const T* __restrict__ y,
    const T* __restrict__ x, const double* __restrict__ means, const double* __restrict__ vars,
    const T* __restrict__ scale, const T* __restrict__ bias, T* __restrict__ dresidual, double* __restrict__ weighted,
    T* __restrict__ sums, i64 count, int each, i64 size, i64 parts, i64 period, i64 per, i64 run, double eps, int relu)
{
    __shared__ double part[WARP];
    const i64 tile = blockIdx.x / parts, residue = tile % period, chunk = tile / period;
    const i64 own = blockIdx.x % parts * WIDE + threadIdx.x, rows = count * period;
    T dscale[OWN] = {}, dbias[OWN] = {};
    for (i64 j = chunk * each; j < min(count, (chunk + 1) * each); ++j) {
        const i64 row = j * period + residue;
        const Standard<T> standard(means[row], vars[row], eps);
        T both = 0, plain = 0;
        #pragma unroll
        for (int k = 0; k < OWN; ++k) {
            const i64 i = own + k * BLOCK, at = row * size + i;
            if (i >= size) break;
            const i64 affine = residue * per + within(i, size, per, run);
            const T n = standard(x[at]), g = passed(dy[at], y, at, n, scale, bias, affine, relu);
            if (dresidual) dresidual[at] = g;
            dscale[k] += g * n;
            dbias[k] += g;
            const T given = scale ? g * scale[affine] : g;
            both += given * n;
            plain += given;
        }
        const double one = block_sum((double)both, part), two = block_sum((double)plain, part);
        if (threadIdx.x) continue;
        const i64 place = row * parts + blockIdx.x % parts;
        weighted[place] = one, weighted[rows * parts + place] = two;
    }
    if (!sums) return;
    const i64 width = period * size, chunks = gridDim.x / parts / period;
    #pragma unroll
    for (int k = 0; k < OWN; ++k) {
        const i64 i = own + k * BLOCK, place = chunk * width + residue * size + i;
        if (i < size) sums[place] = dscale[k], sums[chunks * width + place] = dbias[k];
    }
}

// Both sums (2, n, columns, items), weighted, over `divisor`.
template <typename In, typename T>
__global__ void __launch_bounds__(256, 4) totals(const In* __restrict__ sums, const T* __restrict__ weights,
    T* __restrict__ both, T* __restrict__ plain, i64 n, i64 columns, int items, i64 period, int split, double divisor)
{
    __shared__ double box[LANES][WARP];
    const i64 column = (i64)blockIdx.x * WARP + threadIdx.x;
    const double a = gathered(sums, weights, n, columns, items, period, split, box);
    const double b = gathered(sums + n * columns * items, weights, n, columns, items, period, split, box);
    if (threadIdx.x < WARP && column < columns) both[column] = T(a / divisor), plain[column] = T(b / divisor);
}

// dx, given the means of dy n and of dy over each group, times scale.
template <typename T>
__global__ void __launch_bounds__(256) apply_dx(const T* __restrict__ dy, const T* __restrict__ y,
    const T* __restrict__ x, const double* __restrict__ means, const double* __restrict__ vars,
    const T* __restrict__ scale, const T* __restrict__ bias, const T* __restrict__ both, const T* __restrict__ plain,
    T* __restrict__ dx, i64 n, i64 size, i64 groups, i64 period, i64 per, i64 run, double eps, int centred, int relu)
{
    const i64 at = ((i64)blockIdx.x * BLOCK + threadIdx.x) * Pack<T>::N;
    if (at >= n) return;
    const Pack<T> g = load(dy, at, n), v = load(x, at, n);
    Pack<T> out;
    Walk walk(at, size, groups, period, per, run);
    Standard<T> standard(means[walk.group], vars[walk.group], eps);
    #pragma unroll
    for (int k = 0; k < Pack<T>::N; ++k) {
        if (k && walk.next()) standard = Standard<T>(means[walk.group], vars[walk.group], eps);
        if (at + k >= n) break;
        const i64 affine = walk.affine();
        const T normal = standard(v.v[k]), given = passed(g.v[k], y, at + k, normal, scale, bias, affine, relu);
        const T scaled = scale ? given * scale[affine] : given, mean = centred ? plain[walk.group] : T(0);
        out.v[k] = (scaled - normal * both[walk.group] - mean) * standard.factor;
    }
    store(dx, at, n, out);
}
