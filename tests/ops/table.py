"""Every op of knetpy: the rows of all families, each in its file of `rows`. `test_table.py` reads them."""

import pkgutil
from importlib import import_module

from knetpy.ops import load
from tests.ops import rows

load()  # the table of NumPy's functions is then complete
FAMILIES = [import_module(f"{rows.__name__}.{found.name}") for found in pkgutil.iter_modules(rows.__path__)]


def _all(name):
    return [item for family in FAMILIES for item in getattr(family, name, ())]


ROWS, WRONG = _all("ROWS"), _all("WRONG")  # of tests.ops.row's Row and Wrong
DTYPES = {name: call for family in FAMILIES for name, call in getattr(family, "DTYPES", {}).items()}
CONSTANTS = {f: call for family in FAMILIES for f, call in getattr(family, "CONSTANTS", {}).items()}
