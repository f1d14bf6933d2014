"""np.linalg.

Tests call the rows also on matrices whose rows are all equal: functions that need an inverse or distinct eigenvalues
are called on well-conditioned sums with constant ones.
"""

import numpy as np

import knetpy as kn
from knetpy.devices import beside
from tests.ops.row import Row, Wrong

la, inf = np.linalg, np.inf

SQUARE, STACK, TALL, WIDE = ((3, 3),), ((2, 3, 3),), ((2, 4, 3),), ((2, 3, 4),)


def _eye(x, *numbers):
    """Numbers on the diagonal of a matrix of zeros like x, and where that is."""
    m, n = x.shape[-2:]
    table = np.eye(m, n) * np.arange(*numbers)[:n]
    return beside(table.astype(np.float32 if x.dtype in (np.float32, np.complex64) else np.float64), x)


def apart(x):
    """x made well-conditioned, with eigenvalues and singular values that are far from each other."""
    return x * 0.3 + _eye(x, 2.0, 2 + 2 * x.shape[-1], 2)


def symmetric(x):
    return apart((x + np.swapaxes(x, -1, -2)) / 2)


def positive(x):
    product = x @ np.swapaxes(x, -1, -2) * 0.3
    return product + _eye(product, 1, 2 + x.shape[-1]) * 0.5


def signless(parts):
    """Eigenvectors and singular vectors squared: they have no sign."""
    most = max(p.ndim for p in parts)
    return [np.square(p) if p.ndim == most else p for p in parts]


def _rows():
    def row(name, op, f, shapes, **options):
        return Row(name, op, f, shapes, **{"exact": False, "special": False, **options})

    small = (((1, 1),), ((0, 0),), ((0, 2, 2),), ((2, 0, 0),))
    thin = (((1, 1),), ((0, 2, 1),), ((1, 2),), ((2, 1),))
    for name, shapes in {"": SQUARE, " of a stack": STACK}.items():
        edges = () if name else small
        yield row(f"inv{name}", la.inv, lambda x: la.inv(apart(x)), shapes, edges=edges)
        yield row(f"det{name}", la.det, la.det, shapes, edges=edges, special=True)
        yield row(f"slogdet{name}", la.slogdet, lambda x: la.slogdet(apart(x)), shapes, edges=edges)
        yield row(f"slogdet negative{name}", la.slogdet, lambda x: la.slogdet(-apart(x))[1], shapes)
        yield row(f"cholesky{name}", la.cholesky, lambda x: la.cholesky(positive(x)), shapes, edges=edges)
        yield row(f"cholesky upper{name}", la.cholesky, lambda x: la.cholesky(positive(x), upper=True), shapes)
        yield row(f"eigh{name}", la.eigh, lambda x: signless(la.eigh(symmetric(x))), shapes, edges=edges)
        yield row(f"eigh U{name}", la.eigh, lambda x: signless(la.eigh(symmetric(x), "U")), shapes)
        yield row(f"eigvalsh{name}", la.eigvalsh, lambda x: la.eigvalsh(symmetric(x)), shapes, edges=edges)
        yield row(f"eigvalsh U{name}", la.eigvalsh, lambda x: la.eigvalsh(symmetric(x), UPLO="U"), shapes)
        for n in (-2, -1, 0, 1, 2):
            power = f"matrix_power {n}{name}"
            yield row(power, la.matrix_power, lambda x, n=n: la.matrix_power(apart(x) / 4, n), shapes, edges=edges)
        for p in (None, 2, -2, 1, inf, "fro"):
            yield row(f"cond {p}{name}", la.cond, lambda x, p=p: la.cond(apart(x), p), shapes)
        yield row(f"svd hermitian{name}", la.svd, lambda x: la.svd(symmetric(x), hermitian=True)[1], shapes)
        yield row(
            f"svd hermitian vectors{name}", la.svd, lambda x: signless(la.svd(-symmetric(x), hermitian=True)), shapes
        )
        yield row(
            f"svd hermitian values{name}",
            la.svd,
            lambda x: la.svd(symmetric(x), hermitian=True, compute_uv=False),
            shapes,
        )
        yield row(f"pinv hermitian{name}", la.pinv, lambda x: la.pinv(symmetric(x), hermitian=True), shapes)
    for name, shapes in {"square": SQUARE, "tall": TALL, "wide": WIDE}.items():
        edges = thin if name == "tall" else ()
        yield row(f"qr {name}", la.qr, lambda x: la.qr(apart(x)), shapes, edges=edges)
        yield row(f"qr r {name}", la.qr, lambda x: la.qr(apart(x), "r"), shapes, edges=edges)
        yield row(f"qr complete {name}", la.qr, lambda x: spans(la.qr(apart(x), mode="complete")), shapes)
        yield row(f"svd {name}", la.svd, lambda x: signless(la.svd(apart(x), full_matrices=False)), shapes, edges=edges)
        yield row(f"svd product {name}", la.svd, lambda x: again(la.svd(apart(x), False)), shapes)
        yield row(f"svd full {name}", la.svd, lambda x: full(la.svd(apart(x))), shapes)
        yield row(f"svd values {name}", la.svd, lambda x: la.svd(apart(x), compute_uv=False), shapes, edges=edges)
        yield row(f"svdvals {name}", la.svdvals, lambda x: la.svdvals(apart(x)), shapes, edges=edges)
        yield row(f"pinv {name}", la.pinv, lambda x: la.pinv(apart(x)), shapes, edges=edges)
        for ord in ("nuc", 2, -2):
            yield row(f"norm {ord} {name}", la.norm, lambda x, o=ord: la.norm(apart(x), o, axis=(-2, -1)), shapes)
    for ord in ("fro", "nuc", 2, -2, 1, -1, inf, -inf):
        f = lambda x, o=ord: la.matrix_norm(apart(x), ord=o)
        yield row(f"matrix_norm {ord}", la.matrix_norm, f, STACK)
    yield row("norm nuc kept", la.norm, lambda x: la.norm(apart(x), "nuc", axis=(2, 0), keepdims=True), ((3, 2, 3),))
    yield row("matrix_norm kept", la.matrix_norm, lambda x: la.matrix_norm(apart(x), keepdims=True, ord=2), TALL)
    yield from _products(row)
    yield from _systems(row)
    yield from _complex(row)
    yield from _of_general(row)


def spans(found):
    """What does not depend on the choice of the columns of Q beyond those of the matrix."""
    q, r = found
    k = min(q.shape[-2], r.shape[-1])
    return q[..., :k], r, q[..., k:] @ _adjoint(q[..., k:])


def again(found):
    u, s, vh = found
    return (u * s[..., None, :]) @ vh, (u / s[..., None, :]) @ vh, u @ vh


def full(found):
    u, s, vh = found
    k, v = s.shape[-1], np.swapaxes(vh, -1, -2)
    rest = [x[..., k:] @ _adjoint(x[..., k:]) for x in (u, v)]
    return s, np.abs(u[..., :k]) ** 2, np.abs(v[..., :k]) ** 2, *rest


def _products(row):
    yield row("vector_norm", la.vector_norm, la.vector_norm, ((2, 3),))
    yield row("vector_norm axis", la.vector_norm, lambda x: la.vector_norm(x, axis=-1, keepdims=True, ord=3), ((2, 3),),
              domain="apart")  # fmt: skip
    yield row("vector_norm axes", la.vector_norm, lambda x: la.vector_norm(x, axis=(0, 2), ord=1), ((2, 3, 2),),
              domain="apart")  # fmt: skip
    yield row("vector_norm kept", la.vector_norm, lambda x: la.vector_norm(x, axis=(2, 0), keepdims=True), ((2, 3, 2),))
    shapes = ((2, 3), (3, 2), (2, 4))
    yield row("multi_dot", la.multi_dot, lambda *xs: la.multi_dot(xs), shapes, special=True)
    yield row("multi_dot of two", la.multi_dot, lambda a, b: la.multi_dot([a, b]), ((2, 3), (3, 2)), special=True)
    yield row("multi_dot of vectors", la.multi_dot, lambda a, b: la.multi_dot([a, b, b, a]), ((3,), (3, 3)))
    yield row("multi_dot row", la.multi_dot, lambda *xs: la.multi_dot(xs), ((2,), (2, 3), (3, 1)))
    yield row("multi_dot column", la.multi_dot, lambda *xs: la.multi_dot(xs), ((1, 2), (2, 3), (3, 4), (4,)))
    for offset in (0, 1, -1):
        name = f"linalg.trace {offset}"
        yield row(name, la.trace, lambda x, k=offset: la.trace(x, offset=k), ((2, 3, 4),), special=True)
        name = f"linalg.diagonal {offset}"
        yield row(name, la.diagonal, lambda x, k=offset: la.diagonal(x, offset=k), ((2, 3, 4),), special=True)
    yield row("linalg.cross", la.cross, la.cross, ((2, 3), (3,)))
    yield row("linalg.cross axis", la.cross, lambda a, b: la.cross(a, b, axis=0), ((3, 2), (3, 2)))
    yield row("linalg.vecdot", la.vecdot, la.vecdot, ((2, 3), (3,)))
    yield row("linalg.vecdot axis", la.vecdot, lambda a, b: la.vecdot(a, b, axis=0), ((3, 2), (3, 2)))
    yield row("linalg.outer", la.outer, la.outer, ((2,), (3,)), special=True)
    yield row("linalg.matmul", la.matmul, la.matmul, ((2, 3), (3, 2)), special=True)
    yield row("linalg.tensordot", la.tensordot, lambda a, b: la.tensordot(a, b, axes=1), ((2, 3), (3, 2)), special=True)
    yield row("linalg.matrix_transpose", la.matrix_transpose, la.matrix_transpose, ((2, 2, 3),), special=True)


def _systems(row):
    for a, b in (
        ((3, 3), (3,)), ((3, 3), (3, 2)), ((2, 3, 3), (2, 3, 1)), ((3, 3), (2, 3, 2)), ((2, 3, 3), (3, 2)),
        ((2, 1, 3, 3), (2, 3, 2)), ((2, 3, 3), (3,)), ((1, 1), (1, 1)),
    ):  # fmt: skip
        name = f"solve {a} {b}".replace(" ", "")
        yield row(name, la.solve, lambda a, b: la.solve(apart(a), b), (a, b))
    empty = (((0, 0), (0, 2)), ((0, 2, 2), (2, 1)), ((2, 2), (2, 0)), ((0, 0), (0,)))
    yield row("solve of none", la.solve, lambda a, b: la.solve(apart(a), b), ((3, 3), (3, 2)), edges=empty)
    yield row("solve of a constant", la.solve, lambda b: la.solve(apart(np.ones((3, 3))), b), ((3, 2),))
    yield row("solve for a constant", la.solve, lambda a: la.solve(apart(a), [1.0, 2.0, 3.0]), ((3, 3),))
    for a, b in (((4, 3), (4, 2)), ((4, 3), (4,)), ((3, 4), (3, 2)), ((3, 3), (3,))):
        name = f"lstsq {a} {b}".replace(" ", "")
        yield row(name, la.lstsq, lambda a, b: la.lstsq(apart(a), b)[:3], (a, b))
    yield row("lstsq all", la.lstsq, lambda a, b: la.lstsq(apart(a), b, rcond=0.01), ((4, 3), (4, 2)))
    yield row("lstsq of lower rank", la.lstsq, lambda a, b: la.lstsq(a @ a[:2].T @ a[:2], b, 1e-3)[0], ((4, 3), (4, 2)))
    yield row("pinv of lower rank", la.pinv, lambda a: la.pinv(apart(a)[:, :2] @ apart(a)[:2], 1e-9), ((4, 3),))
    yield row("pinv rtol", la.pinv, lambda a: la.pinv(apart(a), rtol=0.3) + la.pinv(apart(a), rtol=None).sum(), SQUARE)
    yield row("tensorsolve", la.tensorsolve, lambda a, b: la.tensorsolve(shaped(a, (2, 3, 6)), b), ((6, 6), (2, 3)))
    yield row(
        "tensorsolve axes", la.tensorsolve, lambda a, b: la.tensorsolve(shaped(a, (2, 3, 2, 3)), b, axes=(0, 3)),
        ((6, 6), (3, 2)),
    )  # fmt: skip
    yield row("tensorinv", la.tensorinv, lambda a: la.tensorinv(shaped(a, (2, 3, 6))), ((6, 6),))
    yield row("tensorinv 1", la.tensorinv, lambda a: la.tensorinv(shaped(a, (6, 3, 2)), ind=1), ((6, 6),))


def shaped(x, shape):
    return np.reshape(apart(x), shape)


def _adjoint(z):
    return np.conj(np.swapaxes(z, -1, -2))


def _complex(row):
    """Of complex matrices made of two real ones: their real part is well-conditioned."""
    hermitian = {"eigh", "eigvalsh", "pinv hermitian", "svd hermitian"}
    calls = {
        "inv": la.inv, "det": la.det, "slogdet": la.slogdet, "eigh": lambda z: phaseless(la.eigh(z)),
        "cholesky": lambda z: la.cholesky(z @ _adjoint(z)),
        "cholesky upper": lambda z: la.cholesky(z @ _adjoint(z), upper=True),
        "eigvalsh": lambda z: la.eigvalsh(z, "U"), "eig": lambda z: phaseless(la.eig(z)), "eigvals": la.eigvals,
        "qr": la.qr, "qr r": lambda z: la.qr(z, "r"), "qr complete": lambda z: spans(la.qr(z, "complete")),
        "svd": lambda z: phaseless(la.svd(z, False)), "svd product": lambda z: again(la.svd(z, full_matrices=False)),
        "svd full": lambda z: full(la.svd(z)), "svd hermitian": lambda z: la.svd(z, hermitian=True)[1],
        "svdvals": la.svdvals, "pinv": la.pinv, "pinv hermitian": lambda z: la.pinv(z, hermitian=True),
        "matrix_power": lambda z: la.matrix_power(z / 4, -2), "cond": la.cond,
        "matrix_norm": lambda z: la.matrix_norm(z, ord="nuc"),
        "multi_dot": lambda z: la.multi_dot([z, _adjoint(z), z[0]]),
    }  # fmt: skip
    for name, call in calls.items():
        tall = name in ("qr", "qr r", "qr complete", "svd", "svd product", "svd full", "pinv", "svdvals")
        part = {"multi_dot": (3, 3)}.get(name, (2, 4, 3) if tall else (2, 3, 3))
        op = getattr(la, name.split()[0])
        turn = (lambda z: z + _adjoint(z)) if name in hermitian else (lambda z: z)
        for wide in (False, True) if tall else (False,):
            f = lambda x, y, f=call, t=turn, w=wide: f(t(_turned(apart(x) + 0.3j * y, w)))
            yield row(f"{name} of complex{' wide' * wide}", op, f, (part, part))
    four = ((3, 3), (3, 3), (3, 2), (3, 2))
    yield row("solve of complex", la.solve, lambda a, b, c, d: la.solve(apart(a) + 1j * b, c + 1j * d), four)
    yield row("solve of real", la.solve, lambda a, b: la.solve(apart(a), 1j * b), ((2, 3, 3), (3, 2)))
    four = ((4, 3), (4, 3), (4, 2), (4, 2))
    yield row("lstsq of complex", la.lstsq, lambda a, b, c, d: la.lstsq(apart(a) + 1j * b, c + 1j * d), four)


def _turned(z, wide):
    return np.swapaxes(z, -1, -2) if wide else z


def phaseless(parts):
    most = max(p.ndim for p in parts)
    return [np.abs(p) ** 2 if p.ndim == most else p for p in parts]


def _of_general(row):
    yield row("eig", la.eig, lambda x: signless(la.eig(apart(x))), ((3, 3),), edges=(((1, 1),), ((0, 0),)))
    yield row("eigvals", la.eigvals, lambda x: la.eigvals(apart(x)), ((2, 3, 3),), edges=(((1, 1),), ((0, 2, 2),)))
    turn = np.array([[0.0, -3.0, 1.0], [2.0, 0.0, 0.0], [0.0, 0.0, 2.0]])
    for shape in ((3, 3), (2, 3, 3)):
        yield row(
            f"eig in pairs {len(shape)}",
            la.eig,
            lambda x: phaseless(la.eig(x * 0.3 + beside(turn.astype(x.dtype), x))),
            (shape,),
        )
        yield row(
            f"eigvals in pairs {len(shape)}",
            la.eigvals,
            lambda x: la.eigvals(x * 0.3 + beside(turn.astype(x.dtype), x)),
            (shape,),
        )


ROWS = list(_rows())

CONSTANTS = {la.matrix_rank: lambda x: la.matrix_rank(x)}

WRONG = [
    Wrong("inv", la.inv, ((2, 3),), la.LinAlgError, ("inv", "(2, 3)", "square")),
    Wrong("inv vector", la.inv, ((2,),), la.LinAlgError, ("inv", "(2,)", "two-dimensional")),
    Wrong("inv singular", la.inv, ((2, 2),), la.LinAlgError, ("inv", "(2, 2)", "Singular", "pinv")),
    Wrong("solve singular", la.solve, ((2, 2), (2, 1)), la.LinAlgError, ("solve", "(2, 2)", "(2, 1)", "Singular")),
    Wrong("solve", la.solve, ((2, 2), (3, 1)), ValueError, ("solve", "(2, 2)", "(3, 1)")),
    Wrong("det", la.det, ((2, 3),), la.LinAlgError, ("det", "(2, 3)", "square")),
    Wrong("slogdet", la.slogdet, ((2, 3),), la.LinAlgError, ("slogdet", "(2, 3)", "square")),
    Wrong("cholesky", la.cholesky, ((2, 2),), la.LinAlgError,
          ("cholesky", "(2, 2)", "not positive definite", "np.eye")),
    Wrong("eigh", la.eigh, ((2, 3),), la.LinAlgError, ("eigh", "(2, 3)", "square")),
    Wrong("eigh UPLO", lambda x: la.eigh(x, "X"), ((2, 2),), ValueError, ("UPLO",)),
    Wrong("svd vector", la.svd, ((2,),), la.LinAlgError, ("svd", "(2,)")),
    Wrong("qr mode", lambda x: la.qr(x, "thin"), ((2, 2),), ValueError, ("qr", "thin", "complete")),
    Wrong("pinv both", lambda x: la.pinv(x, 0.1, rtol=0.1), ((2, 2),), ValueError, ("rcond", "rtol")),
    Wrong("lstsq", la.lstsq, ((2, 3), (3,)), la.LinAlgError, ("lstsq", "(2, 3)", "Incompatible")),
    Wrong("lstsq stack", la.lstsq, ((2, 2, 3), (2,)), la.LinAlgError, ("lstsq", "(2, 2, 3)", "two-dimensional")),
    Wrong("tensorsolve", la.tensorsolve, ((2, 3, 4), (2, 3)), la.LinAlgError, ("tensorsolve", "(2, 3, 4)", "6")),
    Wrong("tensorinv", lambda x: la.tensorinv(x, 0), ((2, 2),), ValueError, ("ind", "0")),
    Wrong("matrix_power", lambda x: la.matrix_power(x, 2), ((2, 3),), ValueError, ("(2, 3)",)),
    Wrong("matrix_power of a vector", lambda x: la.matrix_power(x, 2), ((1,),), ValueError, ("matrix_power", "(1,)")),
    Wrong("matrix_power half", lambda x: la.matrix_power(x, 0.5), ((2, 2),), TypeError, ("integer",)),
    Wrong("multi_dot one", lambda x: la.multi_dot([x]), ((2, 2),), ValueError, ("two arrays",)),
    Wrong("multi_dot cube", lambda x: la.multi_dot([x, x]), ((2, 2, 2),), kn.ShapeError, ("arrays[0]", "(2, 2, 2)")),
    Wrong("multi_dot sizes", lambda x: la.multi_dot([x, x, x]), ((2, 3),), kn.ShapeError, ("(2, 3)",)),
    Wrong("linalg.outer", lambda x: la.outer(x, x), ((2, 2),), kn.ShapeError, ("(2, 2)", "np.outer")),
    Wrong("norm of a matrix ord", lambda x: la.norm(x, 3), ((2, 2),), ValueError, ("ord=3",)),
]  # fmt: skip
