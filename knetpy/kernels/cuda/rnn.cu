// Steps of recurrences: what follows the products of a step, for all gates at once. A thread takes one element of h of
// one sequence; neighbours in a warp read neighbours in memory.
//
// px and ph (B, G*H) are the products of input and state, bx and bh (G*H) their biases or null; h and c (B, H) are the
// state, next_h and next_c the new one; gates are K arrays (B, H). count is B H. A sequence whose length is t or less
// keeps its state and gives 0. null lengths: all sequences have all steps.
template <typename T> __device__ __forceinline__ T sigmoid(T x) { return 1 / (1 + exp(-x)); }

__device__ __forceinline__ bool alive(const i64* __restrict__ lengths, i64 b, int t) {
    return !lengths || t < lengths[b];
}

// A product and its bias.
template <typename T>
__device__ __forceinline__ T plus(const T* __restrict__ p, i64 at, const T* __restrict__ bias, i64 j) {
    return bias ? p[at] + bias[j] : p[at];
}

// Where a thread works: element `at` of (B, H), sequence b, element j of h.
struct Place { i64 at, b, j; };
__device__ __forceinline__ Place place(i64 H) {
    const i64 at = (i64)blockIdx.x * blockDim.x + threadIdx.x, b = at / H;
    return {at, b, at - b * H};
}

template <typename T>
__global__ void lstm(const T* __restrict__ px, const T* __restrict__ bx, const T* __restrict__ ph,
                     const T* __restrict__ h, const T* __restrict__ c, T* __restrict__ next_h, T* __restrict__ next_c,
                     T* __restrict__ y, T* __restrict__ gates, const i64* __restrict__ lengths, int t, i64 count, i64 H)
{
    const Place w = place(H);
    if (w.at >= count) return;
    T p[4];
    #pragma unroll
    for (int g = 0; g < 4; ++g) {
        const i64 from = w.b * 4 * H + g * H + w.j;
        p[g] = plus(px, from, bx, g * H + w.j) + ph[from];
    }
    const T i = sigmoid(p[0]), f = sigmoid(p[1]), g = tanh(p[2]), o = sigmoid(p[3]);
    const bool on = alive(lengths, w.b, t);
    const T new_c = f * c[w.at] + i * g, squashed = tanh(new_c), new_h = o * squashed;
    next_h[w.at] = on ? new_h : h[w.at];
    next_c[w.at] = on ? new_c : c[w.at];
    y[w.at] = on ? new_h : T(0);
    const T kept[5] = {i, f, g, o, squashed};
    #pragma unroll
    for (int k = 0; k < 5; ++k) gates[k * count + w.at] = kept[k];
}

template <typename T>
__global__ void gru(const T* __restrict__ px, const T* __restrict__ bx, const T* __restrict__ ph,
                    const T* __restrict__ bh, const T* __restrict__ h, T* __restrict__ next_h, T* __restrict__ y,
                    T* __restrict__ gates, const i64* __restrict__ lengths, int t, i64 count, i64 H)
{
    const Place w = place(H);
    if (w.at >= count) return;
    const i64 from = w.b * 3 * H + w.j;
    const T r = sigmoid(plus(px, from, bx, w.j) + plus(ph, from, bh, w.j));
    const T z = sigmoid(plus(px, from + H, bx, w.j + H) + plus(ph, from + H, bh, w.j + H));
    const T hn = plus(ph, from + 2 * H, bh, w.j + 2 * H), n = tanh(plus(px, from + 2 * H, bx, w.j + 2 * H) + r * hn);
    const bool on = alive(lengths, w.b, t);
    const T new_h = n + z * (h[w.at] - n);
    next_h[w.at] = on ? new_h : h[w.at];
    y[w.at] = on ? new_h : T(0);
    const T kept[4] = {r, z, n, hn};
    #pragma unroll
    for (int k = 0; k < 4; ++k) gates[k * count + w.at] = kept[k];
}

// The first half of gru_before: its two gates, and fed = r h, from which the product of the third is made.
template <typename T>
__global__ void reset(const T* __restrict__ px, const T* __restrict__ bx, const T* __restrict__ ph,
                      const T* __restrict__ h, T* __restrict__ fed, T* __restrict__ gates, i64 count, i64 H)
{
    const Place w = place(H);
    if (w.at >= count) return;
    const i64 from = w.b * 3 * H + w.j, of = w.b * 2 * H + w.j;
    const T r = sigmoid(plus(px, from, bx, w.j) + ph[of]);
    gates[w.at] = r;
    gates[count + w.at] = sigmoid(plus(px, from + H, bx, w.j + H) + ph[of + H]);
    fed[w.at] = r * h[w.at];
}

// The second half: ph (B, H) is the product of fed.
template <typename T>
__global__ void renew(const T* __restrict__ px, const T* __restrict__ bx, const T* __restrict__ ph,
                      const T* __restrict__ h, T* __restrict__ next_h, T* __restrict__ y, T* __restrict__ gates,
                      const i64* __restrict__ lengths, int t, i64 count, i64 H)
{
    const Place w = place(H);
    if (w.at >= count) return;
    const T n = tanh(plus(px, w.b * 3 * H + 2 * H + w.j, bx, 2 * H + w.j) + ph[w.at]), z = gates[count + w.at];
    const bool on = alive(lengths, w.b, t);
    const T new_h = n + z * (h[w.at] - n);
    next_h[w.at] = on ? new_h : h[w.at];
    y[w.at] = on ? new_h : T(0);
    gates[2 * count + w.at] = n;
}

template <typename T, bool RELU>
__global__ void plain(const T* __restrict__ px, const T* __restrict__ bx, const T* __restrict__ ph,
                      const T* __restrict__ h, T* __restrict__ next_h, T* __restrict__ y, T* __restrict__ gates,
                      const i64* __restrict__ lengths, int t, i64 count, i64 H)
{
    const Place w = place(H);
    if (w.at >= count) return;
    const T p = plus(px, w.at, bx, w.j) + ph[w.at], new_h = RELU ? larger(p, T(0)) : tanh(p);
    const bool on = alive(lengths, w.b, t);
    next_h[w.at] = on ? new_h : h[w.at];
    y[w.at] = on ? new_h : T(0);
    gates[w.at] = new_h;
}

// ------------------------------------------------------------------------------------------------- the derivatives
// Those by the state go from step to step in dstate (S, B, H). That by h has two parts: `product` (null before the
// first of the steps, which is the last in time), of the step `came` from which it comes, and dstate[0], if CARRIES or
// where the sequence had no such step. dp (B, G*H) is the derivative by the gates before they are squashed, 0 for a
// sequence without this step; dph, that by the recurrent product, is the same but for gru.

template <typename T, bool CARRIES>
__device__ __forceinline__ T arrived(const T* __restrict__ dstate, const T* __restrict__ product,
                                     const i64* __restrict__ lengths, int came, i64 b, i64 at) {
    if (!product || !alive(lengths, b, came)) return dstate[at];
    return CARRIES ? product[at] + dstate[at] : product[at];
}

template <typename T>
__global__ void lstm_back(const T* __restrict__ dy, T* __restrict__ dstate, const T* __restrict__ product,
                          const T* __restrict__ c, const T* __restrict__ gates, T* __restrict__ dp,
                          const i64* __restrict__ lengths, int t, int came, i64 count, i64 H)
{
    const Place w = place(H);
    if (w.at >= count) return;
    T dh = arrived<T, false>(dstate, product, lengths, came, w.b, w.at), d[4] = {0, 0, 0, 0};
    if (alive(lengths, w.b, t)) {
        const T i = gates[w.at], f = gates[count + w.at], g = gates[2 * count + w.at], o = gates[3 * count + w.at];
        const T squashed = gates[4 * count + w.at];
        dh += dy[w.at];
        const T dc = dstate[count + w.at] + dh * o * (1 - squashed * squashed);
        d[0] = dc * g * i * (1 - i);
        d[1] = dc * c[w.at] * f * (1 - f);
        d[2] = dc * i * (1 - g * g);
        d[3] = dh * squashed * o * (1 - o);
        dstate[count + w.at] = dc * f;
    } else {
        dstate[w.at] = dh;
    }
    #pragma unroll
    for (int g = 0; g < 4; ++g) dp[w.b * 4 * H + g * H + w.j] = d[g];
}

template <typename T>
__global__ void gru_back(const T* __restrict__ dy, T* __restrict__ dstate, const T* __restrict__ product,
                         const T* __restrict__ h, const T* __restrict__ gates, T* __restrict__ dp, T* __restrict__ dph,
                         const i64* __restrict__ lengths, int t, int came, i64 count, i64 H)
{
    const Place w = place(H);
    if (w.at >= count) return;
    T dh = arrived<T, true>(dstate, product, lengths, came, w.b, w.at), dr = 0, dz = 0, dn = 0, dhn = 0;
    if (alive(lengths, w.b, t)) {
        const T r = gates[w.at], z = gates[count + w.at], n = gates[2 * count + w.at], hn = gates[3 * count + w.at];
        dh += dy[w.at];
        dn = dh * (1 - z) * (1 - n * n);
        dr = dn * hn * r * (1 - r);
        dz = dh * (h[w.at] - n) * z * (1 - z);
        dhn = dn * r;
        dh *= z;
    }
    dstate[w.at] = dh;
    const i64 to = w.b * 3 * H + w.j;
    dp[to] = dph[to] = dr;
    dp[to + H] = dph[to + H] = dz;
    dp[to + 2 * H] = dn;
    dph[to + 2 * H] = dhn;
}

// The first half of gru_before's: that by the third gate, from whose product comes dfed, that by r h.
template <typename T>
__global__ void renew_back(const T* __restrict__ dy, T* __restrict__ dstate, const T* __restrict__ product,
                           const T* __restrict__ gates, T* __restrict__ dp, T* __restrict__ dn,
                           const i64* __restrict__ lengths, int t, int came, i64 count, i64 H)
{
    const Place w = place(H);
    if (w.at >= count) return;
    T dh = arrived<T, true>(dstate, product, lengths, came, w.b, w.at), d = 0;
    if (alive(lengths, w.b, t)) {
        const T z = gates[count + w.at], n = gates[2 * count + w.at];
        dh += dy[w.at];
        d = dh * (1 - z) * (1 - n * n);
    }
    dstate[w.at] = dh;
    dn[w.at] = dp[w.b * 3 * H + 2 * H + w.j] = d;
}

// The second half; drz (B, 2H) is what dp has of the two other gates.
template <typename T>
__global__ void reset_back(T* __restrict__ dstate, const T* __restrict__ dfed, const T* __restrict__ h,
                           const T* __restrict__ gates, T* __restrict__ dp, T* __restrict__ drz,
                           const i64* __restrict__ lengths, int t, i64 count, i64 H)
{
    const Place w = place(H);
    if (w.at >= count) return;
    T dr = 0, dz = 0;
    if (alive(lengths, w.b, t)) {
        const T r = gates[w.at], z = gates[count + w.at], n = gates[2 * count + w.at];
        const T dh = dstate[w.at], fed = dfed[w.at];
        dr = fed * h[w.at] * r * (1 - r);
        dz = dh * (h[w.at] - n) * z * (1 - z);
        dstate[w.at] = fed * r + dh * z;
    }
    const i64 to = w.b * 3 * H + w.j, of = w.b * 2 * H + w.j;
    dp[to] = drz[of] = dr;
    dp[to + H] = drz[of + H] = dz;
}

template <typename T, bool RELU>
__global__ void plain_back(const T* __restrict__ dy, T* __restrict__ dstate, const T* __restrict__ product,
                           const T* __restrict__ gates, T* __restrict__ dp, const i64* __restrict__ lengths, int t,
                           int came, i64 count, i64 H)
{
    const Place w = place(H);
    if (w.at >= count) return;
    T dh = arrived<T, false>(dstate, product, lengths, came, w.b, w.at), d = 0;
    if (alive(lengths, w.b, t)) {
        const T kept = gates[w.at];
        dh += dy[w.at];
        d = RELU ? (kept <= 0 ? T(0) : dh) : dh * (1 - kept * kept);
    } else {
        dstate[w.at] = dh;
    }
    dp[w.at] = d;
}

// After the last of the steps: both parts of the derivative by h in dstate[0].
template <typename T, bool CARRIES>
__global__ void arrive(T* __restrict__ dstate, const T* __restrict__ product, const i64* __restrict__ lengths, int came,
                       i64 count, i64 H)
{
    const Place w = place(H);
    if (w.at < count) dstate[w.at] = arrived<T, CARRIES>(dstate, product, lengths, came, w.b, w.at);
}
