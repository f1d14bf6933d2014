"""Steps of optimizers: the compiled formula gives the reference's bits, whatever arrays, dtypes, vectors, threads."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import knetpy as kn
from knetpy.kernels.reference import optim as reference
from tests.kernels.backends import WHY_NOT, same_everywhere

if WHY_NOT:
    pytest.skip(WHY_NOT, allow_module_level=True)

from knetpy.kernels import formula as formulas
from knetpy.kernels.cpu import optim as cpu
from knetpy.kernels.cpu.codegen.formula import compiled
from knetpy.kernels.cpu.codegen.vectors import BITS

ADAM, SGD = kn.Adam.formula, kn.SGD.formula
ADAM_NUMBERS = kn.Adam().numbers(3)


def everything(a, b, c, x):
    """Every instruction once, and constants."""
    big, small = np.maximum(a, b), np.minimum(a * 2, 0.5 - b)
    rest = np.sign(a) + np.abs(b) - np.square(c) / (1 - -x)
    return big * rest, small + np.sqrt(c)


def drawn(seed, shapes, state, dtype):
    """Rows (w, g, *state); what is a second moment must not be negative."""
    rng = np.random.default_rng(seed)
    return [tuple(np.array(abs(rng.standard_normal(s)), dtype) for _ in range(2 + state)) for s in shapes]


def copies(rows):
    return [tuple(array.copy() for array in row) for row in rows]


def equal(some, others):
    return all(a.tobytes() == b.tobytes() for row, other in zip(some, others) for a, b in zip(row, other))


def both(rows, numbers, formula):
    """What the kernel and what the reference make of the same rows."""
    ours, theirs = copies(rows), copies(rows)
    with np.errstate(all="ignore"):
        cpu.step(rows[0][0], ours, numbers, formula)
        reference.step(rows[0][0], theirs, numbers, formula)
    return ours, theirs


def test_by_hand():
    w, g = np.array([1.0, 2.0], np.float32), np.array([4.0, -4.0], np.float32)
    cpu.step(w, [(w, g)], [(0.25,)], SGD)
    assert w.tolist() == [0.0, 3.0] and g.tolist() == [4.0, -4.0]
    w, m, v = (np.array([x], np.float64) for x in (5, 2, 7))
    cpu.step(w, [(w, np.array([3.0]), m, v)], [(0.5, 0.25, 8.0, 2.0, 0.5)], ADAM)
    assert (m.item(), v.item()) == (2.5, 7.5) and w.item() == 5 - 8 * 2.5 / (np.sqrt(7.5) * 2 + 0.5)


@given(
    st.lists(st.sampled_from([(), (0,), (1,), (3, 5), (16,), (17,), (2, 31), (400,)]), min_size=1, max_size=4),
    st.sampled_from("fde"),
    st.sampled_from([ADAM, SGD]),
    st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_equals_the_reference_to_the_bit(shapes, dtype, formula, seed):
    values = ADAM_NUMBERS if formula is ADAM else (0.1,)
    rows = drawn(seed, shapes, 2 if formula is ADAM else 0, dtype)
    ours, theirs = both(rows, [values[:-1] + (n * 0.1,) for n in range(len(rows))], formula)
    assert equal(ours, theirs) and ours[0][0].dtype == dtype


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("bits", [128, 256, 512])
def test_every_instruction_on_special_values(dtype, bits, monkeypatch):
    values = np.array([0, 1, -2, 3.5, np.inf, -np.inf, np.nan, 1e-40, 1e30], dtype)
    a, b, c = (x.ravel() for x in np.meshgrid(values, values, values))
    if bits > BITS:
        pytest.skip("this machine has no such vectors")
    monkeypatch.setattr(
        cpu, "_routine", lambda f, *_: compiled(formulas.record(f, 4, 2), 3, np.dtype(dtype).char, bits)
    )
    ours, theirs = both([(a, b, c)], [(0.3,)], everything)
    for x, y in zip(ours[0], theirs[0]):
        np.testing.assert_array_equal(x, y)


def test_gradients_and_arrays_as_they_lie():
    rows = drawn(0, [(4, 6), (4, 6)], 2, "f4")
    expected = both(rows, [ADAM_NUMBERS] * 2, ADAM)[1]
    for change in (np.asfortranarray, lambda g: np.repeat(g, 2, axis=1)[:, ::2], read_only, unaligned):
        ours = [(w, change(g), *state) for w, g, *state in copies(rows)]
        cpu.step(ours[0][0], ours, [ADAM_NUMBERS] * 2, ADAM)
        assert all((a == b).all() for row, other in zip(ours, expected) for a, b in zip(row, other))
    for change in (np.asfortranarray, unaligned, swapped):
        ours = [tuple(map(change, row)) for row in copies(rows)]
        cpu.step(ours[0][0], ours, [ADAM_NUMBERS] * 2, ADAM)
        assert all((a == b).all() for row, other in zip(ours, expected) for a, b in zip(row, other))


def read_only(array):
    array.flags.writeable = False
    return array


def unaligned(array):
    memory = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    memory[...] = array
    return memory


def swapped(array):
    return array.astype(array.dtype.newbyteorder())


def test_threads_do_not_change_a_bit(monkeypatch):
    monkeypatch.setattr(cpu, "FEW", 0)
    rows = drawn(1, [(40_000,), (3,), (16_384,)], 2, "f4")
    ours, theirs = same_everywhere(lambda: both(rows, [ADAM_NUMBERS] * 3, ADAM), (1, 2, 3))
    assert equal(ours, theirs)


def test_many_python_threads():
    rows = drawn(2, [(1000,)], 2, "f4")
    expected = both(rows, [ADAM_NUMBERS], ADAM)[1]

    def work(_):
        ours = copies(rows)
        cpu.step(ours[0][0], ours, [ADAM_NUMBERS], ADAM)
        return equal(ours, expected)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(100)))


def test_one_signature_and_one_routine_for_each_formula():
    for dtype in "fd":
        rows = drawn(0, [(5,)], 2, dtype)
        for numbers in ([ADAM_NUMBERS], [tuple(reversed(ADAM_NUMBERS))]):
            both(rows, numbers, ADAM)
        both(drawn(0, [(5,)], 0, dtype), [(1,)], SGD)
    assert len(cpu._run.signatures) == 1


def test_what_has_no_vector_code_is_left_to_the_reference():
    def exponential(w, g, lr):
        return (w * np.exp(-lr * g),)

    def in_float64(w, g, lr):
        return (w - np.float64(lr) * g if isinstance(lr, np.generic) else w * np.float64(2),)

    def constant(w, g, lr):
        return (1.0,)

    for formula in (exponential, in_float64, constant):
        ours, theirs = both(drawn(0, [(5,)], 0, "f4"), [(0.5,)], formula)
        assert equal(ours, theirs)
        assert any(formula.__qualname__ in why for why in cpu.step.declined)
    with pytest.raises(ValueError):
        both(drawn(0, [(5,)], 1, "f4"), [(0.5,)], lambda w, g, s, lr: (w,))


def test_a_formula_is_recorded_as_it_stands():
    found = formulas.record(SGD, 3, 1)
    assert found.instructions == (("multiply", 2, 1), ("subtract", 0, 3)) and found.results == (4,)
    assert formulas.record(lambda x: (0.5 * x + 1,), 1, 1).instructions == (("multiply", 0.5, 0), ("add", 1, 1.0))
