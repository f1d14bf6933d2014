// Dropout: an element is kept where its random word is at least `least`, as knetpy/random.py draws them.
constexpr int BLOCK = 256;

// A thread makes four neighbours of y, all by themselves.
template <typename T>
__global__ void __launch_bounds__(256) dropout(const T* __restrict__ x, T* __restrict__ y, i64 n, T scale,
    unsigned call, unsigned stream, unsigned k0, unsigned k1, const unsigned* __restrict__ words, unsigned long long least)
{
    const i64 block = (i64)blockIdx.x * BLOCK + threadIdx.x;
    if (4 * block >= n) return;
    const Draw draw = drawn(block, call, stream, k0, k1, words);
    #pragma unroll
    for (int first = 0; first < 4; first += Pack<T>::N) {
        const i64 at = 4 * block + first;
        if (at >= n) break;
        Pack<T> v = load(x, at, n);
        #pragma unroll
        for (int k = 0; k < Pack<T>::N; ++k) v.v[k] = draw.word[first + k] >= least ? v.v[k] / scale : T(0);
        store(y, at, n, v);
    }
}

// The mask itself: a thread makes four neighbours.
__global__ void __launch_bounds__(256) mask(unsigned char* __restrict__ kept, i64 n, unsigned call, unsigned stream,
    unsigned k0, unsigned k1, const unsigned* __restrict__ words, unsigned long long least)
{
    const i64 block = (i64)blockIdx.x * BLOCK + threadIdx.x;
    const Draw draw = drawn(block, call, stream, k0, k1, words);
    #pragma unroll
    for (int k = 0; k < 4; ++k)
        if (4 * block + k < n) kept[4 * block + k] = draw.word[k] >= least;
}

// A mask of `count` elements, each for `inner` neighbours, over and over. A thread makes a pack of y.
template <typename T>
__global__ void __launch_bounds__(256) masked(const T* __restrict__ x, const unsigned char* __restrict__ kept,
                                              T* __restrict__ y, i64 n, i64 count, i64 inner, T scale)
{
    const i64 at = ((i64)blockIdx.x * BLOCK + threadIdx.x) * Pack<T>::N;
    if (at >= n) return;
    Pack<T> v = load(x, at, n);
    i64 row = at / inner % count, i = at % inner;
    #pragma unroll
    for (int k = 0; k < Pack<T>::N; ++k) {
        v.v[k] = kept[row] ? v.v[k] / scale : T(0);
        if (++i < inner) continue;
        i = 0;
        if (++row == count) row = 0;
    }
    store(y, at, n, v);
}
