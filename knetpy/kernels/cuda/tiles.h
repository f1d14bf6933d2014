// Products of matrices in tiles: a block of threads makes BM x BN sums, of which every thread keeps SIDE x SIDE in its
// registers; some words of terms of all sums at a time lie in shared memory, as a[WORDS][BM + PAD] and b[WORDS][BN + PAD]. A
// PAD of 8 spares tensor cores' loads bank conflicts.

// What a thread loads and stores at once.
template <typename T, int N = 16 / sizeof(T)> struct alignas(N * sizeof(T)) Vector { T v[N]; };

template <typename T> __device__ __forceinline__ Vector<T> load(const T* p) { return *reinterpret_cast<const Vector<T>*>(p); }
template <typename T, int N> __device__ __forceinline__ void store(T* p, Vector<T, N> v) { *reinterpret_cast<Vector<T, N>*>(p) = v; }

// A pointer into global memory that the compiler has to keep: of a sum of several parts it would else add all parts anew at
// each access, five instructions instead of two.
template <typename T> __device__ __forceinline__ const T* kept(const T* p)
{
#ifdef CUDACPU
    return p;
#else
    size_t address = __cvta_generic_to_global(p);
    asm volatile("" : "+l"(address));
    return static_cast<const T*>(__cvta_global_to_generic(address));
#endif
}

// How factors are multiplied: PLAIN as they are; all others by tensor cores (sm_80 and later), which add products in float:
// TF32 and BF16 round those of float to 10 and 7 bits of mantissa, HALF takes those of 16 bits as they are.
enum Factor { PLAIN, TF32, BF16, HALF };

struct Half { unsigned short bits; };  // IEEE's binary16, as NVRTC is not given CUDA's header

template <typename T> struct SumOf { typedef T Type; };
template <> struct SumOf<Half> { typedef float Type; };
template <typename T> using Sum = typename SumOf<T>::Type;

// The instructions have twins for the emulator; no kernel of tensor cores is launched on older GPUs.
template <typename T> __device__ __forceinline__ T value(T x) { return x; }
__device__ __forceinline__ float value(Half x)
{
#ifdef CUDACPU
    return emu_cvt_f32_f16(x.bits);
#else
    float r;
    asm("cvt.f32.f16 %0, %1;" : "=f"(r) : "h"(x.bits));
    return r;
#endif
}
template <typename T> __device__ __forceinline__ T narrowed(Sum<T> x)  // a sum, as it is stored
{
    if constexpr (sizeof(T) == sizeof(x)) return x;
    else {
#ifdef CUDACPU
        return {emu_cvt_rn_f16(x)};
#else
        T r;
        asm("cvt.rn.f16.f32 %0, %1;" : "=h"(r.bits) : "f"(x));
        return r;
#endif
    }
}

__device__ __forceinline__ unsigned to_tf32(float x)
{
#ifdef CUDACPU
    return emu_cvt_rna_tf32(x);
#elif __CUDA_ARCH__ >= 800
    unsigned r;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(r) : "f"(x));
    return r;
#else
    return __float_as_uint(x);
#endif
}
__device__ __forceinline__ unsigned to_bf16x2(float low, float high)
{
#ifdef CUDACPU
    return emu_cvt_rn_bf16(low) | (unsigned)emu_cvt_rn_bf16(high) << 16;
#elif __CUDA_ARCH__ >= 800
    unsigned r;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
    return r;
#else
    return __float_as_uint(low) >> 16 | (__float_as_uint(high) & 0xffff0000u);
#endif
}

// Words of shared memory: a factor, or on tensor cores 32 bits with one of TF32 or PER neighbouring ones of 16 bits, of
// which the first is the lower.
template <typename T, Factor F> struct Word {
    typedef unsigned Type;
    static constexpr int PER = F == TF32 ? 1 : 2;

    static __device__ __forceinline__ Type of(const T (&v)[PER])
    {
        if constexpr (F == TF32) return to_tf32(v[0]);
        else if constexpr (F == BF16) return to_bf16x2(v[0], v[1]);
        else return v[0].bits | (unsigned)v[1].bits << 16;
    }
    static __device__ __forceinline__ float value(Type word, int which)
    {
        if constexpr (F == TF32) return __uint_as_float(word);
        else if constexpr (F == BF16) return __uint_as_float(which ? word & 0xffff0000u : word << 16);
        else return ::value(Half{(unsigned short)(word >> 16 * which)});
    }
};
template <typename T> struct Word<T, PLAIN> {
    typedef T Type;
    static constexpr int PER = 1;

    static __device__ __forceinline__ T of(const T (&v)[1]) { return v[0]; }
    static __device__ __forceinline__ T value(T word, int) { return word; }
};

// Sums of 16 x 8 by a warp, over the terms in 8 words of each row of a and column of b.
template <Factor F>
__device__ __forceinline__ void mma(float& d0, float& d1, float& d2, float& d3, const unsigned (&a)[4], const unsigned (&b)[2])
{
#ifdef CUDACPU
    float d[4] = {d0, d1, d2, d3};
    if constexpr (F == TF32) emu_mma_m16n8k8_tf32(d, a, b);
    else emu_mma_m16n8k16(d, a, b, F == BF16);
    d0 = d[0], d1 = d[1], d2 = d[2], d3 = d[3];
#elif __CUDA_ARCH__ >= 800
#define MMA(shape, type) \
    asm volatile("mma.sync.aligned." shape ".row.col.f32." type "." type ".f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};" \
                 : "+f"(d0), "+f"(d1), "+f"(d2), "+f"(d3) \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))
    if constexpr (F == TF32) MMA("m16n8k8", "tf32");
    else if constexpr (F == BF16) MMA("m16n8k16", "bf16");
    else MMA("m16n8k16", "f16");
#undef MMA
#else
    __trap();
#endif
}

// One thread's part of a tile: sum[i][j] is that of row(i) and column(j); RUN columns from column(RUN j) on are neighbours.
// A warp makes 8V x 16V sums from V at a time (V words are a vector), or, on tensor cores, 64 x 32.
template <typename T, int BM, int BN, Factor F, int PAD = F ? 8 : 0> struct Tile {
    typedef typename Word<T, F>::Type W;
    static constexpr int V = 16 / sizeof(W), SIDE = 2 * V, RUN = F ? 2 : V;
    static constexpr int THREADS = BM * BN / (SIDE * SIDE), BLOCKS = THREADS < 128 ? 4 : THREADS < 256 ? 3 : 2;
    static constexpr int WARPM = F ? 64 : 8 * V, WARPN = F ? 32 : 16 * V;
    Sum<T> sum[SIDE][SIDE] = {};
    int top, left;

    __device__ __forceinline__ Tile()
    {
        const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
        top = warp / (BN / WARPN) * WARPM + (F ? lane / 4 : lane / 8 * V);
        left = warp % (BN / WARPN) * WARPN + (F ? lane % 4 * 2 : lane % 8 * V);
    }
    __device__ __forceinline__ int row(int i) const { return top + (F ? 8 * i : i / V * 4 * V + i % V); }
    __device__ __forceinline__ int column(int j) const { return left + (F ? j / 2 * 8 + j % 2 : j / V * 8 * V + j % V); }

    template <int WORDS> __device__ __forceinline__ void add(const W (&a)[WORDS][BM + PAD], const W (&b)[WORDS][BN + PAD])
    {
        if constexpr (F != PLAIN) {
            const int lane = threadIdx.x % WARP, t = lane % 4, first = left - t * 2 + lane / 4;
            #pragma unroll
            for (int k = 0; k < WORDS; k += 8) {
                unsigned x[4][4], y[4][2];
                #pragma unroll
                for (int i = 0; i < 4; ++i)
                    #pragma unroll
                    for (int r = 0; r < 4; ++r) x[i][r] = a[k + t + r / 2 * 4][row(2 * i + r % 2)];
                #pragma unroll
                for (int j = 0; j < 4; ++j)
                    #pragma unroll
                    for (int r = 0; r < 2; ++r) y[j][r] = b[k + t + 4 * r][first + 8 * j];
                #pragma unroll
                for (int i = 0; i < 4; ++i)
                    #pragma unroll
                    for (int j = 0; j < 4; ++j)
                        mma<F>(sum[2 * i][2 * j], sum[2 * i][2 * j + 1], sum[2 * i + 1][2 * j], sum[2 * i + 1][2 * j + 1],
                               x[i], y[j]);
            }
        } else {
            #pragma unroll
            for (int k = 0; k < WORDS; ++k) {
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
