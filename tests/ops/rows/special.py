"""The functions of scipy.special that SciPy lets NumPy's protocol reach."""

import numpy as np
from scipy import special as sc

import knetpy as kn
from knetpy.ops import load
from tests.ops.row import EMPTY, Row, Wrong

load()  # SciPy is imported by now

UNARY = {
    "positive": """psi gamma gammaln loggamma rgamma entr exp1 expi y0 y1 k0 k1 k0e k1e ker kei kerp keip berp beip
        spence cotdg log1p log_ndtr erfcx""",
    "any": """erf erfc dawsn ndtr expit log_expit exprel exp2 exp10 expm1 cosm1 sindg cosdg tandg j0 j1 i0 i1
        ber bei ellipkm1 wrightomega""",
    "unit": "erfi erfinv ellipk ellipe",
    "chance": "ndtri logit erfcinv",
    "nonzero": "cbrt i0e i1e",
}
SEVERAL = {"airy": "any", "airye": "positive", "fresnel": "any", "sici": "positive", "shichi": "positive"}
MOVED = {  # where the usual domains do not fit
    "ellipkm1": lambda x: sc.ellipkm1(0.3 + 0.1 * x * x),
    "ndtri_exp": lambda x: sc.ndtri_exp(-x),
    "log_ndtr": lambda x: sc.log_ndtr(3 - 4 * x),
    "erfcx": lambda x: sc.erfcx(60 * x - 40),
    "dawsn": lambda x: sc.dawsn(20 * x),
    "cotdg": lambda x: sc.cotdg(20 * x),
}
COUNTS = np.array([[0, 1, 2], [3, 0, 5]])
ORDERS = np.array([[0.5, 1.0, 2.25], [3.0, 0.0, -1.5]])
LAST = {  # of functions that have a derivative by their last argument only
    "positive": {
        **{f: lambda f, x: f(ORDERS, x) for f in (sc.jv, sc.yv, sc.iv, sc.kv, sc.jve, sc.yve, sc.ive, sc.kve)},
        **{f: lambda f, x: f(COUNTS, 2 + x) for f in (sc.yn, sc.kn, sc.expn, sc.pdtr, sc.pdtrc)},
        **{f: lambda f, x: f(abs(ORDERS) + 0.5, x) for f in (sc.struve, sc.modstruve, sc.hyp0f1)},
        sc.hyperu: lambda f, x: f(1.25, ORDERS[0], x),
        sc.hyp1f1: lambda f, x: f(ORDERS, 2.5, x),
    },
    "unit": {
        sc.hyp2f1: lambda f, x: f(ORDERS, 0.75, 2.5, x * 0.7),
        **{f: lambda f, x: f(COUNTS, x) for f in (sc.eval_chebyt, sc.eval_chebyu, sc.eval_legendre, sc.eval_laguerre)},
        **{f: lambda f, x: f(COUNTS, x) * 0.01 for f in (sc.eval_hermite, sc.eval_hermitenorm)},
        **{f: lambda f, x: f(COUNTS, 0.75, x) for f in (sc.eval_genlaguerre, sc.eval_gegenbauer)},
        sc.eval_jacobi: lambda f, x: f(COUNTS, 0.75, 0.5, x),
    },
    "chance": {f: lambda f, x: f(COUNTS, 6, x) for f in (sc.bdtr, sc.bdtrc, sc.nbdtr, sc.nbdtrc)},
    "any": {f: lambda f, x: f(x, 0.25) for f in (sc.ellipkinc, sc.ellipeinc)},
}
BOTH = {
    "positive positive": (sc.beta, sc.betaln, sc.binom, sc.poch, sc.xlogy, sc.rel_entr, sc.kl_div, sc.powm1),
    "above1 positive": (sc.gammainc, sc.gammaincc, sc.chdtr, sc.chdtrc, sc.huber, sc.pseudo_huber),
    "above1 chance": (sc.gammaincinv, sc.gammainccinv, sc.stdtrit),
    "positive any": (sc.boxcox, sc.boxcox1p),
    "any positive": (sc.xlog1py, sc.owens_t),
    "above1 nonzero": (sc.stdtr,),
}
THREE = {
    "above1 positive chance": (sc.betainc, sc.betaincc, sc.betaincinv, sc.betainccinv),
    "positive above1 positive": (sc.gdtr, sc.gdtrc, sc.fdtr, sc.fdtrc),
}
SLOW = {"betaincc", "betaincinv", "betainccinv", "fdtrc", "gdtrc", "stdtrit"}  # second derivatives as of others
RISKY = {
    "hyp2f1",
    "hyperu",
    "hyp1f1",
    "struve",
    "modstruve",
    "betaincinv",
    "betainccinv",
    "stdtrit",
}  # slow or stuck at Inf


def _unary():
    for domain, names in UNARY.items():
        for name in names.split():
            f = getattr(sc, name)
            yield Row(f"special {name}", f, MOVED.get(name, f), ((2, 3),), domain, elementwise=True, edges=EMPTY)
    for name, domain in SEVERAL.items():
        yield Row(f"special {name}", getattr(sc, name), getattr(sc, name), ((2, 3),), domain, edges=EMPTY)


def _several():
    for domain, functions in LAST.items():
        for f, call in functions.items():
            name, special = f.__name__, f.__name__ not in RISKY
            yield Row(f"special {name}", f, lambda x, f=f, c=call: c(f, x), ((2, 3),), domain, special=special)
    for words, functions in (BOTH | THREE).items():
        shapes = ((2, 3), (3,), (2, 1))[: len(words.split())]
        for f in functions:
            edges, special = (tuple([(0,)] * f.nin), tuple([()] * f.nin)), f.__name__ not in RISKY
            yield Row(
                f"special {f.__name__}",
                f,
                f,
                shapes,
                words,
                elementwise=True,
                edges=edges,
                special=special,
                twice=f.__name__ not in SLOW,
            )


ZETA = sc.zeta(2.0, type("Asks", (), {"__array_ufunc__": lambda self, ufunc, *args, **options: ufunc})())
ROWS = [
    *_unary(),
    *_several(),
    Row("special ndtri_exp", sc.ndtri_exp, MOVED["ndtri_exp"], ((2, 3),), "positive", elementwise=True),
    Row("special zeta", ZETA, lambda x: sc.zeta(2.5, x), ((2, 3),), "positive", elementwise=True),
    Row("special ellipj", sc.ellipj, lambda x: sc.ellipj(x, 0.25), ((2, 3),)),
    Row("special inv_boxcox", sc.inv_boxcox, lambda x: sc.inv_boxcox(x, 0.5), ((2, 3),), "positive"),
    Row("special inv_boxcox1p", sc.inv_boxcox1p, lambda x: sc.inv_boxcox1p(x, 0.5), ((2, 3),), "positive"),
    Row("special psi left of 0", sc.psi, lambda x: sc.psi(-x), ((2, 3),), "dividend"),
    Row("special gamma left of 0", sc.gamma, lambda x: sc.gamma(-x), ((2, 3),), "dividend"),
    Row("special gammainc far", sc.gammainc, sc.gammainc, ((2, 3), (3,)), "positive dividend", special=False),
    Row("special betainc far", sc.betainc, lambda a, b: sc.betainc(a, b, 0.85), ((2, 3), (3,)), "above1 positive"),
    Row("special spence at 1", sc.spence, lambda x: sc.spence(1 + 0 * x * x + 1e-3 * x), ((2, 3),)),
    Row(
        "special lambertw",
        sc.lambertw(type("Asks", (), {"__array_ufunc__": lambda self, f, *args, **options: f})()),
        lambda x: np.real(sc.lambertw(x)),
        ((2, 3),),
        "positive",
        exact=False,
    ),
    *[
        Row(
            f"special {f.__name__} of complex",
            f,
            lambda x, y, f=f: f(1.5, x + 1j * y),
            ((2, 3),) * 2,
            "nonzero",
            special=False,
        )
        for f in (sc.ive, sc.jve, sc.kve)
    ],
    Row(
        "special shichi of complex",
        sc.shichi,
        lambda x, y: sc.shichi(x + 1j * y),
        ((2, 3),) * 2,
        "nonzero",
        special=False,
    ),
    Row("special wofz", sc.wofz, lambda x: np.real(sc.wofz(x + 0.5j)), ((2, 3),)),
    *[
        Row(f"special {f.__name__}", f, lambda x, f=f: np.real(f(ORDERS, x)), ((2, 3),), "positive")
        for f in (sc.hankel1, sc.hankel2, sc.hankel1e, sc.hankel2e)
    ],
    Row("special polygamma", sc.psi, lambda x: sc.softplus(sc.psi(x)), ((2, 3),), "positive", exact=False),
]
CONSTANTS = {sc.gammasgn: sc.gammasgn, sc.round: sc.round}
WRONG = [
    Wrong("special without rule", lambda x: sc.agm(x, 2.0), ((2,),), kn.DerivativeError, ("scipy.special.agm",)),
    Wrong("special order", lambda x: sc.jv(x, 2.0), ((2,),), kn.DerivativeError, ("scipy.special.jv", "'v'")),
    Wrong(
        "special complex",
        lambda x: kn.grad(lambda z: np.real(sc.psi(z)))(x[0] * 1j),
        ((2,),),
        kn.DerivativeError,
        ("scipy.special.psi", "complex128"),
    ),
    Wrong("special shapes", sc.beta, ((2,), (3,)), kn.ShapeError, ("scipy.special.beta", "(2,) and (3,)")),
]
