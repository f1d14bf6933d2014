// Uniform numbers as knetpy/random.py specifies them.
__device__ __forceinline__ void put(const Draw& draw, float* y, i64 at, i64 n)
{
    Pack<float> v;
    #pragma unroll
    for (int k = 0; k < 4; ++k) v.v[k] = (draw.word[k] >> 8) * 0x1p-24f;
    store(y, at, n, v);
}
__device__ __forceinline__ void put(const Draw& draw, double* y, i64 at, i64 n)
{
    Pack<double> v;
    #pragma unroll
    for (int k = 0; k < 2; ++k) v.v[k] = ((draw.word[2 * k] >> 5) * 0x1p26 + (draw.word[2 * k + 1] >> 6)) * 0x1p-53;
    store(y, at, n, v);
}

// A thread makes a pack of y, from a block of the generator.
template <typename T>
__global__ void __launch_bounds__(256) uniform(T* __restrict__ y, i64 n, unsigned call, unsigned stream, unsigned k0,
                                               unsigned k1, const unsigned* __restrict__ words)
{
    const i64 block = (i64)blockIdx.x * blockDim.x + threadIdx.x, at = block * Pack<T>::N;
    if (at < n) put(drawn(block, call, stream, k0, k1, words), y, at, n);
}
