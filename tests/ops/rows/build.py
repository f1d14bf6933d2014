"""Arrays built of recorded numbers, sequences between two of them, histograms."""

import numpy as np

import knetpy as kn
from tests.ops.row import Row, Wrong

S, X3 = ((),), ((3,),)
SAMPLES = np.array([[-1.0, 0.2, 0.9, 3.0, 1.0, 0.2], [0.1, 0.7, 2.0, -1.0, 0.5, 2.0]])
BINS = [-1, 0, 0.5, 1.0]
A = np.float32(1.5)


def like(x):
    """The argument `like=` that NumPy takes: no number."""
    return np.atleast_1d(x)


def _sequences():
    for case, options in {"": {}, " open": {"endpoint": False}, " last": {"axis": -1}}.items():
        for f, domain in ((np.linspace, "any"), (np.logspace, "unit"), (np.geomspace, "above1")):
            name = f.__name__ + case
            yield Row(name, f, lambda a, b, f=f, o=options: f(a, b, 5, **o), ((2, 3), (3,)), domain)
            yield Row(f"{name} numbers", f, lambda a, b, f=f, o=options: f(a, b, 4, **o), ((), ()), domain)
            yield Row(f"{name} of one", f, lambda a, b, f=f, o=options: f(a, b, 1, **o), ((), ()), domain)
            yield Row(f"{name} of none", f, lambda a, b, f=f, o=options: f(a, b, 0, **o), ((), ()), domain)


def _histograms():
    x, y = SAMPLES
    for case, o in {"": {}, " density": {"density": True}}.items():
        size = ((6,),)
        yield Row(f"histogram{case}", np.histogram, lambda w, o=o: np.histogram(x, weights=w, **o), size, "positive")
        yield Row(f"histogram{case} edges", np.histogram, lambda w, o=o: np.histogram(x, BINS, weights=w, **o), size,
                  "positive")  # fmt: skip
        yield Row(f"histogram{case} range", np.histogram, lambda w, o=o: np.histogram(
            SAMPLES, 4, (0, 1), weights=w, **o), ((2, 6),), "positive")  # fmt: skip
        f = np.histogram2d
        yield Row(f"histogram2d{case}", f, lambda w, o=o: np.histogram2d(x, y, 3, weights=w, **o), size, "positive")
        yield Row(f"histogram2d{case} edges", f, lambda w, o=o: np.histogram2d(x, y, BINS, weights=w, **o), size,
                  "positive")  # fmt: skip
        f = np.histogramdd
        yield Row(f"histogramdd{case}", f, lambda w, o=o: np.histogramdd(SAMPLES.T, (2, 3), weights=w, **o), size,
                  "positive", special=False)  # fmt: skip
        yield Row(f"histogramdd{case} lists", f, lambda w, o=o: np.histogramdd(
            [x, y, x], (2, BINS, 1), weights=w, **o), size, "positive", special=False)  # fmt: skip


def own_array(name, f, shapes, **options):
    """A row for `kn.array`; NumPy's is the reference."""
    return Row(name, kn.array, lambda *xs: f(kn.array, *xs), shapes, reference=lambda *xs: f(np.array, *xs), **options)


ROWS = [
    *_sequences(),
    Row("linspace step", np.linspace, lambda a, b: np.linspace(a, b, 4, retstep=True), ((), ())),
    Row("linspace dtype", np.linspace, lambda a: np.linspace(a, 3, 4, dtype=np.float64), ((2,),)),
    Row("logspace bases", np.logspace, lambda a, b: np.logspace(0, a, 3, base=b, axis=-1), ((2,), (2,)), "unit above1"),
    Row("logspace base", np.logspace, lambda a, b: np.logspace(a, 1, 3, base=b), ((), ()), "unit above1"),
    Row("geomspace below 0", np.geomspace, lambda a: np.geomspace(-1.0, -a, 4), S, "above1"),
    Row("arange", np.arange, lambda a: np.arange(a, 9.5, 1.75, like=like(a)), S, "unit", special=False),
    Row("arange step", np.arange, lambda a: np.arange(0.5, 8.5, a, like=like(a)), S, "divisor", special=False),
    Row("full", np.full, lambda a: np.full((2, 3), a, like=like(a)), X3),
    Row("full of a dtype", np.full, lambda a: np.full(3, a, np.float64, like=like(a)), S),
    Row("np.array", np.array, lambda a: np.array([[a, a * a], [a, a]], like=like(a)), X3),
    Row("np.array ndmin", np.array, lambda a: np.array(a, ndmin=3, like=like(a)), X3),
    Row("asarray", np.asarray, lambda a: np.asarray([a, a], like=like(a)), X3),
    Row("asanyarray", np.asanyarray, lambda a: np.asanyarray(a, like=like(a)), X3),
    Row("ascontiguousarray", np.ascontiguousarray, lambda a: np.ascontiguousarray([a], like=like(a)), X3),
    Row("asfortranarray", np.asfortranarray, lambda a: np.asfortranarray([[a]], like=like(a)), S),
    Row("fromiter", np.fromiter, lambda a: np.fromiter((a * n for n in range(9)), np.float64, 3, like=like(a)), S),
    Row("fromiter of all", np.fromiter, lambda a: np.fromiter([a, a * a], np.float64, like=like(a)), S),
    *_histograms(),
    Row("np.array of complex", np.array, lambda a: np.array([a, 1j * a], like=like(a)), X3),
    *[Row(f"{f.__name__} of complex", f, lambda a, b, f=f: f(a + 1j * b, 2 - 1j, 4), ((2,), (2,)), "above1",
          exact=False) for f in (np.linspace, np.geomspace)],
    Row("histogram of complex", np.histogram, lambda w: np.histogram(SAMPLES[0], BINS, weights=w + 2j * w)[0], ((6,),)),
    own_array("array", lambda array, a, b: array([[a, b], [b, a]]), ((), ())),
    own_array("array of arrays", lambda array, a, b: array([[a, b, a]]), ((2, 3), (2, 3)),
              edges=(((0,), (0,)), ((1, 1), (1, 1)))),
    own_array("array of one", lambda array, a: array(a, ndmin=3), ((2, 3),)),
    own_array("array of constants", lambda array, a: array((a, np.ones(3, a.dtype))), X3),
    own_array("array of rows and lists", lambda array, a: array([a, [a[0], a[2], a[1]], a * a]), X3),
    own_array("array by dtype", lambda array, a, b: array([a, b], a.dtype), ((), ())),
]  # fmt: skip

WRONG = [
    Wrong("array shapes", lambda a: kn.array([a, a[1:]]), X3, kn.ShapeError, ("array", "(2,)", "(3,)"), plain=False),
    Wrong("array of lists", lambda a: kn.array([[a[0], 1.0], [[a[0]], [1.0]]]), X3, kn.ShapeError, ("sizes",)),
    Wrong("np.array", lambda a: np.array([a, a]), X3, kn.DerivativeError, ("np.array", "kn.array([a, b])")),
    Wrong("np.r_", lambda a: np.r_[a, 1.0], X3, kn.DerivativeError, ("np.r_", "kn.array([a, b])")),
    Wrong("np.full", lambda a: np.full(3, a), S, kn.DerivativeError, ("np.full", "np.broadcast_to")),
    Wrong("np.arange", np.arange, S, kn.DerivativeError, ("plain array",)),
    Wrong("geomspace 0", lambda a: np.geomspace(0, a, 3), S, ValueError, ("geomspace", "0")),
    Wrong("linspace count", lambda a: np.linspace(0, a, -1), S, ValueError, ("linspace", "-1")),
    Wrong("linspace shapes", lambda a, b: np.linspace(a, b), ((2,), (3,)), ValueError, ("linspace", "(2,)", "(3,)")),
    Wrong("histogram weights", lambda w: np.histogram(SAMPLES[0], weights=w), X3, ValueError, ("same shape",)),
    Wrong("histogram2d", lambda w: np.histogram2d(w, SAMPLES[0]), X3, ValueError, ("histogram2d", "3", "6")),
]  # fmt: skip
