// Convolution, its two gradients, and the transposed convolution, which is the gradient by x: products of matrices whose
// one factor is gathered from an array as it is read (implicit GEMM). Tables say from where; convplan.py makes them:
//
//   rows[k] = (offset, need): what term k meets lies `offset` behind the pixel's base, unless the pixel lacks a bit of
//   `need`: then it is beside the array, and no part of any sum.
//   places[] = (base, lacks, target, 0), for each line of pixels, then for each place along it: they add up to the pixel's
//   base, the bits that it lacks, and where its sums are put.
//   phases[] = (first tile, terms, first row, lines, places of a line, where both begin in places[]), by FIELDS; one launch
//   makes all phases. A gradient by x has a phase for each remainder of a place by the stride, as each has its own terms.
// Numbers of elements of an image and of the weights fit into an int.
constexpr int FIELDS = 7, RELU = 1, MORE = 2, BESIDE = 4;  // flags: MORE adds to what is there, BESIDE: some need bits

struct Pixel { i64 base, target; int lacks; };

// Pixel p (one behind the last counts as the first, but is put nowhere) of `images` images.
__device__ __forceinline__ Pixel pixel(i64 p, const int* phase, const int4* places, int images, int x_image, int y_image)
{
    const int width = phase[4], size = phase[3] * width;
    const bool in = p < (i64)images * size;
    const int n = in ? (int)p / size : 0, q = in ? (int)p % size : 0;
    const int4 line = places[phase[5] + q / width], at = places[phase[6] + q % width];
    return {(i64)n * x_image + line.x + at.x, in ? (i64)n * y_image + line.z + at.z : -1, line.y | at.y};
}

// The weights as tile() reads them: words a[group][row][m], with zeros beyond the last m and in rows without a term; a row
// of words has PER terms. A block turns 32 x 32 words.
template <typename T, Factor F>
__global__ void pack(const T* __restrict__ w, const int* __restrict__ terms, typename Word<T, F>::Type* __restrict__ a,
                     int w_group, int w_m, int m, int wide, int rows)
{
    using W = typename Word<T, F>::Type;
    constexpr int PER = Word<T, F>::PER;
    __shared__ W part[WARP][WARP + 1];
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    const int row = blockIdx.x / (wide / WARP) * WARP, column = blockIdx.x % (wide / WARP) * WARP;
    int term[PER];
    #pragma unroll
    for (int k = 0; k < PER; ++k) term[k] = row + lane < rows ? terms[(row + lane) * PER + k] : -1;
    for (int i = warp; i < WARP; i += warps) {
        T v[PER];
        #pragma unroll
        for (int k = 0; k < PER; ++k)
            v[k] = term[k] >= 0 && column + i < m ? w[blockIdx.y * w_group + (column + i) * w_m + term[k]] : T{};
        part[i][lane] = Word<T, F>::of(v);
    }
    __syncthreads();
    for (int i = warp; i < WARP; i += warps)
        if (row + i < rows) a[((i64)blockIdx.y * rows + row + i) * wide + column + lane] = part[lane][i];
}

// A sum with its bias, as it is put into y.
template <typename T> __device__ __forceinline__ T finished(Sum<T> v, const T* bias, i64 channel, int flags)
{
    if (bias) v += value(bias[channel]);
    return narrowed<T>(flags & RELU && v < 0 ? Sum<T>(0) : v);
}

// A block makes BM channels of a group (blockIdx.y) at BN pixels. While it multiplies BK terms in shared memory, it reads
// the next BK from global memory into registers; a thread reads of x what one pixel (or SPOTS pixels) meets.
template <typename T, int BM, int BN, int BK, Factor F>
__global__ void __launch_bounds__(Tile<T, BM, BN, F>::THREADS, Tile<T, BM, BN, F>::BLOCKS)
tile(const T* __restrict__ x, const typename Word<T, F>::Type* __restrict__ a, const T* __restrict__ bias,
     T* __restrict__ y, const int* __restrict__ phases, const int2* __restrict__ rows, const int4* __restrict__ places, int images, int x_image,
     int x_group, int y_plane, int m, int wide, int all_rows, int flags)
{
    using Sums = Tile<T, BM, BN, F>;
    using W = typename Sums::W;
    constexpr int THREADS = Sums::THREADS, V = Sums::V, RUN = Sums::RUN, PAD = F ? 8 : 0, SIDE = Sums::SIDE;
    constexpr int PER = Word<T, F>::PER, WORDS = BK / PER, VECTORS = WORDS * BM / V, LOADS = (VECTORS + THREADS - 1) / THREADS;
    constexpr int SPOTS = BN > THREADS ? BN / THREADS : 1, SHARE = BN > THREADS ? 1 : THREADS / BN, SHARED = WORDS / SHARE;
    __shared__ __align__(16) W as[2][WORDS][BM + PAD];
    __shared__ __align__(16) W bs[2][WORDS][BN + PAD];
    __shared__ int2 met[2][BK];
    __shared__ i64 base[BN];
    __shared__ i64 target[BN];
    __shared__ int without[BN];
    __shared__ int depth[2];  // for the end, as registers are few: the first row and the number of terms

    const int tid = threadIdx.x, tiles_m = wide / BM, m0 = blockIdx.x % tiles_m * BM, number = blockIdx.x / tiles_m;
    const int* phase = phases;
    while (number >= phase[FIELDS]) phase += FIELDS;
    const int terms = phase[1], first = phase[2], steps = (terms + BK - 1) / BK, spot = tid % BN, share = tid / BN;
    const T* from[SPOTS];
    int lacks[SPOTS];
    #pragma unroll
    for (int s = 0; s < SPOTS; ++s) {
        const int at = spot + s * THREADS;
        const Pixel p = pixel((i64)(number - phase[0]) * BN + at, phase, places, images, x_image, (int)gridDim.y * m * y_plane);
        from[s] = kept(x + blockIdx.y * x_group + p.base), lacks[s] = p.lacks;
        if (share == 0) base[at] = p.base, target[at] = p.target, without[at] = p.lacks;
    }
    if (tid == 0) depth[0] = first, depth[1] = terms;
    const W* weights = a + ((i64)blockIdx.y * all_rows + first / PER + tid * V / BM) * wide + m0 + tid * V % BM;
    int row = first + tid;

    Vector<W> av[LOADS];
    T bv[SPOTS][SHARED][PER];
    int2 next;
    const auto read = [&](int half) {  // the BK terms after those that were read before, to be written to that half
        #pragma unroll
        for (int i = 0; i < LOADS; ++i)
            if (VECTORS % THREADS == 0 || tid < VECTORS) av[i] = load(weights + i * (THREADS * V / BM) * wide);
        weights += WORDS * wide;
        #pragma unroll
        for (int t = 0; t < SHARED; ++t)
            #pragma unroll
            for (int k = 0; k < PER; ++k) {
                const int2 term = met[half][(share + t * SHARE) * PER + k];
                #pragma unroll
                for (int s = 0; s < SPOTS; ++s) bv[s][t][k] = lacks[s] & term.y ? T{} : from[s][term.x];
            }
        row += BK;
        if (tid < BK) next = rows[row];
    };
    const auto write = [&](int half) {
        #pragma unroll
        for (int i = 0; i < LOADS; ++i) {
            const int at = (tid + i * THREADS) * V;
            if (VECTORS % THREADS == 0 || tid < VECTORS) store(&as[half][at / BM][at % BM], av[i]);
        }
        #pragma unroll
        for (int t = 0; t < SHARED; ++t)
            #pragma unroll
            for (int s = 0; s < SPOTS; ++s) bs[half][share + t * SHARE][spot + s * THREADS] = Word<T, F>::of(bv[s][t]);
        if (tid < BK) met[1 - half][tid] = next;
        __syncthreads();
    };
    Sums sums;
    if (tid < BK) met[0][tid] = rows[row];
    __syncthreads();
    if (steps) read(0), write(0);
    for (int left = steps; left > 0; left -= 2) {  // the first half is full; left counts it
        if (left > 1) read(1);
        sums.add(as[0], bs[0]);
        if (left == 1) break;
        write(1);
        if (left > 2) read(0);
        sums.add(as[1], bs[1]);
        if (left > 2) write(0);
    }

    u64 bad = 0;
    bool together[SIDE / RUN];
    #pragma unroll
    for (int j = 0; j < SIDE; j += RUN) {
        const i64* to = &target[sums.column(j)];
        together[j / RUN] = y_plane % RUN == 0 && to[0] % RUN == 0 && to[RUN - 1] == to[0] + RUN - 1;
    }
    #pragma unroll
    for (int i = 0; i < SIDE; ++i) {
        const int channel = m0 + sums.row(i);
        const i64 whole = blockIdx.y * (i64)m + channel;
        if (channel >= m) continue;
        T* p = y + whole * y_plane;
        #pragma unroll
        for (int j = 0; j < SIDE; j += RUN) {
            const i64* to = &target[sums.column(j)];
            bool odd = false;
            #pragma unroll
            for (int k = 0; k < RUN; ++k) odd |= sums.sum[i][j + k] != sums.sum[i][j + k];
            odd = odd && flags & BESIDE;
            if (together[j / RUN] && !odd && !(flags & MORE)) {
                Vector<T, RUN> v;
                #pragma unroll
                for (int k = 0; k < RUN; ++k) v.v[k] = finished<T>(sums.sum[i][j + k], bias, whole, flags);
                store(p + to[0], v);
                continue;
            }
            #pragma unroll
            for (int k = 0; k < RUN; ++k) {
                const Sum<T> sum = sums.sum[i][j + k];
                if (to[k] < 0) continue;
                if (odd && sum != sum) bad |= 1ull << (i * SIDE + j + k);
                else p[to[k]] = finished<T>(flags & MORE ? value(p[to[k]]) + sum : sum, bias, whole, flags);
            }
        }
    }
    // A zero beside x times an infinite weight gave NaN: such sums are made anew, of what is inside.
    for (int e = 0; bad; ++e, bad >>= 1) {
        const int channel = m0 + sums.row(e / SIDE), at = sums.column(e % SIDE);
        const i64 whole = blockIdx.y * (i64)m + channel;
        if (!(bad & 1)) continue;
        const T* around = x + blockIdx.y * x_group + base[at];
        Sum<T> sum = 0;
        for (int k = depth[0]; k < depth[0] + depth[1] && sum == sum; ++k) {
            const W word = a[((i64)blockIdx.y * all_rows + k / PER) * wide + channel];
            if (!(without[at] & rows[k].y)) sum += Word<T, F>::value(word, k % PER) * value(around[rows[k].x]);
        }
        T* p = y + whole * y_plane + target[at];
        *p = finished<T>(flags & MORE ? value(*p) + sum : sum, bias, whole, flags);
    }
}

// Few channels for each group (depthwise, grouped, or few outputs): a thread makes MR of them at SPOTS pixels. Terms and
// weights pass through shared memory, x comes straight from the cache, where neighbouring threads read neighbours.
template <typename T, int MR>
__global__ void __launch_bounds__(128, 5)
narrow(const T* __restrict__ x, const T* __restrict__ w, const T* __restrict__ bias, T* __restrict__ y,
       const int* __restrict__ phases, const int2* __restrict__ rows, const int* __restrict__ terms,
       const int4* __restrict__ places, int images, int x_image, int x_group, int y_image, int y_plane, int w_group, int w_m,
       int m, int groups, int flags)
{
    constexpr int SPOTS = 4, CHUNK = 64, THREADS = 128;
    __shared__ int2 met[CHUNK];
    __shared__ T weights[CHUNK][MR];
    const int parts = (m + MR - 1) / MR, channels = parts * groups, number = blockIdx.x / channels;
    const int group = blockIdx.x % channels / parts, m0 = blockIdx.x % parts * MR, tid = threadIdx.x;
    const int* phase = phases;
    while (number >= phase[FIELDS]) phase += FIELDS;
    const int count = phase[1], first = phase[2];
    const T* from[SPOTS];
    int lacks[SPOTS];
    i64 target[SPOTS];
    T sum[SPOTS][MR] = {};
    #pragma unroll
    for (int s = 0; s < SPOTS; ++s) {
        const i64 at = (i64)(number - phase[0]) * (SPOTS * THREADS) + s * THREADS + tid;
        const Pixel p = pixel(at, phase, places, images, x_image, y_image);
        from[s] = x + group * x_group + p.base, lacks[s] = p.lacks, target[s] = p.target;
    }
    for (int start = 0; start < count; start += CHUNK) {
        const int most = min(CHUNK, count - start);
        __syncthreads();
        for (int i = tid; i < most; i += THREADS) met[i] = rows[first + start + i];
        for (int i = tid; i < most * MR; i += THREADS) {
            const int r = m0 + i % MR;
            weights[i / MR][i % MR] = r < m ? w[group * w_group + r * w_m + terms[first + start + i / MR]] : T(0);
        }
        __syncthreads();
        #pragma unroll 3
        for (int k = 0; k < most; ++k) {
            const int2 term = met[k];
            #pragma unroll
            for (int s = 0; s < SPOTS; ++s) {
                const bool in = !(lacks[s] & term.y);
                const T v = in ? from[s][term.x] : T(0);
                #pragma unroll
                for (int r = 0; r < MR; ++r)
                    if (in) sum[s][r] += v * weights[k][r];
            }
        }
    }
    #pragma unroll
    for (int s = 0; s < SPOTS; ++s)
        #pragma unroll
        for (int r = 0; r < MR; ++r) {
            if (target[s] < 0 || m0 + r >= m) continue;
            const i64 channel = (i64)group * m + m0 + r;
            T* p = y + channel * y_plane + target[s];
            *p = finished<T>(flags & MORE ? *p + sum[s][r] : sum[s][r], bias, channel, flags);
        }
}
