// Products of matrices in tiles: a block of threads makes BM x BN sums, of which every thread keeps SIDE x SIDE in its
// registers; BK terms of all sums at a time lie in shared memory, as a[BK][BM + PAD] and b[BK][BN + PAD]. A PAD of 8 spares
// tensor cores' loads bank conflicts.

// What a thread loads and stores at once.
template <typename T, int N = 16 / sizeof(T)> struct alignas(N * sizeof(T)) Vector { T v[N]; };

template <typename T> __device__ __forceinline__ Vector<T> load(const T* p) { return *reinterpret_cast<const Vector<T>*>(p); }
template <typename T, int N> __device__ __forceinline__ void store(T* p, Vector<T, N> v) { *reinterpret_cast<Vector<T, N>*>(p) = v; }

// Tensor cores (sm_80 and later): numbers rounded to 10 bits of mantissa, products summed in float. The instruction has
// a twin for the emulator; no kernel that uses it is launched on older GPUs.
__device__ __forceinline__ float to_tf32(float x)
{
#ifdef CUDACPU
    return __uint_as_float(emu_cvt_rna_tf32(x));
#elif __CUDA_ARCH__ >= 800
    unsigned r;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(r) : "f"(x));
    return __uint_as_float(r);
#else
    return x;
#endif
}
__device__ __forceinline__ void mma(float& d0, float& d1, float& d2, float& d3, const unsigned (&a)[4], const unsigned (&b)[2])
{
#ifdef CUDACPU
    float d[4] = {d0, d1, d2, d3};
    emu_mma_m16n8k8_tf32(d, a, b);
    d0 = d[0], d1 = d[1], d2 = d[2], d3 = d[3];
#elif __CUDA_ARCH__ >= 800
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(d0), "+f"(d1), "+f"(d2), "+f"(d3)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    __trap();
#endif
}

// One thread's part of a tile: sum[i][j] is that of row(i) and column(j); RUN columns from column(RUN j) on are neighbours.
// A warp makes 8V x 16V sums from V at a time (V of T are a vector), or, on tensor cores, 64 x 32.
template <typename T, int BM, int BN, bool TENSOR, int PAD = TENSOR ? 8 : 0> struct Tile {
    static constexpr int V = 16 / sizeof(T), SIDE = 2 * V, RUN = TENSOR ? 2 : V;
    static constexpr int THREADS = BM * BN / (SIDE * SIDE), BLOCKS = THREADS < 128 ? 4 : THREADS < 256 ? 3 : 2;
    static constexpr int WARPM = TENSOR ? 64 : 8 * V, WARPN = TENSOR ? 32 : 16 * V;
    T sum[SIDE][SIDE] = {};
    int top, left;

    __device__ __forceinline__ Tile()
    {
        const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
        top = warp / (BN / WARPN) * WARPM + (TENSOR ? lane / 4 : lane / 8 * V);
        left = warp % (BN / WARPN) * WARPN + (TENSOR ? lane % 4 * 2 : lane % 8 * V);
    }
    __device__ __forceinline__ int row(int i) const { return top + (TENSOR ? 8 * i : i / V * 4 * V + i % V); }
    __device__ __forceinline__ int column(int j) const { return left + (TENSOR ? j / 2 * 8 + j % 2 : j / V * 8 * V + j % V); }

    // Numbers as they are put into shared memory.
    static __device__ __forceinline__ T rounded(T x)
    {
        if constexpr (TENSOR) return to_tf32(x);
        else return x;
    }

    template <int BK> __device__ __forceinline__ void add(const T (&a)[BK][BM + PAD], const T (&b)[BK][BN + PAD])
    {
        if constexpr (TENSOR) {
            const int lane = threadIdx.x % WARP, t = lane % 4, first = left - t * 2 + lane / 4;
            #pragma unroll
            for (int k = 0; k < BK; k += 8) {
                unsigned x[4][4], y[4][2];
                #pragma unroll
                for (int i = 0; i < 4; ++i)
                    #pragma unroll
                    for (int r = 0; r < 4; ++r) x[i][r] = __float_as_uint(a[k + t + r / 2 * 4][row(2 * i + r % 2)]);
                #pragma unroll
                for (int j = 0; j < 4; ++j)
                    #pragma unroll
                    for (int r = 0; r < 2; ++r) y[j][r] = __float_as_uint(b[k + t + 4 * r][first + 8 * j]);
                #pragma unroll
                for (int i = 0; i < 4; ++i)
                    #pragma unroll
                    for (int j = 0; j < 4; ++j)
                        mma(sum[2 * i][2 * j], sum[2 * i][2 * j + 1], sum[2 * i + 1][2 * j], sum[2 * i + 1][2 * j + 1], x[i], y[j]);
            }
        } else {
            #pragma unroll
            for (int k = 0; k < BK; ++k) {
                Vector<T> x[2], y[2];
                #pragma unroll
                for (int h = 0; h < 2; ++h) x[h] = load(&a[k][row(h * V)]), y[h] = load(&b[k][column(h * V)]);
                #pragma unroll
                for (int i = 0; i < SIDE; ++i)
                    #pragma unroll
                    for (int j = 0; j < SIDE; ++j) sum[i][j] += x[i / V].v[i % V] * y[j / V].v[j % V];
            }
        }
    }
};
