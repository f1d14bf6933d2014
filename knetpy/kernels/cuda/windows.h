// Windows over up to three axes: which elements of x the taps of a window meet at each of its places in y.
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
