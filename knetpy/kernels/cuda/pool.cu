// Pooling over up to three axes, as windows.h describes them: a thread makes what it writes by itself, from what the
// window meets there.

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
