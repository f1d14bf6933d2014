// Random words, as knetpy/random.py specifies them.

// Four words for a block of four elements: Philox4x32-10 of a counter and a key.
struct Draw {
    unsigned word[4];
    __device__ __forceinline__ Draw(i64 block, unsigned call, unsigned stream, unsigned k0, unsigned k1)
        : word{(unsigned)block, (unsigned)(block >> 32), call, stream} {
        #pragma unroll
        for (int round = 0; round < 10; ++round) {
            const unsigned left = 0xD2511F53u * word[0], above_left = __umulhi(0xD2511F53u, word[0]);
            const unsigned right = 0xCD9E8D57u * word[2], above_right = __umulhi(0xCD9E8D57u, word[2]);
            word[0] = above_right ^ word[1] ^ k0;
            word[1] = right;
            word[2] = above_left ^ word[3] ^ k1;
            word[3] = left;
            k0 += 0x9E3779B9u;
            k1 += 0xBB67AE85u;
        }
    }
};

// The same. In a step that is captured the position is in `words`, as it is another one at each launch; else that is null.
__device__ __forceinline__ Draw drawn(i64 block, unsigned call, unsigned stream, unsigned k0, unsigned k1,
                                      const unsigned* __restrict__ words)
{
    if (words) call = words[0], stream = words[1], k0 = words[2], k1 = words[3];
    return Draw(block, call, stream, k0, k1);
}
