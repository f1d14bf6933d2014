// Products of matrices in steps that are captured, where CuPy does not let cuBLAS be called. Matrices of any strides, such
// as transposed ones, are read in the order in which they lie.
constexpr int BM = 64, BN = 64, BK = 8, PAD = 4;  // 4 spare what lies along k conflicts of banks as it is stored

// y[p] = a[p] @ b[p], (m, k) times (k, n): a block makes BM x BN sums, its number counts tiles and then products.
template <typename T>
__global__ void __launch_bounds__(Tile<T, BM, BN, PLAIN, PAD>::THREADS)
product(const T* __restrict__ a, const T* __restrict__ b, T* __restrict__ y, int m, int n, int k, i64 a_each, i64 a_row,
        i64 a_column, i64 b_each, i64 b_row, i64 b_column)
{
    using Sums = Tile<T, BM, BN, PLAIN, PAD>;
    constexpr int EACH = BM * BK / Sums::THREADS;
    __shared__ __align__(16) T as[2][BK][BM + PAD];
    __shared__ __align__(16) T bs[2][BK][BN + PAD];
    const int tid = threadIdx.x, across = (n + BN - 1) / BN, tiles = (m + BM - 1) / BM * across;
    const i64 which = blockIdx.x / tiles;
    const int tile = blockIdx.x % tiles, m0 = tile / across * BM, n0 = tile % across * BN;
    const bool a_along = a_column == 1, b_along = b_row == 1;  // whether neighbours in memory are neighbours along k
    a += which * a_each, b += which * b_each, y += which * m * n;

    T av[EACH], bv[EACH];
    const auto read = [&](int from) {
        #pragma unroll
        for (int i = 0; i < EACH; ++i) {
            const int e = tid + i * Sums::THREADS;
            const int r = m0 + (a_along ? e / BK : e % BM), ka = from + (a_along ? e % BK : e / BM);
            const int c = n0 + (b_along ? e / BK : e % BN), kb = from + (b_along ? e % BK : e / BN);
            av[i] = r < m && ka < k ? a[r * a_row + ka * a_column] : T(0);
            bv[i] = c < n && kb < k ? b[kb * b_row + c * b_column] : T(0);
        }
    };
    const auto write = [&](int half) {
        #pragma unroll
        for (int i = 0; i < EACH; ++i) {
            const int e = tid + i * Sums::THREADS;
            as[half][a_along ? e % BK : e / BM][a_along ? e / BK : e % BM] = av[i];
            bs[half][b_along ? e % BK : e / BN][b_along ? e / BK : e % BN] = bv[i];
        }
        __syncthreads();
    };
    Sums sums;
    read(0);
    write(0);
    for (int from = 0, half = 0; from < k; from += BK, half ^= 1) {
        const bool more = from + BK < k;
        if (more) read(from + BK);
        sums.add(as[half], bs[half]);
        if (more) write(half ^ 1);
    }
    #pragma unroll
    for (int i = 0; i < Sums::SIDE; ++i)
        #pragma unroll
        for (int j = 0; j < Sums::SIDE; ++j) {
            const int r = m0 + sums.row(i), c = n0 + sums.column(j);
            if (r < m && c < n) y[(i64)r * n + c] = sums.sum[i][j];
        }
}
