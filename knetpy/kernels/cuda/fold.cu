// The columns of all windows of an image, and the transpose: columns (N C, taps, places), windows as windows.h describes
// them. No two threads write one element.

// A thread takes one place of the window in one channel and goes over the taps: neighbours write neighbours.
template <typename T>
__global__ void __launch_bounds__(256) unfold(const T* __restrict__ x, T* __restrict__ columns, i64 n, Window of)
{
    const i64 at = (i64)blockIdx.x * BLOCK + threadIdx.x, places = of.y_plane();
    if (at >= n) return;
    const Place place(of, at);
    const i64 channel = at / places;
    T* out = columns + channel * of.number(of.d.window, 0, 0) * places + (at - channel * places);
    for (int i = 0, a = of.d.start(place.d); i < of.d.window; ++i, a += of.d.dilation)
        for (int j = 0, b = of.h.start(place.h); j < of.h.window; ++j, b += of.h.dilation) {
            const i64 row = place.plane + ((i64)a * of.h.x + b) * of.w.x;
            const bool there = a >= 0 && a < of.d.x && b >= 0 && b < of.h.x;
            for (int k = 0, c = of.w.start(place.w); k < of.w.window; ++k, c += of.w.dilation, out += places)
                *out = there && c >= 0 && c < of.w.x ? x[row + c] : T(0);
        }
}

// A thread makes a pack of the image of what the taps that meet it hold.
template <typename T>
__global__ void __launch_bounds__(256, 4) fold(const T* __restrict__ columns, T* __restrict__ x, i64 tasks, Window of)
{
    const i64 task = (i64)blockIdx.x * BLOCK + threadIdx.x;
    if (task >= tasks) return;
    const Patch<T> patch(of, task);
    const i64 places = of.y_plane();
    const T* const own = columns + patch.plane * (of.number(of.d.window, 0, 0) - 1);
    Pack<T> sum = {};
    patch.met(of, [&](int n, int number, i64 at, int, int) { sum.v[n] += own[number * places + at]; });
    store(x + patch.row * of.w.x, patch.w, of.w.x, sum);
}
