"""check_nonfinite, and what params, gradients and tapes look like."""

import numpy as np
import pytest

import knetpy as kn
from knetpy import grad, param

X = np.array([1.0, 0.0, 4.0])


def test_first_nan_forward_names_op_and_line():
    with pytest.raises(kn.NonFiniteError) as failure, kn.check_nonfinite(), np.errstate(all="ignore"):
        grad(lambda x: np.sum(x / np.log(x)), 0)(X)  # log(0)
    text = str(failure.value)
    assert "log" in text and "test_watch.py" in text and "# log(0)" in text and "Inf" in text and "1 of 3" in text
    assert kn.core.trace.active() == ()


def test_first_inf_backward_names_op_and_line():
    def loss(x):
        y = np.sqrt(x)  # root
        return np.sum(y)

    with pytest.raises(kn.NonFiniteError) as failure, kn.check_nonfinite():
        grad(loss, 0)(X)
    text = str(failure.value)
    assert "derivative of sqrt" in text and "# root" in text and "Inf" in text and "1 of 3" in text
    with pytest.raises(kn.NonFiniteError, match="derivative of sum") as failure, kn.check_nonfinite():
        kn.vjp(lambda x: np.sum(x, axis=0), X.reshape(3, 1))[1](np.array([np.nan]))
    assert "operand 0 was not finite" in str(failure.value)


def test_operands_that_were_not_finite_to_begin_with_are_told():
    bad = np.array([1.0, np.nan, 1.0])
    with pytest.raises(kn.NonFiniteError, match="operand 1"), kn.check_nonfinite():
        grad(lambda x: np.sum(x * bad), 0)(X)


def test_operands_left_out_are_no_trouble():
    with pytest.raises(kn.NonFiniteError, match="norm"), kn.check_nonfinite():
        grad(lambda x: np.sum(kn.batchnorm(x)))(np.full((2, 3), np.nan))


def test_params_are_watched_and_finite_numbers_pass():
    w = param(X)
    with kn.check_nonfinite():
        assert np.array_equal(grad(lambda: np.sum(w * w))()[w], 2 * X)
        with pytest.raises(kn.NonFiniteError, match="divide"), np.errstate(all="ignore"):
            grad(lambda: np.sum(1 / w))()


def test_params_may_be_updated_while_watched():
    w = param(X)
    with kn.check_nonfinite():
        kn.update(w, grad(lambda: np.sum(w * w))(), kn.SGD(lr=0.5))
        w += 1
    assert np.array_equal(w.value, [1, 1, 1])


def test_long_tapes_are_shown_in_part():
    def loss(x):
        for _ in range(1000):
            x = x + 1.0
        return np.sum(x)

    text = repr(kn.tape(loss, X))
    w = param(X)
    J = kn.tape(lambda: loss(w))
    assert len(J.steps) == 1001 and len(repr(J).splitlines()) < 220 and "801 more steps" in repr(J)
    assert text.startswith("value")


def test_text():
    w, b = param(np.ones((2, 3), "f4")), param(np.zeros(3))
    assert repr(w) == "Param((2, 3), float32, norm=2.449)"
    g = grad(lambda x: np.sum(x @ w) + 0 * np.sum(b))(np.ones((1, 2), "f4"))
    lines = repr(g).splitlines()
    assert lines[0].split() == ["param", "shape", "dtype", "norm"]
    assert lines[1].split() == ["w", "(2,", "3)", "float32", "2.449"]
    J = kn.tape(lambda x: np.sum(x @ w), np.ones((1, 2), "f4"))
    text = repr(J)
    for fact in ("value 6.0", "matmul", "(1, 3)", "12", "test_watch.py", "w ", "sum"):
        assert fact in text
    assert repr(kn.grad(lambda x: np.sum(x), 0)(X)) == "array([1., 1., 1.])"
    assert repr(kn.tape(lambda: 1.0)).startswith("value 1.0")


def test_norms_do_not_overflow():
    norm = kn.core.value.norm
    assert norm(np.full(4, 3e4, np.float16)) == pytest.approx(6e4)
    assert norm(np.array([3e200, 4e200])) == pytest.approx(5e200)
    assert norm(np.zeros(0)) == 0 and norm(np.array([np.inf])) == np.inf and np.isnan(norm(np.array([1.0, np.nan])))
