"""The conventions of complex numbers: what leaves and enters a transform is PyTorch's, losses are real."""

import copy
import warnings

import numpy as np
import pytest

import knetpy as kn
from knetpy import grad, param

A = np.array([0.5 - 1j, 2 + 0.25j, -1.5 + 0.75j])
Z = np.array([1 + 2j, -0.5 + 1j, 0.25 - 0.75j])
V = np.array([0.5 + 0.25j, 1 - 2j, -1 + 1j])


def loss(z):
    """Not analytic, and neither is its gradient."""
    return np.sum(np.abs(z) ** 4) + np.sum(np.real(A.astype(z.dtype) * z * z)) + np.sum(np.imag(z) * np.real(np.exp(z)))


def by_parts(f, x):
    """The gradient by the real part plus i times that by the imaginary part."""
    a, b = grad(lambda a, b: f(a + 1j * b), (0, 1))(np.real(x), np.imag(x))
    return a + 1j * b


def test_the_gradient_is_that_by_real_plus_i_times_that_by_imaginary_parts():
    g = grad(loss, 0)(Z)
    assert (g.dtype, g.shape) == (np.complex128, (3,))
    np.testing.assert_allclose(g, by_parts(loss, Z), rtol=1e-12)
    np.testing.assert_allclose(grad(lambda z: np.sum(np.real(A * z)), 0)(Z), np.conj(A))
    np.testing.assert_allclose(grad(lambda z: np.sum(np.abs(z) ** 2), 0)(Z), 2 * Z)
    assert grad(np.abs)(3 + 4j) == 0.6 + 0.8j and type(grad(np.abs)(3 + 4j)) is np.complex128
    assert grad(np.abs)(0j) == grad(np.angle)(0j) == 0


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_params_may_be_complex(dtype):
    z = param(Z.astype(dtype))
    g = grad(lambda: loss(z))()
    assert g[z].dtype == dtype and str(np.dtype(dtype)) in str(g)
    np.testing.assert_allclose(g[z], grad(loss, 0)(Z), rtol=1e-5)
    assert g[z].flags.owndata and g[z].flags.writeable
    J = kn.tape(lambda: loss(z))
    np.testing.assert_array_equal(J[z], g[z])
    assert "absolute" in repr(J)
    assert param(2j).dtype == param([1j, 2]).dtype == param([1.0], dtype="c8").dtype == np.complex64
    assert type(z.real) is np.ndarray and np.array_equal(z.imag, Z.imag)
    assert f"norm={np.linalg.norm(Z):.4g}" in repr(z)


def test_real_operands_of_complex_functions_get_real_cotangents():
    x, w = np.array([1.0, 2.0, 3.0], "f4"), np.array(0.5)
    for f in (lambda x, w: np.sum(np.imag(x * Z * w)), lambda x, w: np.abs(np.vdot(Z, x + w))):
        gx, gw = grad(f, (0, 1))(x, w)
        assert gx.dtype == np.float32 and gw.dtype == np.float64
        np.testing.assert_allclose(gx, grad(f, 0)(x.astype(float), w), rtol=1e-6)
    assert grad(lambda x: np.abs(x * np.complex64(1j)))(np.float32(2)).dtype == np.float32
    found = grad(lambda x, z: np.sum(np.abs(x * z)), 1)(x, Z.astype("c8"))
    assert found.dtype == np.complex64


SECOND = {
    "reverse of reverse": lambda f, z, v: grad(lambda z: np.real(np.vdot(v, grad(f, 0)(z))), 0)(z),
    "forward of reverse": lambda f, z, v: kn.hvp(f, (z,), (v,))[0],
    "reverse of forward": lambda f, z, v: grad(lambda z: kn.jvp(f, (z,), (v,))[1], 0)(z),
    "pullbacks": lambda f, z, v: kn.vjp(lambda z: kn.vjp(f, z)[1](1.0)[0], z)[1](v)[0],
}


@pytest.mark.parametrize("mode", SECOND)
def test_second_derivatives(mode):
    """The Hessian by real and imaginary parts, times v, as a complex number."""
    parts = np.stack([Z.real, Z.imag])
    _, expected = kn.jvp(grad(lambda p: loss(p[0] + 1j * p[1]), 0), (parts,), (np.stack([V.real, V.imag]),))
    np.testing.assert_allclose(SECOND[mode](loss, Z, V), expected[0] + 1j * expected[1], rtol=1e-10)
    z = param(Z)
    assert np.allclose(kn.hvp(lambda: loss(z), (), {z: V})[z], expected[0] + 1j * expected[1])
    np.testing.assert_allclose(SECOND[mode](kn.checkpoint(loss), Z, V), expected[0] + 1j * expected[1], rtol=1e-10)


def test_products_with_derivatives():
    y, t = kn.jvp(lambda z: A * z, (Z,), (V,))
    np.testing.assert_allclose(t, A * V)
    np.testing.assert_allclose(kn.jvp(np.conj, (Z,), (V,))[1], np.conj(V))
    y, pullback = kn.vjp(lambda z: A * z, Z)
    np.testing.assert_allclose(pullback(V)[0], np.conj(A) * V)
    np.testing.assert_allclose(pullback(np.ones(3))[0], np.conj(A))
    np.testing.assert_allclose(kn.vjp(np.conj, Z)[1](V)[0], np.conj(V))
    assert kn.vjp(lambda x: x * A, np.ones(3))[1](V)[0].dtype == np.float64
    with pytest.raises(kn.DtypeError, match=r"must have dtype float64, got complex128"):
        kn.vjp(np.abs, Z)[1](V)
    value, tangent = kn.jvp(lambda x: (x, 2j), (1.0,), (1.0,))
    assert tangent == (1, 0) and type(tangent[1]) is np.complex128


@pytest.mark.parametrize("mode", ["forward", "reverse", None])
def test_jacobians(mode):
    def jacobian(f, x):
        return kn.jacobian(f, mode=mode)(x)

    np.testing.assert_allclose(jacobian(np.exp, Z), np.diag(np.exp(Z)))
    np.testing.assert_allclose(jacobian(lambda z: (A * z)[:2], Z), np.diag(A)[:2])
    np.testing.assert_allclose(jacobian(loss, Z), grad(loss, 0)(Z))
    np.testing.assert_allclose(jacobian(np.abs, Z), np.diag(Z / np.abs(Z)))
    x = np.array([0.5, 1.0, 2.0], "f4")
    found = jacobian(lambda x: np.exp(1j * x), x)
    assert found.dtype == np.complex64
    np.testing.assert_allclose(found, np.diag(1j * np.exp(1j * x)), rtol=1e-6)
    for f in (np.conj, lambda z: z * np.abs(z)):
        with pytest.raises(kn.DerivativeError, match="analytic.*kn.jvp"):
            jacobian(f, Z)
    assert np.isclose(kn.hessian(lambda z: np.abs(z) ** 2)(1 + 2j), 2)
    with pytest.raises(kn.DerivativeError, match="analytic"):
        kn.hessian(lambda z: np.real(z**3))(1 + 2j)
    assert jacobian(np.exp, np.zeros(0, complex)).shape == (0, 0)


def test_gradcheck_takes_complex_numbers():
    z = param(Z.astype("c8"))
    assert kn.gradcheck(loss, Z)
    assert kn.gradcheck(lambda x, z: x * z["z"][0] * np.conj(z["z"][1]), 0.5, {"z": [1j, Z]})
    assert kn.gradcheck(lambda: z * np.abs(z))
    wrong = kn.primitive(lambda z: np.conj(z), name="mirrored", z=lambda dy: dy)
    with pytest.raises(kn.check.GradcheckError, match="imaginary part of argument 0, element .* mirrored is wrong by"):
        kn.gradcheck(wrong, Z)


def test_kernels_of_our_own_refuse_complex_numbers():
    w = param(Z.reshape(1, 3))
    for f in (kn.relu, kn.softmax, kn.sigmoid, lambda w: kn.conv(w, w), kn.layernorm):
        with pytest.raises(kn.DtypeError, match="complex128"):
            grad(lambda f=f: np.sum(np.abs(f(w))))()


def test_functions_of_real_numbers_refuse_complex_ones():
    points = np.array([0.0, 1.0])
    for name, f in {
        "np.interp": lambda z: np.interp(z, points, points).sum(),
        "bincount": lambda z: np.bincount([0, 1, 1], z).sum(),
        "logaddexp": lambda z: np.logaddexp(z, z).sum(),
    }.items():
        with pytest.raises(TypeError, match=f"{name}.*complex128|{name}.*not supported"):
            grad(lambda z, f=f: np.real(f(z)), 0)(Z)


def test_optimizers_refuse_complex_params():
    z = param(Z)
    g = grad(lambda: loss(z))()
    with pytest.raises(kn.DtypeError, match="complex128.*real and its imaginary part as two Params"):
        kn.update(z, g, kn.SGD(0.1))
    assert np.array_equal(z.value, Z)
    z -= 0.01 * g[z]
    assert loss(z) < loss(Z)


def test_complex_params_are_copied_and_saved(tmp_path):
    z = param(Z.astype("c8"))
    assert np.array_equal(copy.deepcopy(z).value, z.value)
    kn.save(tmp_path / "z", {"z": z})
    again = kn.load(tmp_path / "z")["z"]
    assert isinstance(again, kn.Param) and again.dtype == np.complex64 and np.array_equal(again.value, z.value)
    with pytest.raises(kn.DtypeError, match="complex128"):
        kn.save(tmp_path / "z", {"z": param(Z)})


def test_double_precision_warns_once():
    w = param([1.0, 2.0, 3.0])
    with pytest.warns(UserWarning, match=r"a float32 Param .* meets complex128.*x.astype\(np.complex64\)"):
        g = grad(lambda: np.sum(np.abs(w * Z * w)))()
    assert g[w].dtype == np.float32
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert grad(lambda: np.sum(np.abs(np.fft.fft(w * 1j))))()[w].dtype == np.float32
