// Activations of straight pieces besides those of curves.h; elementwise.h calls them.
namespace curve {
CURVE(hardtanh, within(x, a, b))
SLOPE(hardtanh_dx, x <= a || x >= b ? T(0) : dy)
CURVE(hardsigmoid, (within(x, T(-3), T(3)) + 3) / 6)
SLOPE(hardsigmoid_dx, x <= -3 || x >= 3 ? T(0) : dy / 6)
CURVE(hardswish, larger(x, T(-3)) * ((within(x, T(-3), T(3)) + 3) / 6))
SLOPE(hardswish_dx, x <= -3 ? T(0) : x >= 3 ? dy : dy * (within(x, T(-3), T(3)) / 3 + T(0.5)))
CURVE(threshold, x <= a ? b : x)
SLOPE(threshold_dx, x <= a ? T(0) : dy)
CURVE(softshrink, x - within(x, -a, a))
CURVE(hardshrink, size(x) <= a ? T(0) : x)
SLOPE(shrink_dx, size(x) <= a ? T(0) : dy)
}
