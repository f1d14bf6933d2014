// Pooling over up to three axes: a thread makes what it writes by itself, from what the window meets there.
//
// Place o of y begins at element o stride - before of x, and its tap t meets the one t dilation further. Back,
// the taps t that meet element p are those for which stride divides p + before - t dilation: each period-th one.
// Taps come in row-major order either way.
constexpr int BLOCK = 256;

struct Axis {
    int x, y, window, stride, before, dilation;
    int common, period, inverse;  // of stride and dilation; stride / common; that of dilation / common modulo period
    int low, high;                // elements from low to before high count in a mean

    __device__ __forceinline__ int start(int o) const { return o * stride - before; }
    // How many taps of a window that begins there lie before `limit`.
    __device__ __forceinline__ int before_limit(int start, int limit) const {
        const int n = limit - start;
        return n <= 0 ? 0 : min(window, dilation == 1 ? n : (n - 1) / dilation + 1);
    }
    __device__ __forceinline__ int counted(int o) const {
        return before_limit(start(o), high) - before_limit(start(o), low);
    }
    // Calls f(tap, element) for the taps of place o that meet x.
    template <typename F> __device__ __forceinline__ void taps(int o, F f) const {
        const int begin = start(o), end = before_limit(begin, x);
        #pragma unroll 2
        for (int t = before_limit(begin, 0); t < end; ++t) f(t, begin + t * dilation);
    }
    // Calls f(tap, place) for the taps that meet element p.
    template <typename F> __device__ __forceinline__ void met(int p, F f) const {
        unsigned q = p + before;
        if (common > 1 && q % common) return;
        unsigned first = q / common % period;
        if (inverse > 1) first = first * inverse % period;
        const int ahead = (int)q - (int)first * dilation;
        if (ahead < 0) return;  // and further taps lie even further ahead
        int t = first, o = ahead / stride;
        for (; t < window && o >= 0; t += period, o -= dilation / common)
            if (o < y) f(t, o);
    }
};
struct Window {
    Axis d, h, w;
    __device__ __forceinline__ int number(int i, int j, int k) const { return (i * h.window + j) * w.window + k; }
    __device__ __forceinline__ i64 x_plane() const { return (i64)d.x * h.x * w.x; }
    __device__ __forceinline__ i64 y_plane() const { return (i64)d.y * h.y * w.y; }
};

// An element of y: where its plane begins in x, and its place.
struct Place {
    i64 plane;
    int d, h, w;
    __device__ __forceinline__ Place(const Window& of, i64 at) {
        const i64 row = at / of.w.y;
        w = (int)(at % of.w.y);
        h = (int)(row % of.h.y);
        d = (int)(row / of.h.y % of.d.y);
        plane = row / of.h.y / of.d.y * of.x_plane();
    }
    // Calls f(number of the tap, element of x) for all taps that meet x.
    template <typename F> __device__ __forceinline__ void taps(const Window& of, F f) const {
        of.d.taps(d, [&](int i, int a) {
            of.h.taps(h, [&](int j, int b) {
                const i64 row = plane + ((i64)a * of.h.x + b) * of.w.x;
                of.w.taps(w, [&](int k, int c) { f(of.number(i, j, k), row + c); });
            });
        });
    }
};

// A pack of neighbours in a row of x: where the plane begins in y, and the first of them.
template <typename T> struct Patch {
    static constexpr int N = Pack<T>::N;
    i64 row, plane;
    int d, h, w;
    __device__ __forceinline__ Patch(const Window& of, i64 task) {
        const int across = (of.w.x + N - 1) / N;
        row = task / across;
        w = (int)(task % across) * N;
        h = (int)(row % of.h.x);
        d = (int)(row / of.h.x % of.d.x);
        plane = row / of.h.x / of.d.x * of.y_plane();
    }
    // Calls f(which of the pack, number of the tap, place in y, how many elements count there along d and h, and where
    // along w) for all taps that meet the pack.
    template <typename F> __device__ __forceinline__ void met(const Window& of, F f) const {
        of.d.met(d, [&](int i, int a) {
            of.h.met(h, [&](int j, int b) {
                const i64 from = plane + ((i64)a * of.h.y + b) * of.w.y;
                const int count = of.d.counted(a) * of.h.counted(b);
                #pragma unroll
                for (int n = 0; n < N; ++n)
                    if (w + n < of.w.x)
                        of.w.met(w + n, [&](int k, int c) { f(n, of.number(i, j, k), from + c, count, c); });
            });
        });
    }
};

// --------------------------------------------------------------------------------------------------------- kernels

// The first of the largest elements, and the tap that meets it; NaN is the largest.
template <typename T, typename Tap>
__global__ void __launch_bounds__(256, 4) maxpool(const T* __restrict__ x, T* __restrict__ y, Tap* __restrict__ best,
                                                  i64 n, Window of)
{
    const i64 at = (i64)blockIdx.x * BLOCK + threadIdx.x;
    if (at >= n) return;
    T most = 0;
    int tap = -1;
    Place(of, at).taps(of, [&](int number, i64 i) {
        const T seen = x[i];
        if (tap >= 0 && !(seen > most || (seen != seen && most == most))) return;
        most = seen;
        tap = number;
    });
    y[at] = most;
    if (best) best[at] = (Tap)tap;
}

// What a tap meets; 0 if that is padding.
template <typename T, typename Tap>
__global__ void __launch_bounds__(256) pick(const T* __restrict__ x, const Tap* __restrict__ best, T* __restrict__ y,
                                            i64 n, Window of)
{
    const i64 at = (i64)blockIdx.x * BLOCK + threadIdx.x;
    if (at >= n) return;
    const Place place(of, at);
    const int tap = best[at], taps = of.number(of.d.window, 0, 0);
    const int a = of.d.start(place.d) + tap / (of.h.window * of.w.window) * of.d.dilation;
    const int b = of.h.start(place.h) + tap / of.w.window % of.h.window * of.h.dilation;
    const int c = of.w.start(place.w) + tap % of.w.window * of.w.dilation;
    const bool in = tap >= 0 && tap < taps && a >= 0 && a < of.d.x && b >= 0 && b < of.h.x && c >= 0 && c < of.w.x;
    y[at] = in ? x[place.plane + ((i64)a * of.h.x + b) * of.w.x + c] : T(0);
}

// Where in its plane a tap lies.
template <typename Tap>
__global__ void __launch_bounds__(256) positions(const Tap* __restrict__ best, i64* __restrict__ y, i64 n, Window of)
{
    const i64 at = (i64)blockIdx.x * BLOCK + threadIdx.x;
    if (at >= n) return;
    const Place place(of, at);
    const int tap = best[at];
    const i64 a = of.d.start(place.d) + tap / (of.h.window * of.w.window) * of.d.dilation;
    const i64 b = of.h.start(place.h) + tap / of.w.window % of.h.window * of.h.dilation;
    y[at] = (a * of.h.x + b) * of.w.x + of.w.start(place.w) + tap % of.w.window * of.w.dilation;
}

// The transpose of pick: a thread makes a pack of dx.
template <typename T, typename Tap>
__global__ void __launch_bounds__(256, 4) spread(const T* __restrict__ dy, const Tap* __restrict__ best,
                                              T* __restrict__ dx, i64 tasks, Window of)
{
    const i64 task = (i64)blockIdx.x * BLOCK + threadIdx.x;
    if (task >= tasks) return;
    const Patch<T> patch(of, task);
    Pack<T> sum = {};
    patch.met(of, [&](int n, int number, i64 at, int, int) {
        if (best[at] == (Tap)number) sum.v[n] += dy[at];
    });
    store(dx + patch.row * of.w.x, patch.w, of.w.x, sum);
}

// Sums, over the number of elements that count if they are `counted`.
template <typename T>
__global__ void __launch_bounds__(256, 4) meanpool(const T* __restrict__ x, T* __restrict__ y, i64 n, int counted,
                                                   Window of)
{
    const i64 at = (i64)blockIdx.x * BLOCK + threadIdx.x;
    if (at >= n) return;
    const Place place(of, at);
    T sum = 0;
    place.taps(of, [&](int, i64 i) { sum += x[i]; });
    const int count = of.d.counted(place.d) * of.h.counted(place.h) * of.w.counted(place.w);
    y[at] = counted ? sum / T(count) : sum;
}

template <typename T>
__global__ void __launch_bounds__(256, 4) meanpool_dx(const T* __restrict__ dy, T* __restrict__ dx, i64 tasks,
                                                      int counted, Window of)
{
    const i64 task = (i64)blockIdx.x * BLOCK + threadIdx.x;
    if (task >= tasks) return;
    const Patch<T> patch(of, task);
    Pack<T> sum = {};
    patch.met(of, [&](int n, int, i64 at, int count, int o) {
        sum.v[n] += counted ? dy[at] / T(count * of.w.counted(o)) : dy[at];
    });
    store(dx + patch.row * of.w.x, patch.w, of.w.x, sum);
}

// Elements of planes of x, of `size` elements each, at the places that an index of `count` elements for each tells.
template <typename T>
__global__ void __launch_bounds__(256) take(const T* __restrict__ x, const i64* __restrict__ index, T* __restrict__ y,
                                            i64 n, i64 count, i64 size)
{
    const i64 at = (i64)blockIdx.x * BLOCK + threadIdx.x;
    if (at < n) y[at] = x[at / count * size + index[at]];
}

// The transpose of take, whose `keys` (places in dx) have been sorted: element j is dy[order[j]]. Of those with one key
// the thread of the first adds up all, in their order in dy; dx holds zeros.
template <typename T>
__global__ void __launch_bounds__(256) put(const T* __restrict__ dy, const i64* __restrict__ keys,
                                           const i64* __restrict__ order, T* __restrict__ dx, i64 n)
{
    i64 j = (i64)blockIdx.x * BLOCK + threadIdx.x;
    if (j >= n) return;
    const i64 key = keys[j];
    if (j && keys[j - 1] == key) return;
    T sum = 0;
    for (; j < n && keys[j] == key; ++j) sum += dy[order[j]];
    dx[key] = sum;
}
