"""Bad use of the core is refused with the facts: names, shapes, dtypes and what to write instead."""

import threading

import numpy as np
import pytest

import knetpy as kn
from knetpy import grad, param

X = np.array([1.0, 2.0, 3.0])


def says(failure, *facts):
    text = str(failure.value)
    for fact in facts:
        assert fact in text, f"{fact!r} is not in {text!r}"


def refused(kind, f, *facts):
    with pytest.raises(kind) as failure:
        f()
    says(failure, *facts)
    assert kn.core.trace.active() == () and X.flags.writeable
    return failure


def model(x):
    return x * 2


def test_the_loss_must_be_a_real_scalar():
    refused(kn.DerivativeError, lambda: grad(model)(X), "model", "(3,)", "np.sum", "jacobian")
    refused(kn.DerivativeError, lambda: grad(lambda x: (np.sum(x), x))(X), "tuple", "has_aux=True")
    refused(kn.DerivativeError, lambda: grad(lambda x: None)(X), "None", "return")
    refused(kn.DerivativeError, lambda: grad(lambda x: 3)(X), "3", "int")
    refused(kn.DtypeError, lambda: grad(lambda x: np.argmax(x))(X), "int64")
    refused(kn.DtypeError, lambda: grad(lambda x: np.complex128(2j))(X), "complex128", "np.abs")
    refused(kn.DtypeError, lambda: grad(lambda x: 2j)(X), "complex128", "np.real")
    refused(kn.DtypeError, lambda: grad(lambda x: np.sum(x * 1j))(X), "complex128", "np.real")
    refused(kn.DerivativeError, lambda: grad(lambda x: np.sum(x), 0, has_aux=True)(X), "pair", "has_aux")
    w = param(X)
    refused(kn.DerivativeError, lambda: grad(lambda: w * 2)(), "(3,)")


def test_what_cannot_be_differentiated_by():
    refused(kn.DtypeError, lambda: grad(lambda x: np.sum(x))(np.arange(3)), "int64", ".astype(np.float32)")
    refused(kn.DtypeError, lambda: grad(lambda d: 1.0)({"a": X, "b": np.arange(3)}), "['b']", "int64")
    refused(kn.DtypeError, lambda: grad(lambda x: 1.0)(np.ones(2, bool)), "bool")
    refused(kn.DerivativeError, lambda: grad(lambda x: 1.0)("text"), "str", "touched no param")
    refused(kn.DerivativeError, lambda: grad(lambda: 1.0)(), "touched no param")
    refused(kn.DtypeError, lambda: param(np.arange(3)), "int64", ".astype(np.float32)")
    refused(kn.DtypeError, lambda: param(True), "bool")
    refused(kn.DtypeError, lambda: param(3, 2, dtype=int), "int64")
    refused(kn.DtypeError, lambda: param(2j, dtype=np.float32), "float32", "np.real")
    refused(TypeError, lambda: param(), "param(784, 10)")
    refused(TypeError, lambda: param((3, 2)), "param(3, 2)", "[3, 2]")
    refused(kn.ShapeError, lambda: param(3, -1), "(3, -1)")
    refused(TypeError, lambda: grad(lambda x: np.sum(x * param(x)), 0)(X), "kn.value")


def test_the_arguments_of_transforms():
    refused(TypeError, lambda: grad(3), "int", "grad(f)(x)")
    refused(TypeError, lambda: grad(np.sum, X, X), "grad(sum)(x, y)")
    refused(TypeError, lambda: grad(np.sum, X), "grad(sum)(x, y)")
    refused(TypeError, lambda: grad(np.sum, True), "grad(sum)(x, y)")
    refused(TypeError, lambda: kn.value_and_grad(np.sum, "x"), "value_and_grad(sum)(x, y)")
    refused(TypeError, lambda: grad(model, 1)(X), "argnums 1", "model", "1 positional")
    refused(TypeError, lambda: grad(model, (0, -1))(X), "twice")
    for transform in (kn.vjp, kn.tape, kn.jacobian, kn.hessian, kn.checkpoint, kn.model):
        refused(TypeError, lambda t=transform: t(3), "int")
    refused(TypeError, lambda: kn.jvp(model, X, X), "tuples", "(x,)")
    refused(kn.ShapeError, lambda: kn.jvp(model, (X,), (np.ones(2),)), "(2,)", "(3,)")
    refused(TypeError, lambda: kn.jvp(model, ([X],), ({"a": X},)), "list", "dict")
    refused(ValueError, lambda: kn.jacobian(model, mode="sideways"), "sideways", "forward")
    pullback = kn.vjp(model, X.copy())[1]
    refused(kn.ShapeError, lambda: pullback(np.ones(2)), "(2,)", "(3,)")
    refused(kn.DtypeError, lambda: pullback(np.ones(3) * 1j), "complex")


def test_gradients_that_were_mistaken_for_something_else():
    w, other = param(X), param(np.ones((2, 2)))
    g = grad(lambda: np.sum(w))()
    for wrong in (lambda: g(X), lambda: g * 2, lambda: X - g, lambda: -g, lambda: grad(g), lambda: np.asarray(g)):
        refused(kn.DerivativeError, wrong, "overwritten", "1 params", "grad(f, 0)")
    refused(KeyError, lambda: g[other], "(2, 2)", "never touched", "w (3,)")
    refused(KeyError, lambda: g["w"], "'w'")
    refused(KeyError, lambda: kn.hvp(lambda: np.sum(w * w), (), {other: np.ones((2, 2))}), "(2, 2)")


def test_values_that_escaped():
    kept = []
    grad(lambda x: kept.append(x * 2) or np.sum(x), 0)(X)
    for use in (
        lambda: kept[0] + 1,
        lambda: np.sin(kept[0]),
        lambda: kept[0][0],
        lambda: np.sum(kept[0]),
        lambda: np.sort(kept[0]),
        lambda: np.floor(kept[0]),
        lambda: kept[0] > 1,
        lambda: float(kept[0][0]),
        lambda: grad(lambda x: np.sum(x * kept[0]), 0)(X),
        lambda: kn.jvp(lambda x: x * kept[0], (X,), (X,)),
    ):
        refused(kn.EscapeError, use, "(3,)", "return it", "kn.value")
    assert np.array_equal(kn.value(kept[0]), 2 * X), "taking the bare array on purpose is fine"


def test_a_value_used_by_another_thread():
    failures = []

    def loss(x):
        def work():
            try:
                np.sin(x)
            except kn.EscapeError as failure:
                failures.append(str(failure))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return np.sum(x)

    grad(loss, 0)(X)
    assert len(failures) == 1 and "thread" in failures[0]


def test_cutting_the_derivative_by_accident():
    def f(spell):
        return lambda: grad(lambda x: spell(x) * 1.0, 0)(X)

    refused(kn.DerivativeError, f(lambda x: float(x[0])), "float(...)", "kn.value")
    refused(kn.DerivativeError, f(lambda x: int(x[0])), "int(...)", "kn.value")
    refused(kn.DerivativeError, f(lambda x: np.asarray(x)), "np.asarray", "(3,)")
    refused(kn.DerivativeError, f(lambda x: np.array([x[0], x[1]])), "kn.array([a, b])")
    refused(kn.DerivativeError, f(lambda x: x.tolist()), "tolist")
    refused(kn.DerivativeError, f(lambda x: x[0].item()), "item")
    refused(kn.DerivativeError, f(lambda x: range(3)[x[0]]), "index")
    w = param(X)
    refused(kn.DerivativeError, lambda: grad(lambda: float(w[0]) * np.sum(w))(), "float(...)")
    refused(kn.DerivativeError, lambda: grad(lambda: np.sum(np.asarray(w)))(), "Param")


def test_numpy_functions_without_a_rule():
    refused(
        kn.DerivativeError, lambda: grad(lambda x: np.sum(np.packbits(x)), 0)(X), "np.packbits", "(3,)", "kn.primitive"
    )
    refused(kn.DerivativeError, lambda: grad(lambda x: np.packbits(x), 0)(np.eye(2)), "np.packbits", "(2, 2)")
    refused(kn.DerivativeError, lambda: grad(lambda x: np.add(x, 1, where=x > 1), 0)(X), "np.add", "where=")
    refused(AttributeError, lambda: grad(lambda x: x.nonsense, 0)(X), "nonsense")


def test_writing_in_place_inside():
    w = param(X)

    def assigned(x):
        x[0] = 1
        return np.sum(x)

    def into_plain(x):
        total = np.zeros(3)
        total += x
        return np.sum(total)

    def updated():
        nonlocal w
        y = np.sum(w * w)
        w += 1
        return y

    refused(kn.MutationError, lambda: grad(assigned, 0)(X), "np.where")
    refused(kn.MutationError, lambda: grad(into_plain, 0)(X), "array = array + r")
    refused(kn.MutationError, lambda: grad(lambda x: np.sin(x, out=x), 0)(X), "out=")
    refused(kn.MutationError, lambda: grad(lambda x: np.full_like(X, x[0]), 0)(X), "np.full_like", "np.broadcast_to")
    refused(kn.MutationError, lambda: grad(lambda x: x.sort(), 0)(X), "sort()")
    refused(kn.MutationError, lambda: grad(updated)(), "(3,)", "after the gradient")
    assert np.array_equal(w.value, X), "nothing was written"


def test_mutation_of_an_array_that_the_tape_needs_raises_at_the_guilty_line():
    def loss(x, a):
        y = np.sum(x * a)
        a[0] = 7  # guilty
        return y

    a = np.ones(3)
    failure = refused(ValueError, lambda: grad(loss, 0)(X, a), "read-only", "derivative")
    assert "guilty" in str(failure.traceback[-1].statement)
    assert a.flags.writeable and a[0] == 1
    rows = np.ones((2, 3))
    refused(ValueError, lambda: grad(lambda x: loss(x, rows[0]), 0)(X), "read-only")

    def through_the_owner(x):
        y = np.sum(x * rows[0])
        rows[1] = 7
        return y

    refused(ValueError, lambda: grad(through_the_owner, 0)(X), "read-only")
    assert rows.flags.writeable and rows[0].flags.writeable
    key = np.array([0, 1])

    def index_changed(x):
        y = np.sum(x[key])
        key[0] = 2
        return y

    refused(ValueError, lambda: grad(index_changed, 0)(X), "read-only")
    owned = np.ones(3)
    owned.flags.writeable = False
    grad(lambda x: np.sum(x * owned), 0)(X)
    assert not owned.flags.writeable, "the user's own lock stays"


def test_an_array_that_several_tapes_keep_stays_locked_until_the_last_ends():
    a = np.ones(3)
    view = a[1:]
    _, first = kn.vjp(lambda x: x * a, X.copy())
    _, second = kn.vjp(lambda x: x * a[:2].sum() * a, X.copy())
    _, third = kn.vjp(lambda x: x * view, np.ones(2))
    del first
    assert not a.flags.writeable
    del second
    assert not a.flags.writeable and not view.flags.writeable
    del third
    assert a.flags.writeable and view.flags.writeable


def test_a_view_is_unlocked_with_its_owner():
    a = np.ones(3)
    view = a[:2]
    _, keeps_view = kn.vjp(lambda x: x * view, np.ones(2))
    _, keeps_owner = kn.vjp(lambda x: x * a, X.copy())
    del keeps_view
    assert not a.flags.writeable
    del keeps_owner
    assert a.flags.writeable and view.flags.writeable


def test_a_param_changed_while_its_tape_lives():
    weights = param(X)
    _, pullback = kn.vjp(lambda x: x * weights, X.copy())
    weights += 1
    refused(kn.MutationError, lambda: pullback(X), "weights", "(3,)", "changed")


def test_shapes_that_do_not_fit_name_both():
    w = param(np.ones((3, 2)))
    refused(kn.ShapeError, lambda: grad(lambda x: np.sum(x + w))(np.ones((2, 5))), "add", "(2, 5)", "(3, 2)")
    refused(kn.ShapeError, lambda: grad(lambda x: np.sum(x @ w))(np.ones((2, 5))), "(2, 5)", "(3, 2)", "5", "3")


def test_a_params_value_cannot_be_replaced():
    p = param(X)

    def replace():
        p.value = X * 2

    refused(kn.MutationError, replace, "p[...] =")
    p[...] = X * 2
    assert np.array_equal(p.value, X * 2)


def test_habits_of_other_libraries():
    p = param(X)
    refused(TypeError, lambda: kn.Adam([p], lr=1e-3), "update or minimize", "kn.Adam(lr=")
    refused(TypeError, lambda: kn.jacobian(np.sin, X), "jacobian(sin)(x, y)")
    refused(TypeError, lambda: kn.jacobian(np.sin, 0, X), "jacobian(sin)(x, y)")
    refused(TypeError, lambda: kn.hessian(np.sum, X), "hessian(sum)(x, y)")
    refused(TypeError, lambda: param(2, 3, init="xavier"), "kn.init.kaiming_normal")
    refused(TypeError, lambda: param(2, 3, init=np.zeros), "dtype=")
    refused(kn.DtypeError, lambda: grad(lambda x: np.fft.fft(x)[0], 0)(X), "complex128", "np.real")
    refused(kn.DerivativeError, lambda: grad(lambda: np.sum(p))() * 0.5, "g[p] *= 0.5")
    image, w = np.ones((3, 8, 8), "f4"), np.ones((4, 3, 3, 3), "f4")
    refused(kn.ShapeError, lambda: kn.conv(image, w), "x[None]")
    refused(kn.ShapeError, lambda: kn.conv(np.ones((2, 8, 8, 3), "f4"), w), "np.moveaxis(x, -1, 1)")
    refused(ValueError, lambda: kn.conv(image[None], w, padding="full"), "same", "valid")
    refused(kn.DtypeError, lambda: kn.nll(np.array([0, 1]), np.ones((2, 3))), "nll(scores, labels)")
    refused(kn.ShapeError, lambda: kn.nll(np.ones((2, 3, 4)), np.zeros((2, 4), int)), "axis=1")
    assert "with kn.training(True)" in repr(kn.training(True))


def test_what_numpy_refuses_names_op_and_shape():
    x = np.ones((2, 3))
    refused(ValueError, lambda: grad(lambda x: np.sum(x.reshape(4)), 0)(x), "reshape", "(2, 3)", "(4,)")
    refused(IndexError, lambda: grad(lambda x: x[5, 0], 0)(x), "getitem", "(2, 3)", "5")
    refused(IndexError, lambda: grad(lambda x: np.sum(x[[0, 9]]), 0)(x), "getitem", "(2, 3)", "9")


def test_errors_inside_a_rule_name_op_and_line():
    bad = kn.primitive(lambda x: x * 1, name="bad", x=lambda dy: dy[:, None, None])
    with pytest.raises(kn.ShapeError) as failure:
        grad(lambda x: np.sum(bad(x)), 0)(X)  # here
    says(failure, "bad", "(3, 1, 1)", "(3,)")
    if hasattr(failure.value, "__notes__"):
        assert "bad" in failure.value.__notes__[0] and "test_errors.py" in failure.value.__notes__[0]


def test_an_exception_of_the_user_passes_unchanged():
    class Mine(Exception):
        pass

    def f(x):
        np.sin(x)
        raise Mine("text")

    for run in (lambda: grad(f)(X), lambda: kn.vjp(f, X), lambda: kn.jvp(f, (X,), (X,)), lambda: kn.tape(f, X)):
        failure = refused(Mine, run, "text")
        assert str(failure.value) == "text"
    assert not kn.training()


def test_operands_that_are_more_than_their_numbers():
    masked = np.ma.array(X, mask=[0, 1, 0])
    for f in (lambda x: x * masked, lambda x: x @ masked, lambda x: masked @ x, lambda x: np.where(x > 0, x, masked)):
        refused(TypeError, lambda f=f: kn.vjp(f, X), "numpy.ma.MaskedArray", "mask", "np.asarray")
        refused(TypeError, lambda f=f: kn.hvp(lambda x: np.sum(f(x)), (X,), (X,)), "numpy.ma.MaskedArray")
    refused(TypeError, lambda: grad(lambda x: np.sum(x + X.view(np.recarray)))(X), "recarray")
    assert (param(X) * masked).sum() == 10  # outside of transforms a Param is its array


def test_a_shape_error_is_told_once():
    """Without the kernel's own failure above it."""
    with pytest.raises(kn.ShapeError) as failure:
        np.ones((2, 3)) @ kn.param(2, 3)
    assert failure.value.__suppress_context__


def test_a_function_that_copies_a_value_into_a_plain_array_is_named():
    for name, f in {
        "np.full_like": lambda x: np.full_like(np.ones(2), x),
        "np.nan_to_num": lambda x: np.nan_to_num(np.ones(2), nan=x),
    }.items():
        with pytest.raises(kn.MutationError, match=f"np.copyto, which {name} of a plain array calls"):
            kn.grad(lambda x, f=f: np.sum(f(x)))(1.0)


def test_code_without_a_module_is_warned_too():
    code = "for value in kn.minimize(lambda x: np.sum(w * x), [np.float32(np.nan)], kn.SGD()):\n    pass"
    with pytest.warns(UserWarning, match="the loss is nan"):
        exec(code, {"kn": kn, "np": np, "w": kn.param(3)})


@pytest.mark.parametrize(
    "made, name",
    [
        (lambda x: np.polynomial.hermite.hermval(0.3, x), "np.polynomial.hermite.hermval"),
        (lambda x: np.polynomial.Polynomial(x), "np.polynomial.polynomial.Polynomial"),
        (lambda x: np.polynomial.Polynomial([1.0, 2.0])(x), "np.polynomial.polynomial.Polynomial"),
        (lambda x: np.ma.masked_array(x), "np.ma.MaskedArray"),
        (lambda x: np.linalg.norm([x]), "np.linalg.norm"),
        (lambda x: np.vander([x[0]]), "np.vander"),
    ],
)
def test_what_makes_a_plain_array_is_named(made, name):
    refused(kn.DerivativeError, lambda: grad(made, 0)(X), f"a plain array made by {name} of")
