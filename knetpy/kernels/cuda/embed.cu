// In which row of a table (V, D) each bag has its maxima: a thread takes a column of a bag, and goes over the bag. Of
// equal elements the first is taken; NaN beats all. `lanes` neighbours, a power of two, take a bag.
template <typename T>
__global__ void bag_max(const T* __restrict__ table, const i64* __restrict__ indices, const i64* __restrict__ starts,
                        i64* __restrict__ chosen, i64 bags, i64 count, i64 V, i64 D, int lanes)
{
    const i64 bag = row_of(lanes);
    if (bag >= bags) return;
    const i64 start = max(starts[bag], i64(0)), stop = bag + 1 < bags ? min(starts[bag + 1], count) : count;
    for (i64 c = threadIdx.x % lanes; c < D; c += lanes) {
        i64 best = -1;
        T top = T(-INFINITY);
        for (i64 i = start; i < stop; ++i) {
            const i64 row = min(indices[i], V - 1);
            if (row < 0) continue;
            const T v = table[row * D + c];
            if (best < 0 || (top == top && !(v <= top))) {
                best = row;
                top = v;
            }
        }
        chosen[bag * D + c] = best;
    }
}
