"""SciPy's functions that SciPy lets nobody answer for, with derivatives, under SciPy's names and signatures.

>>> import numpy as np, knetpy as kn
>>> kn.grad(lambda x: kn.scipy.linalg.expm(x)[0, 1], 0)(np.zeros((2, 2)))
array([[0., 1.],
       [0., 0.]])
"""

from importlib.util import find_spec

if find_spec("scipy") is None:
    raise ImportError('knetpy.scipy needs SciPy, which is not installed: pip install "knetpy[scipy]"')

from . import linalg as linalg  # noqa: E402
