"""What recording asks of bare arrays: locks those that a derivative will read, makes views that cannot be written.

A mutation thereby raises at the guilty line. Only arrays that were writable are locked, and only their last holder
unlocks them. The owner of a view's memory is locked with it, else writing through the owner would go unseen. What NumPy
cannot tell us: another view of the same memory that was made before the lock stays writable, and one that is made of a
locked array stays read-only.
"""

import math
import threading

import numpy as np

_IMMUTABLE = frozenset((int, float, bool, str, type(None), np.dtype, type))  # of options
_guard = threading.RLock()  # re-entrant: a tape may be freed, and so release, while this thread holds it
_locks: dict = {}  # id -> [array, ids of its holders, views that wait for this array's memory]


class Holder:
    """Keeps arrays locked until `release`, or until it is freed."""

    __slots__ = ("_held",)

    def __init__(self):
        self._held = {}

    def __bool__(self):
        return bool(self._held)

    def __call__(self, x):
        """Lock `x` if it is an array; lists become arrays; everything else is returned as it is."""
        if isinstance(x, np.ndarray):
            if id(x) not in self._held:
                self._hold(x)
        elif isinstance(x, list):
            return np.asarray(x)
        elif isinstance(x, tuple):
            for part in x:
                self(part)
        return x

    def all(self, options):
        """Lock what the options of a call hold."""
        for option in options:
            if option.__class__ not in _IMMUTABLE:
                self(option)

    def _hold(self, x):
        if isinstance(x.base, np.ndarray) and id(x.base) not in self._held:
            self._hold(x.base)
        with _guard:
            lock = _locks.get(id(x))
            if lock is None:
                owner = x.base if isinstance(x.base, np.ndarray) else x
                if not x.flags.writeable or not (owner.flags.writeable or id(owner) in _locks):
                    return  # locked by the user, or NumPy would not let us unlock it
            self._held[id(x)] = x  # first of all, so that `release` can undo the rest wherever Ctrl-C interrupts it
            lock = _locks.setdefault(id(x), [x, set(), []])
            lock[1].add(id(self))
            x.flags.writeable = False

    def release(self):
        """Unlock what no other holder needs; owners come before their views, as NumPy demands."""
        if not self._held:
            return
        with _guard:
            for key in list(self._held):  # each line may run twice: after Ctrl-C __del__ goes on where this stopped
                lock = _locks.get(key)
                if lock is not None:
                    lock[1].discard(id(self))
                    if not lock[1]:
                        _unlock(lock)
                        _locks.pop(key, None)
                self._held.pop(key, None)

    def __del__(self):
        self.release()


def _unlock(lock):
    array, _, waiting = lock
    owner = _locks.get(id(array.base)) if isinstance(array.base, np.ndarray) else None
    if owner is not None:  # another tape still needs the memory: this view is unlocked with its owner
        owner[2].append(array)
        return
    for x in (array, *waiting):
        try:
            x.flags.writeable = True
        except ValueError:
            pass  # its memory has been made read-only by its owner in the meantime


def array_for(given, frozen):
    """The array of a new Param: of lists and numbers in single precision, as Knet's Param(x, opt) takes them."""
    if frozen not in (True, False):
        raise TypeError(
            f"Param takes an array, and whether it is frozen, got {type(frozen).__name__}; an optimizer remembers its "
            "state by Param, write kn.update(w, g, opt)"
        )
    if hasattr(given, "uid"):
        raise TypeError("Param takes a bare array; kn.param(p) makes a Param of its own of another's values")
    return given if hasattr(given, "dtype") else np.array(given, np.float32)


def read_only(array):
    """A view of `array` that cannot be written; scalars and arrays without such a flag (CuPy's) as they are."""
    if not isinstance(array, np.ndarray):
        return array
    view = array.view()
    view.flags.writeable = False
    return view


def norm(array):
    """The Euclidean norm of a bare array as a Python float, in float64 and without overflow."""
    if array.size and 0 in array.strides:  # of what is repeated, such as the weights in kn.nn.outline, one is enough
        once = array[tuple([slice(1 if stride == 0 else None) for stride in array.strides])]
        if once.size < array.size:
            return norm(once) * math.sqrt(array.size / once.size)
    array = abs(array) if array.dtype.kind == "c" else array
    largest = max(float(array.max()), -float(array.min())) if array.size else 0.0
    if not 0.0 < largest < math.inf:
        return largest
    flat, total = array.reshape(-1), 0.0
    for start in range(0, flat.size, 1 << 16):  # in blocks, so that a large array needs no large copy
        block = flat[start : start + (1 << 16)].astype(np.float64) / largest
        total += float(block @ block)
    return largest * math.sqrt(total)


# Classes of constants that are no more than their numbers.
PLAIN = frozenset(
    (np.ndarray, float, int, bool, np.float64, np.float32, np.float16, np.int64, np.int32, np.bool_, type(None))
)


def is_more(x):
    """Whether `x` is more than its numbers: masked, labelled, with operators of its own (pandas, xarray, PyTorch)."""
    if x.__class__ in PLAIN or isinstance(x, (np.generic, np.memmap)):
        return False
    if isinstance(x, np.ndarray):
        return True
    own_way = hasattr(x, "__array_ufunc__") or hasattr(x, "__array_wrap__")
    return own_way and not hasattr(x, "__cuda_array_interface__")


def refuse_more(name, operands):
    """Raise for an operand of the op `name` that is more than its numbers, which a derivative would lose."""
    for x in operands:
        if is_more(x):
            raise TypeError(
                f"{name}: an operand is a {type(x).__module__}.{type(x).__qualname__}, whose mask, labels or own "
                "operators would get lost; pass a plain array, such as np.asarray(...) of it"
            )


def size_of(n: float) -> str:
    """A number of bytes for reading.

    >>> size_of(1536)
    '1.5 KiB'
    """
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if n < 1024:
            return f"{n:.0f} {unit}" if unit == "bytes" else f"{n:.1f} {unit}"
        n /= 1024
    return f"{n:,.1f} TiB"
