// The gradient of a convolution by its weights: dw[o][term] is the sum over all pixels of dy[o] times what the term meets in
// x. The pixels are split over blocks, whose sums are added in a second pass, always in the same order; or, where the user
// does not mind, into one place by atomics (`per_split` is 0), in the order in which blocks end. The tables are those of
// conv.cu's forward product, whose rows are the columns here.
constexpr int WORDS = 8, BEYOND = 1 << 30;  // no place lacks that bit, only pixels behind the last do

// A thread walks from pixel to pixel, by STEP: n, line, place and what is left up to the end, this pixel too.
template <int STEP> struct Walk {
    int left, n, line, at, lines, width, by_n, by_line, by;
    const int4 *of_line, *of_place;

    __device__ __forceinline__ Walk(int pixel, int end, const int* phase, const int4* places)
        : left(end - pixel), lines(phase[3]), width(phase[4]), of_line(places + phase[5]), of_place(places + phase[6])
    {
        at = pixel % width, line = pixel / width % lines, n = pixel / width / lines;
        by = STEP % width, by_line = STEP / width % lines, by_n = STEP / width / lines;
    }
    __device__ __forceinline__ void step()
    {
        left -= STEP, at += by, line += by_line, n += by_n;
        if (at >= width) at -= width, ++line;
        if (line >= lines) line -= lines, ++n;
    }
};

// Where a pixel's numbers are; behind the last one none may be read.
struct Found { i64 x, y; int lacks; };

template <int STEP> __device__ __forceinline__ Found found(const Walk<STEP>& walk, int x_image, int y_image)
{
    if (walk.left <= 0) return {0, 0, -1};
    const int4 line = walk.of_line[walk.line], at = walk.of_place[walk.at];
    return {(i64)walk.n * x_image + (line.x + at.x), (i64)walk.n * y_image + (line.z + at.z), line.y | at.y};
}

template <typename S> __device__ __forceinline__ void put(S* to, S sum, bool together)
{
    if (together) atomicAdd(to, sum);
    else *to = sum;
}

// A block makes BM x BN weights of a group (blockIdx.y) from `each` pixels: eight neighbouring threads read eight
// neighbouring pixels, of which they read some channels of dy and some terms of x; PER times, if a word has as many terms.
// Of the largest, two on a multiprocessor would leave too few registers for what is looked up (sm_100 spills).
template <typename T, int BM, int BN, Factor F>
__global__ void __launch_bounds__(Tile<T, BM, BN, F>::THREADS,
                                  Tile<T, BM, BN, F>::THREADS < 256 ? Tile<T, BM, BN, F>::BLOCKS : 1)
tile_dw(const T* __restrict__ x, const T* __restrict__ dy, Sum<T>* __restrict__ parts, const int* __restrict__ phase,
        const int2* __restrict__ rows, const int* __restrict__ terms, const int4* __restrict__ places, int pixels, int each,
        int x_image, int x_group, int y_plane, int m, int all, i64 per_split)
{
    constexpr int PAD = F ? 8 : 16 / sizeof(T);  // frees what is stored of bank conflicts, but tensor cores' of two-fold ones
    using Sums = Tile<T, BM, BN, F, PAD>;
    constexpr int THREADS = Sums::THREADS, RUN = Sums::RUN, SIDE = Sums::SIDE, STRIDE = THREADS / WORDS;
    using W = typename Sums::W;
    constexpr int PER = Word<T, F>::PER, BK = WORDS * PER;
    __shared__ __align__(16) W as[2][WORDS][BM + PAD];
    __shared__ __align__(16) W bs[2][WORDS][BN + PAD];
    __shared__ int2 met[BN];
    __shared__ int weight[BN];

    const int tid = threadIdx.x, tiles_m = (m + BM - 1) / BM, count = phase[1], tiles_n = (count + BN - 1) / BN;
    const int m0 = blockIdx.x % tiles_m * BM, n0 = blockIdx.x / tiles_m % tiles_n * BN, split = blockIdx.x / tiles_m / tiles_n;
    for (int i = tid; i < BN; i += THREADS) {
        const bool in = n0 + i < count;
        const int2 term = in ? rows[n0 + i] : make_int2(0, -1);
        met[i] = make_int2(term.x, term.y | BEYOND);
        weight[i] = in ? terms[n0 + i] : -1;
    }
    const int end = min(pixels - split * each, each) + split * each, steps = (end - split * each + BK - 1) / BK;
    const int k = tid % WORDS, first = tid / WORDS;
    const int y_image = (int)gridDim.y * m * y_plane, rows_left = m - m0 - first;
    const i64 apart = (i64)STRIDE * y_plane;
    x += (int)blockIdx.y * x_group, dy += ((i64)blockIdx.y * m + m0 + first) * y_plane;
    Walk<WORDS> walk(split * each + k, end, phase, places);
    Found next = found(walk, x_image, y_image);

    T av[BM / STRIDE][PER], bv[BN / STRIDE][PER];
    const auto read = [&]() {  // the next BK pixels
        #pragma unroll
        for (int p = 0; p < PER; ++p) {
            const T *from = kept(x + next.x), *to = kept(dy + next.y);
            const int some = next.lacks & BEYOND ? 0 : rows_left;
            #pragma unroll
            for (int i = 0; i < BM / STRIDE; ++i) av[i][p] = i * STRIDE < some ? to[i * apart] : T{};
            #pragma unroll
            for (int i = 0; i < BN / STRIDE; ++i) {
                const int2 term = met[first + i * STRIDE];
                bv[i][p] = next.lacks & term.y ? T{} : from[term.x];
            }
            walk.step();
            next = found(walk, x_image, y_image);
        }
    };
    const auto write = [&](int half) {
        #pragma unroll
        for (int i = 0; i < BM / STRIDE; ++i) as[half][k][first + i * STRIDE] = Word<T, F>::of(av[i]);
        #pragma unroll
        for (int i = 0; i < BN / STRIDE; ++i) bs[half][k][first + i * STRIDE] = Word<T, F>::of(bv[i]);
        __syncthreads();
    };
    Sums sums;
    __syncthreads();
    read(), write(0);
    for (int left = steps; left > 0; left -= 2) {  // the first half is full; left counts it
        if (left > 1) read();
        sums.add(as[0], bs[0]);
        if (left == 1) break;
        write(1);
        if (left > 2) read();
        sums.add(as[1], bs[1]);
        if (left > 2) write(0);
    }
    parts += split * per_split + ((i64)blockIdx.y * m + m0) * all;
    const bool together = per_split == 0;
    u64 bad = 0;
    #pragma unroll
    for (int i = 0; i < SIDE; ++i) {
        Sum<T>* p = parts + (i64)sums.row(i) * all;
        if (m0 + sums.row(i) >= m) continue;
        #pragma unroll
        for (int j = 0; j < SIDE; j += RUN) {
            const int* to = &weight[sums.column(j)];
            bool odd = false;
            #pragma unroll
            for (int r = 0; r < RUN; ++r) odd |= sums.sum[i][j + r] != sums.sum[i][j + r];
            if (!odd && !together && all % RUN == 0 && to[0] % RUN == 0 && to[RUN - 1] == to[0] + RUN - 1) {
                Vector<Sum<T>, RUN> v;
                #pragma unroll
                for (int r = 0; r < RUN; ++r) v.v[r] = sums.sum[i][j + r];
                store(p + to[0], v);
                continue;
            }
            #pragma unroll
            for (int r = 0; r < RUN; ++r) {
                if (to[r] < 0) continue;
                if (odd && sums.sum[i][j + r] != sums.sum[i][j + r]) bad |= 1ull << (i * SIDE + j + r);
                else put(p + to[r], sums.sum[i][j + r], together);
            }
        }
    }
    // A zero beside x times an infinite dy gave NaN: such sums are made anew, of what is inside.
    for (int e = 0; bad; ++e, bad >>= 1) {
        if (!(bad & 1)) continue;
        const int row = sums.row(e / SIDE), at = sums.column(e % SIDE);
        Sum<T> sum = 0;
        for (Walk<1> walk(split * each, end, phase, places); walk.left > 0 && sum == sum; walk.step()) {
            const Found pixel = found(walk, x_image, y_image);
            if (!(pixel.lacks & met[at].y))
                sum += value(dy[pixel.y + (i64)(row - first) * y_plane]) * value(x[pixel.x + met[at].x]);
        }
        put(parts + ((i64)row * all + weight[at]), sum, together);
    }
}

// Few weights for each group: a block makes TAPS of one output, its threads take every 256th pixel.
template <typename T>
__global__ void __launch_bounds__(256)
narrow_dw(const T* __restrict__ x, const T* __restrict__ dy, T* __restrict__ parts, const int* __restrict__ phase,
          const int2* __restrict__ rows, const int* __restrict__ terms, const int4* __restrict__ places, int pixels, int each,
          int x_image, int x_group, int y_image, int y_plane, int m, int outputs, int all, i64 per_split)
{
    constexpr int TAPS = 9, THREADS = 256;
    __shared__ T part[THREADS / WARP][TAPS];
    const int tid = threadIdx.x, o = blockIdx.x % outputs, count = phase[1], chunks = (count + TAPS - 1) / TAPS;
    const int c0 = blockIdx.x / outputs % chunks * TAPS, split = blockIdx.x / outputs / chunks;
    x += o / m * x_group, dy += (i64)o * y_plane;
    int2 met[TAPS];
    T sum[TAPS] = {};
    #pragma unroll
    for (int t = 0; t < TAPS; ++t) met[t] = rows[c0 + t];  // behind the last come rows that no pixel meets
    const int end = min(pixels - split * each, each) + split * each;
    for (Walk<THREADS> walk(split * each + tid, end, phase, places); walk.left > 0; walk.step()) {
        const Found at = found(walk, x_image, y_image);
        const T* from = x + at.x;
        const T g = dy[at.y];
        #pragma unroll
        for (int t = 0; t < TAPS; ++t)
            if (!(at.lacks & met[t].y)) sum[t] += g * from[met[t].x];
    }
    #pragma unroll
    for (int t = 0; t < TAPS; ++t) {
        const T all_lanes = warp_sum(sum[t]);
        if (tid % WARP == 0) part[tid / WARP][t] = all_lanes;
    }
    __syncthreads();
    if (tid >= TAPS || c0 + tid >= count) return;
    T whole = 0;
    for (int i = 0; i < THREADS / WARP; ++i) whole += part[i][tid];
    put(parts + (split * per_split + (i64)o * all + terms[c0 + tid]), whole, per_split == 0);
}

// A thread adds the parts of one weight, in their order.
template <typename T>
__global__ void add(const Sum<T>* __restrict__ parts, T* __restrict__ dw, int splits, i64 size)
{
    const i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= size) return;
    Sum<T> sum = 0;
    for (int s = 0; s < splits; ++s) sum += parts[s * size + i];
    dw[i] = narrowed<T>(sum);
}
