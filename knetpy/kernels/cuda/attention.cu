// Attention in blocks, with its transposes: the scores of a block stay in registers and shared memory.
//
// A block of 128 threads owns 16 R rows of one product of the batch (queries, or in attend_dkv keys), goes over the
// other side's rows, OTHER at a time, and adds them up for its own: no atomics. Its tiles in shared memory have rows of
// D + 4 elements, 0 beyond the heads' own size. Thread (ty, tx) = (threadIdx.x / 8, threadIdx.x % 8) has the scores of
// its rows ty + 16 i and the other's rows tx + 8 j, and of sums the columns 4 tx + 32 c and three more: neighbours in a
// warp meet all banks. The 8 threads of a row are of one warp.
//
// where (5, products): which matrix of q, k, v, bias and mask each product has. A score is q k, with the scale in q,
// plus the bias, or -Inf where the mask is 0 or causal forbids it. Sizes of heads are multiples of 4, and all is
// aligned so.
constexpr int THREADS = 128, OTHER = 32, ACROSS = 8, COLUMNS = OTHER / ACROSS, WIDTH = OTHER + 8;

template <typename T> struct alignas(16) Four { T x, y, z, w; };

template <typename T> __device__ __forceinline__ T dot(const Four<T>& a, const Four<T>& b, T sum) {
    return sum + a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w;
}
template <typename T> __device__ __forceinline__ Four<T> times(const Four<T>& v, T factor) {
    return {v.x * factor, v.y * factor, v.z * factor, v.w * factor};
}
template <typename T> __device__ __forceinline__ void add(Four<T>& sum, T p, const Four<T>& v) {
    sum.x += p * v.x;
    sum.y += p * v.y;
    sum.z += p * v.z;
    sum.w += p * v.w;
}

// A tile of `rows` rows of x (n, width) from `first` on, times scale.
template <typename T, int D>
__device__ __forceinline__ void load(T* tile, const T* __restrict__ x, int rows, int first, int n, int width, T scale) {
    for (int i = threadIdx.x; i < rows * (D / 4); i += THREADS) {
        const int r = i / (D / 4), c = i % (D / 4) * 4;
        Four<T> v = {0, 0, 0, 0};
        if (first + r < n && c < width) v = *(const Four<T>*)(x + (i64)(first + r) * width + c);
        const Four<T> scaled = times(v, scale);
        *(Four<T>*)(tile + r * (D + 4) + c) = scaled;
    }
}

// s[i][j] = the product of row ty + 16 i of one tile and row tx + 8 j of another.
template <typename T, int D, int R>
__device__ __forceinline__ void multiply(T (&s)[R][COLUMNS], const T* own, const T* other) {
    const T *a = own + threadIdx.x / ACROSS * (D + 4), *b = other + threadIdx.x % ACROSS * (D + 4);
    #pragma unroll
    for (int i = 0; i < R; ++i)
        #pragma unroll
        for (int j = 0; j < COLUMNS; ++j) s[i][j] = 0;
    #pragma unroll 1
    for (int d = 0; d < D; d += 4) {
        Four<T> left[R], right[COLUMNS];
        #pragma unroll
        for (int i = 0; i < R; ++i) left[i] = *(const Four<T>*)(a + 16 * i * (D + 4) + d);
        #pragma unroll
        for (int j = 0; j < COLUMNS; ++j) right[j] = *(const Four<T>*)(b + ACROSS * j * (D + 4) + d);
        #pragma unroll
        for (int i = 0; i < R; ++i)
            #pragma unroll
            for (int j = 0; j < COLUMNS; ++j) s[i][j] = dot(left[i], right[j], s[i][j]);
    }
}

// sums += weights (16 R, OTHER) times a tile.
template <typename T, int D, int R>
__device__ __forceinline__ void weigh(Four<T> (&sums)[R][D / 32], const T* weights, const T* tile) {
    const T *a = weights + threadIdx.x / ACROSS * WIDTH, *b = tile + threadIdx.x % ACROSS * 4;
    #pragma unroll 1
    for (int k = 0; k < OTHER; k += 4) {
        Four<T> p[R];
        #pragma unroll
        for (int i = 0; i < R; ++i) p[i] = *(const Four<T>*)(a + 16 * i * WIDTH + k);
        #pragma unroll
        for (int c = 0; c < D / 32; ++c) {
            const T* v = b + k * (D + 4) + 32 * c;
            const Four<T> first = *(const Four<T>*)v, second = *(const Four<T>*)(v + D + 4);
            const Four<T> third = *(const Four<T>*)(v + 2 * (D + 4)), fourth = *(const Four<T>*)(v + 3 * (D + 4));
            #pragma unroll
            for (int i = 0; i < R; ++i) {
                add(sums[i][c], p[i].x, first);
                add(sums[i][c], p[i].y, second);
                add(sums[i][c], p[i].z, third);
                add(sums[i][c], p[i].w, fourth);
            }
        }
    }
}

// Row `row` of x (n, width), which is a thread's columns times a factor.
template <typename T, int D>
__device__ __forceinline__ void store(T* __restrict__ x, const Four<T> (&sums)[D / 32], int row, int n, int width,
                                      T factor) {
    if (row >= n) return;
    #pragma unroll
    for (int c = 0; c < D / 32; ++c) {
        const int column = threadIdx.x % ACROSS * 4 + 32 * c;
        const Four<T> v = times(sums[c], factor);
        if (column < width) *(Four<T>*)(x + (i64)row * width + column) = v;
    }
}

// The part of a score that is no product: of query i and key j, of L and S.
template <typename T> struct Seen {
    const T* bias;
    const unsigned char* mask;
    int L, S, bias_row, bias_column, mask_row, mask_column, causal;

    __device__ __forceinline__ bool inside(int i, int j) const { return i < L && j < S; }
    __device__ __forceinline__ T score(T product, int i, int j) const {
        if (!inside(i, j) || (causal && j > i)) return T(-INFINITY);
        if (mask && !mask[(i64)i * mask_row + j * mask_column]) return T(-INFINITY);
        return bias ? product + bias[(i64)i * bias_row + j * bias_column] : product;
    }
};
// Those of one product. A matrix of bias or mask has as many elements as its last row and column begin at, and one.
template <typename T>
__device__ __forceinline__ Seen<T> seen(const T* bias, const unsigned char* mask, const i64* where, i64 products, int L,
                                        int S, int bias_row, int bias_column, int mask_row, int mask_column,
                                        int causal) {
    if (bias) bias += where[3 * products] * ((i64)(L - 1) * bias_row + (S - 1) * bias_column + 1);
    if (mask) mask += where[4 * products] * ((i64)(L - 1) * mask_row + (S - 1) * mask_column + 1);
    return {bias, mask, L, S, bias_row, bias_column, mask_row, mask_column, causal};
}

// exp(score - top): 1 where both are Inf, 0 where both are -Inf, the limits.
template <typename T> __device__ __forceinline__ T weight(T score, T top) {
    return score == T(-INFINITY) ? T(0) : exp(below(score, top));
}
template <typename T> __device__ __forceinline__ T inverse(T total) { return total == 0 ? T(1) : 1 / total; }

// y (products, L, E), and of each row its top, the largest score, and the total of exp(score - top). What was added up
// so far is scaled to a new top.
template <typename T, int D, int R>
__global__ void __launch_bounds__(THREADS) attend(
    const T* __restrict__ q, const T* __restrict__ k, const T* __restrict__ v, const T* __restrict__ bias,
    const unsigned char* __restrict__ mask, const i64* __restrict__ where, T* __restrict__ y, T* __restrict__ tops,
    T* __restrict__ totals, i64 products, int L, int S, int width, int out, T scale, int bias_row, int bias_column,
    int mask_row, int mask_column, int causal)
{
    extern __shared__ __align__(16) float memory[];
    T *queries = (T*)memory, *others = queries + 16 * R * (D + 4), *weights = others + OTHER * (D + 4);
    const int tiles = (L + 16 * R - 1) / (16 * R), first = blockIdx.x % tiles * 16 * R;
    const i64 product = blockIdx.x / tiles;
    const int ty = threadIdx.x / ACROSS, tx = threadIdx.x % ACROSS;
    const Seen<T> how =
        seen(bias, mask, where + product, products, L, S, bias_row, bias_column, mask_row, mask_column, causal);
    q += where[product] * L * width;
    k += where[products + product] * S * width;
    v += where[2 * products + product] * S * out;
    load<T, D>(queries, q, 16 * R, first, L, width, scale);
    Four<T> sums[R][D / 32] = {};
    T top[R], total[R];
    #pragma unroll
    for (int i = 0; i < R; ++i) {
        top[i] = T(-INFINITY);
        total[i] = 0;
    }
    const int stop = causal ? min(S, first + 16 * R) : S;
    for (int from = 0; from < stop; from += OTHER) {
        T s[R][COLUMNS];
        __syncthreads();
        load<T, D>(others, k, OTHER, from, S, width, T(1));
        __syncthreads();
        multiply<T, D, R>(s, queries, others);
        __syncthreads();
        load<T, D>(others, v, OTHER, from, S, out, T(1));
        #pragma unroll
        for (int i = 0; i < R; ++i) {
            T next = T(-INFINITY), more = 0;
            #pragma unroll
            for (int j = 0; j < COLUMNS; ++j) {
                s[i][j] = how.score(s[i][j], first + ty + 16 * i, from + tx + ACROSS * j);
                next = larger(next, s[i][j]);
            }
            next = larger(top[i], warp_larger<ACROSS>(next));
            #pragma unroll
            for (int j = 0; j < COLUMNS; ++j) {
                const T p = weight(s[i][j], next);
                weights[(ty + 16 * i) * WIDTH + tx + ACROSS * j] = p;
                more += p;
            }
            const T shrink = exp(below(top[i], next));
            total[i] = total[i] * shrink + more;
            top[i] = next;
            #pragma unroll
            for (int c = 0; c < D / 32; ++c) sums[i][c] = times(sums[i][c], shrink);
        }
        __syncthreads();
        weigh<T, D, R>(sums, weights, others);
    }
    #pragma unroll
    for (int i = 0; i < R; ++i) {
        const int row = first + ty + 16 * i;
        total[i] = warp_sum<ACROSS>(total[i]);
        store<T, D>(y + product * L * out, sums[i], row, L, out, inverse(total[i]));
        if (tx == 0 && row < L) {
            tops[product * L + row] = top[i];
            totals[product * L + row] = total[i];
        }
    }
}

// deltas[row] = the sum of dy y along a row: a warp takes one.
template <typename T>
__global__ void contract(const T* __restrict__ dy, const T* __restrict__ y, T* __restrict__ deltas, i64 rows, int width)
{
    const i64 row = row_of(WARP);
    if (row >= rows) return;
    T sum = 0;
    for (int c = threadIdx.x % WARP; c < width; c += WARP) sum += dy[row * width + c] * y[row * width + c];
    sum = warp_sum(sum);
    if (threadIdx.x % WARP == 0) deltas[row] = sum;
}

// dq (products, L, width), and ds (products, L, S), the derivative by the scores, unless it is null. Where causal
// forbids a whole tile ds is not written.
template <typename T, int D, int R>
__global__ void __launch_bounds__(THREADS) attend_dq(
    const T* __restrict__ q, const T* __restrict__ k, const T* __restrict__ v, const T* __restrict__ bias,
    const unsigned char* __restrict__ mask, const i64* __restrict__ where, const T* __restrict__ dy,
    const T* __restrict__ tops, const T* __restrict__ totals, const T* __restrict__ deltas, T* __restrict__ dq,
    T* __restrict__ ds, i64 products, int L, int S, int width, int out, T scale, int bias_row, int bias_column,
    int mask_row, int mask_column, int causal)
{
    extern __shared__ __align__(16) float memory[];
    T *queries = (T*)memory, *dys = queries + 16 * R * (D + 4), *others = dys + 16 * R * (D + 4);
    T* weights = others + OTHER * (D + 4);
    const int tiles = (L + 16 * R - 1) / (16 * R), first = blockIdx.x % tiles * 16 * R;
    const i64 product = blockIdx.x / tiles;
    const int ty = threadIdx.x / ACROSS, tx = threadIdx.x % ACROSS;
    const Seen<T> how =
        seen(bias, mask, where + product, products, L, S, bias_row, bias_column, mask_row, mask_column, causal);
    q += where[product] * L * width;
    k += where[products + product] * S * width;
    v += where[2 * products + product] * S * out;
    load<T, D>(queries, q, 16 * R, first, L, width, scale);
    load<T, D>(dys, dy + product * L * out, 16 * R, first, L, out, T(1));
    Four<T> sums[R][D / 32] = {};
    const int stop = causal ? min(S, first + 16 * R) : S;
    for (int from = 0; from < stop; from += OTHER) {
        T s[R][COLUMNS], d[R][COLUMNS];
        __syncthreads();
        load<T, D>(others, v, OTHER, from, S, out, T(1));
        __syncthreads();
        multiply<T, D, R>(d, dys, others);
        __syncthreads();
        load<T, D>(others, k, OTHER, from, S, width, T(1));
        __syncthreads();
        multiply<T, D, R>(s, queries, others);
        #pragma unroll
        for (int i = 0; i < R; ++i) {
            const int row = first + ty + 16 * i;
            const i64 at = product * L + row;  // read again in each turn, as registers are rare
            const T top = row < L ? tops[at] : T(0), share = row < L ? inverse(totals[at]) : T(0);
            const T delta = row < L ? deltas[at] : T(0);
            #pragma unroll
            for (int j = 0; j < COLUMNS; ++j) {
                const int column = from + tx + ACROSS * j;
                const T by = weight(how.score(s[i][j], row, column), top) * share * (d[i][j] - delta);
                weights[(ty + 16 * i) * WIDTH + tx + ACROSS * j] = by;
                if (ds && how.inside(row, column)) ds[at * S + column] = by;
            }
        }
        __syncwarp();
        weigh<T, D, R>(sums, weights, others);
    }
    #pragma unroll
    for (int i = 0; i < R; ++i)
        store<T, D>(dq + product * L * width, sums[i], first + ty + 16 * i, L, width, scale);
}

// dk (products, S, width) and dv (products, S, out): the block owns keys, and goes over the queries.
template <typename T, int D, int R>
__global__ void __launch_bounds__(THREADS) attend_dkv(
    const T* __restrict__ q, const T* __restrict__ k, const T* __restrict__ v, const T* __restrict__ bias,
    const unsigned char* __restrict__ mask, const i64* __restrict__ where, const T* __restrict__ dy,
    const T* __restrict__ tops, const T* __restrict__ totals, const T* __restrict__ deltas, T* __restrict__ dk,
    T* __restrict__ dv, i64 products, int L, int S, int width, int out, T scale, int bias_row, int bias_column,
    int mask_row, int mask_column, int causal)
{
    extern __shared__ __align__(16) float memory[];
    T *keys = (T*)memory, *values = keys + 16 * R * (D + 4), *queries = values + 16 * R * (D + 4);
    T *dys = queries + OTHER * (D + 4), *weights = dys + OTHER * (D + 4);
    const int tiles = (S + 16 * R - 1) / (16 * R), first = blockIdx.x % tiles * 16 * R;
    const i64 product = blockIdx.x / tiles;
    const int ty = threadIdx.x / ACROSS, tx = threadIdx.x % ACROSS;
    const Seen<T> how =
        seen(bias, mask, where + product, products, L, S, bias_row, bias_column, mask_row, mask_column, causal);
    q += where[product] * L * width;
    k += where[products + product] * S * width;
    v += where[2 * products + product] * S * out;
    dy += product * L * out;
    load<T, D>(keys, k, 16 * R, first, S, width, T(1));
    load<T, D>(values, v, 16 * R, first, S, out, T(1));
    Four<T> by_key[R][D / 32] = {}, by_value[R][D / 32] = {};
    for (int from = causal ? first / OTHER * OTHER : 0; from < L; from += OTHER) {
        T s[R][COLUMNS], d[R][COLUMNS];
        __syncthreads();
        load<T, D>(queries, q, OTHER, from, L, width, scale);
        load<T, D>(dys, dy, OTHER, from, L, out, T(1));
        __syncthreads();
        multiply<T, D, R>(s, keys, queries);
        multiply<T, D, R>(d, values, dys);
        #pragma unroll
        for (int j = 0; j < COLUMNS; ++j) {
            const int row = from + tx + ACROSS * j;
            const i64 at = product * L + row;
            const T top = row < L ? tops[at] : T(0), share = row < L ? inverse(totals[at]) : T(0);
            const T delta = row < L ? deltas[at] : T(0);
            #pragma unroll
            for (int i = 0; i < R; ++i) {
                const int column = first + ty + 16 * i;
                const T p = weight(how.score(s[i][j], row, column), top) * share;
                weights[(ty + 16 * i) * WIDTH + tx + ACROSS * j] = p;
                s[i][j] = row < L ? p * (d[i][j] - delta) : T(0);  // beyond the last query 0 times a value may be NaN
            }
        }
        __syncwarp();
        weigh<T, D, R>(by_value, weights, dys);
        __syncwarp();
        #pragma unroll
        for (int i = 0; i < R; ++i)
            #pragma unroll
            for (int j = 0; j < COLUMNS; ++j) weights[(ty + 16 * i) * WIDTH + tx + ACROSS * j] = s[i][j];
        __syncwarp();
        weigh<T, D, R>(by_key, weights, queries);
    }
    #pragma unroll
    for (int i = 0; i < R; ++i) {
        store<T, D>(dk + product * S * width, by_key[i], first + ty + 16 * i, S, width, T(1));
        store<T, D>(dv + product * S * out, by_value[i], first + ty + 16 * i, S, out, T(1));
    }
}

// y: each pair of x (rows, 2 pairs) turned by the angle of cos and sin (turns, pairs), over which rows go again and
// again. Pair i are the elements i and i + pairs; if interleaved, 2i and 2i + 1. `lanes` neighbours take a row.
template <typename T>
__global__ void rotate(const T* __restrict__ x, const T* __restrict__ cos, const T* __restrict__ sin, T* __restrict__ y,
                       i64 rows, i64 turns, int pairs, int interleaved, int lanes)
{
    const i64 row = row_of(lanes);
    if (row >= rows) return;
    const i64 turn = row % turns * pairs, start = row * 2 * pairs;
    for (int i = threadIdx.x % lanes; i < pairs; i += lanes) {
        const i64 first = start + (interleaved ? 2 * i : i), second = first + (interleaved ? 1 : pairs);
        const T a = x[first], b = x[second], c = cos[turn + i], s = sin[turn + i];
        y[first] = a * c - b * s;
        y[second] = b * c + a * s;
    }
}
