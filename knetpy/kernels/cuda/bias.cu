// A bias for each channel, then an activation F; and back through both, with the bias's own derivative.
//
// x is (images, channels, inner): rows of `inner` neighbours that share a bias.
constexpr int CHUNK = 8;  // elements that are read before the first is used, and added up before float64 is

template <typename F, typename T>
__global__ void __launch_bounds__(256) forward(const T* __restrict__ x, const T* __restrict__ bias, T* __restrict__ y,
                                               i64 n, i64 channels, i64 inner, T a)
{
    const i64 at = ((i64)blockIdx.x * BLOCK + threadIdx.x) * Pack<T>::N;
    if (at >= n) return;
    Pack<T> v = load(x, at, n);
    i64 channel = at / inner % channels, i = at % inner;
    #pragma unroll
    for (int k = 0; k < Pack<T>::N; ++k) {
        v.v[k] = F::at(v.v[k] + bias[channel], a, T(0), T(0));
        if (++i == inner) {
            i = 0;
            if (++channel == channels) channel = 0;
        }
    }
    store(y, at, n, v);
}

// dz from element `begin` to before `end`, `step` apart; returns their sum. kept: see the reference; shift: its bias.
template <typename F, typename T>
__device__ __forceinline__ double slopes(const T* __restrict__ dy, const T* __restrict__ kept, T shift,
                                         T* __restrict__ dz, i64 begin, i64 end, i64 step, T a)
{
    double sum = 0;
    for (i64 i = begin; i < end; i += CHUNK * step) {
        T d[CHUNK], v[CHUNK], part = 0;
        #pragma unroll
        for (int k = 0; k < CHUNK; ++k) {
            const bool in = i + k * step < end;
            d[k] = in ? dy[i + k * step] : T(0);
            v[k] = in ? kept[i + k * step] : T(0);
        }
        #pragma unroll
        for (int k = 0; k < CHUNK; ++k) {
            if (i + k * step >= end) break;
            d[k] = F::at(d[k], v[k] + shift, a, T(0), T(0));
            dz[i + k * step] = d[k];
            part += d[k];
        }
        sum += part;
    }
    return sum;
}

// A team takes a part of a row: sums (rows, parts).
template <typename F, typename T>
__global__ void __launch_bounds__(256, 2) back_rows(const T* __restrict__ dy, const T* __restrict__ kept,
    const T* __restrict__ bias, T* __restrict__ dz, double* __restrict__ sums, i64 rows, i64 channels, i64 inner,
    i64 parts, int team, T a)
{
    __shared__ double box[WARP];
    const i64 task = team_number(team), row = task / parts;
    if (row >= rows) return;
    const i64 begin = row * inner + task % parts * PART, end = min((row + 1) * inner, begin + PART);
    const int lane = threadIdx.x % team;
    const T shift = bias ? bias[row % channels] : T(0);
    const double own = slopes<F>(dy, kept, shift, dz, begin + lane, end, (i64)team, a);
    const double sum = team_sum(team, own, box);
    if (lane == 0) sums[task] = sum;
}

// Of short rows, those of an image are read as one of width = channels inner: sums (parts, width).
template <typename F, typename T>
__global__ void __launch_bounds__(256, 2) back_columns(const T* __restrict__ dy, const T* __restrict__ kept,
    const T* __restrict__ bias, T* __restrict__ dz, double* __restrict__ sums, i64 rows, i64 width, i64 inner, T a)
{
    __shared__ double box[LANES][WARP];
    const Place at(rows, width, (rows + ROWS - 1) / ROWS);
    double sum = 0;
    if (at.column < width) {
        const T shift = bias ? bias[at.column / inner] : T(0);
        sum = slopes<F>(dy, kept, shift, dz, at.begin * width + at.column, at.end * width, LANES * width, a);
    }
    sum = column_sum(sum, box);
    if (at.column < width && threadIdx.x < WARP) sums[at.part * width + at.column] = sum;
}

// The derivative by the bias: sums (n, channels, items) over the first and the last axis.
template <typename T>
__global__ void __launch_bounds__(256, 4) totals(const double* __restrict__ sums, T* __restrict__ dbias, i64 n,
                                              i64 channels, int items)
{
    __shared__ double box[LANES][WARP];
    const double* const even = nullptr;
    const i64 channel = (i64)blockIdx.x * WARP + threadIdx.x;
    const double sum = gathered(sums, even, n, channels, items, 1, items, box);
    if (threadIdx.x < WARP && channel < channels) dbias[channel] = T(sum);
}
