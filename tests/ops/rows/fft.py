"""`np.fft`: transforms of real arrays, and of complex ones made of two."""

import numpy as np

from tests.ops.row import Row, Wrong

NORMS, SIZES = (None, "backward", "ortho", "forward"), (None, 1, 2, 3, 4, 6, 7)
REAL, COMPLEX = ((2, 5),), ((2, 5), (2, 5))
CUBE, CUBES = ((2, 4, 3),), ((2, 4, 3), (2, 4, 3))
ALONG = {  # options of transforms along several axes
    "": {},
    " ortho": {"norm": "ortho"},
    " longer and shorter": {"s": (5, 3), "axes": (0, 1)},
    " of sizes": {"s": (-1, 4), "axes": (2, 1), "norm": "forward"},
    " of an axis": {"axes": (1,)},
    " of an axis twice": {"axes": (0, 1, 0)},
}


def _row(name, f, shapes, options, **more):
    if len(shapes) == 2:
        return Row(f"{name} of complex", f, lambda a, b: f(a + 1j * b, **options), shapes, exact=False, **more)
    return Row(name, f, lambda x: f(x, **options), shapes, exact=False, **more)


def _of_one_axis():
    for f in (np.fft.fft, np.fft.ifft, np.fft.rfft, np.fft.irfft, np.fft.hfft, np.fft.ihfft):
        kinds = (REAL,) if f in (np.fft.rfft, np.fft.ihfft) else (REAL, COMPLEX)
        for shapes in kinds:
            for n in SIZES:
                yield _row(
                    f"{f.__name__} {n or ''}".strip(), f, shapes, {"n": n}, edges=(((1, 1),) * len(shapes),) * bool(n)
                )
            for norm in NORMS[1:]:
                yield _row(f"{f.__name__} {norm}", f, shapes, {"norm": norm})
            yield _row(f"{f.__name__} 0", f, shapes, {"axis": 0, "n": 3})
            yield _row(f"{f.__name__} of numbers", f, tuple((4,) for _ in shapes), {})


def _of_several_axes():
    for f in (np.fft.fftn, np.fft.ifftn, np.fft.rfftn, np.fft.irfftn):
        for shapes in (CUBE,) if f is np.fft.rfftn else (CUBE, CUBES):
            for case, options in ALONG.items():
                yield _row(f.__name__ + case, f, shapes, options)
    for f in (np.fft.fft2, np.fft.ifft2, np.fft.rfft2, np.fft.irfft2):
        for shapes in (CUBE,) if f is np.fft.rfft2 else (CUBE, CUBES):
            yield _row(f.__name__, f, shapes, {})
            yield _row(f"{f.__name__} (3, 4)", f, shapes, {"s": (3, 4), "norm": "ortho"})


ROWS = [
    *_of_one_axis(),
    *_of_several_axes(),
    *[
        _row(f"{f.__name__} {axes}", f, CUBE, {"axes": axes})
        for f in (np.fft.fftshift, np.fft.ifftshift)
        for axes in (None, 1, (0, 2))
    ],
    Row("fftfreq", "fftfreq", lambda d: np.fft.fftfreq(5, d) * np.fft.rfftfreq(8, d), ((),), "positive", exact=False),
    Row(
        "fft, product, ifft", np.fft.fft, lambda a, b: np.fft.ifft(np.fft.fft(a) * np.fft.fft(b)), COMPLEX, exact=False
    ),
    Row(
        "rfft, product, irfft",
        np.fft.rfft,
        lambda a, b: np.fft.irfft(np.fft.rfft(a) * np.fft.rfft(b), 5),
        COMPLEX,
        exact=False,
    ),
]

WRONG = [
    *[
        Wrong(f"{f.__name__} axis", lambda x, f=f: f(x, axis=2), ((2, 3),), IndexError, ("axis 2", "dimension 2"))
        for f in (np.fft.fft, np.fft.rfft, np.fft.irfft)
    ],
    Wrong("fft of no size", lambda x: np.fft.fft(x, 0), ((2, 3),), ValueError, ("Invalid number", "0")),
    Wrong("irfft of one number", np.fft.irfft, ((2, 1),), ValueError, ("Invalid number", "0")),
    Wrong("fft norm", lambda x: np.fft.fft(x, norm="other"), ((2, 3),), ValueError, ("other", "ortho")),
    Wrong("hfft norm", lambda x: np.fft.hfft(x, norm="other"), ((2, 3),), ValueError, ("other", "ortho")),
    Wrong("fftn sizes", lambda x: np.fft.fftn(x, (2, 2), (0,)), ((2, 3),), ValueError, ("2 sizes for 1 axes",)),
    Wrong("rfft of complex", lambda x: np.fft.rfft(x * 1j), ((2, 3),), TypeError, ("rfft",)),
]
