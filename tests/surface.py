"""NumPy's public functions, each in one list; `python -m tests.surface --write` writes the tables of README.md.

Which are differentiable and which constant is read off the table of ops: rows and CONSTANTS of `tests/ops/rows`. The
other lists stand here. Another library joins by a row of NAMESPACES and its names in the lists.
"""

import sys
import textwrap
from pathlib import Path

import numpy as np

from knetpy.core.value import NUMPY
from knetpy.ops import load
from tests.ops.table import CONSTANTS, ROWS

README = Path(__file__).parents[1] / "README.md"
VERSION = "2.4"  # of NumPy, whose names these are
NAMESPACES = {
    "np": np,
    "np.linalg": np.linalg,
    "np.fft": np.fft,
    "np.emath": np.emath,
    "x": np.ndarray,
}  # x: an array's methods
MORE = {"np": ("vectorize", "r_", "c_")}  # called as functions, although they are none

NOT_APPLICABLE = {  # reason: names
    "make arrays of numbers": """
        np: bartlett blackman hamming hanning empty eye identity ones tri zeros diag_indices indices mask_indices
            tril_indices triu_indices fromfunction frombuffer
        np.fft: fftfreq rfftfreq
    """,
    "read, write and print": """
        np: fromfile fromregex fromstring genfromtxt load loadtxt save savetxt savez savez_compressed base_repr
            binary_repr format_float_positional format_float_scientific
        x: dump dumps tobytes tofile
    """,
    "set up NumPy and tell of it": """
        np: get_include get_printoptions getbufsize geterr geterrcall info printoptions set_printoptions setbufsize
            seterr seterrcall show_config show_runtime test
    """,
    "ask about dtypes and kinds": """
        np: isdtype isfortran isscalar issubdtype iterable mintypecode promote_types typename
    """,
    "of integers, bits and dates": """
        np: bitwise_and bitwise_count bitwise_invert bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift
            bitwise_xor gcd invert lcm left_shift packbits right_shift unpackbits busday_count busday_offset
            datetime_as_string datetime_data is_busday isnat
        x: choose
    """,
    "of memory and other classes": """
        np: asmatrix bmat from_dlpack frompyfunc nested_iters require
        x: base byteswap ctypes data getfield setfield setflags to_device view
    """,
    "old names": """
        np: row_stack
    """,
}

NO_RULE = {  # reason: {name: a call of it that raises}
    "write in place (`np.where` and `np.concatenate` make new arrays)": {
        "np.copyto": lambda x: np.copyto(np.ones(3), x),
        "np.fill_diagonal": lambda x: np.fill_diagonal(np.reshape(x, (1, 3)), 0),
        "np.place": lambda x: np.place(x, [True, False, True], [1]),
        "np.put": lambda x: np.put(x, 0, 1),
        "np.put_along_axis": lambda x: np.put_along_axis(x, np.array([0]), 1, 0),
        "np.putmask": lambda x: np.putmask(x, [True, False, True], 1),
        "x.fill": lambda x: x.fill(0),
        "x.partition": lambda x: x.partition(1),
        "x.put": lambda x: x.put(0, 1),
        "x.resize": lambda x: x.resize(4),
        "x.sort": lambda x: x.sort(),
    },
    "make plain arrays and numbers (`kn.array([a, b])` makes an array of values)": {
        "np.asarray_chkfinite": lambda x: np.asarray_chkfinite(x),
        "np.c_": lambda x: np.c_[x, x],
        "np.kaiser": lambda x: np.kaiser(5, x[0]),
        "np.r_": lambda x: np.r_[x, 1],
        "np.vectorize": lambda x: np.vectorize(np.sin)(x),
        "x.flat": lambda x: x.flat,
        "x.item": lambda x: x.item(0),
        "x.tolist": lambda x: x.tolist(),
    },
}

TELLS = "device dtype flags itemsize nbytes strides"  # what an array tells about itself, as a constant


def spelled(lists):
    """Names as users write them, out of lines `namespace: name name ...`."""
    found, space = [], ""
    for word in lists.split():
        if word.endswith(":"):
            space = word[:-1]
        else:
            found.append(f"{space}.{word}")
    return found


def _names(space, module):
    if isinstance(module, type):
        return [name for name in dir(module) if not name.startswith("_")]
    found = [name for name in module.__all__ if callable(f := getattr(module, name)) and not isinstance(f, type)]
    return sorted([*found, *MORE.get(space, ())])  # NumPy's own list is a set, in another order in every process


def public():
    """{name as users write it: the function; of an array's methods and attributes the name with its dot}."""
    return {
        f"{space}.{name}": f".{name}" if isinstance(module, type) else getattr(module, name)
        for space, module in NAMESPACES.items()
        for name in _names(space, module)
    }


def lists():
    """{list: the names in it}."""
    load()
    about, functions = {row.op for row in ROWS}, public()
    told = {f".{name}" for name in TELLS.split()} | {f for f in CONSTANTS if isinstance(f, str)} - about
    constant = told | {f for f in CONSTANTS if getattr(NUMPY.get(f), "constant", False)}
    return {
        "differentiable": [name for name, f in functions.items() if _among(f, about)],
        "constant": [name for name, f in functions.items() if _among(f, constant)],
        "not applicable": [name for names in NOT_APPLICABLE.values() for name in spelled(names)],
        "no rule": [name for calls in NO_RULE.values() for name in calls],
    }


def _among(f, some):
    return isinstance(f, (str, *_HASHABLE)) and f in some


_HASHABLE = (type(np.sum), type(np.add), type(np.array), type(np.full))


# ------------------------------------------------------------------------------------------------- the README's


def tables():
    """The tables of README.md."""
    found = {name: names for name, names in lists().items() if names}
    lines = [f"| NumPy {VERSION} | {' | '.join(found)} |", "|---|" + "---:|" * len(found)]
    for space, module in NAMESPACES.items():
        counts = [sum(name.rpartition(".")[0] == space for name in names) for names in found.values()]
        title = (
            "methods and attributes of arrays" if isinstance(module, type) else f"`{space.replace('np', 'numpy', 1)}`"
        )
        lines.append(f"| {title} | {' | '.join(map(str, counts))} |")
    lines += ["", "Without a rule, and refused by name, are functions that"]
    for reason, calls in NO_RULE.items():
        lines += textwrap.wrap(f"- {reason}: {' '.join(f'`{name}`' for name in calls)}", 118, subsequent_indent="  ")
    return "\n".join(lines)


BEGIN, END = "<!-- written by python -m tests.surface --write -->\n", "\n<!-- end -->"


def written():
    """What stands in README.md between the marks."""
    return README.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


def write():
    """Put the tables into README.md."""
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    README.write_text(before + BEGIN + tables() + END + rest.partition(END)[2], encoding="utf-8")


if __name__ == "__main__":
    write() if "--write" in sys.argv else print(tables())
