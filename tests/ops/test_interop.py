"""What other libraries ask a value for: a namespace, its device, its memory."""

import array_api_compat as compat
import numpy as np
import pytest

import knetpy as kn


@pytest.fixture
def p():
    return kn.param([[1.0, 2.0], [3.0, 4.0]])


# ------------------------------------------------------------------------------------------------ the Array API


def standard(x, y):
    """Written for the Array API, as a function of any library's arrays."""
    xp = compat.array_namespace(x)
    assert compat.is_array_api_obj(x) and compat.size(x) == 4
    assert compat.to_device(x, compat.device(x)) is x
    x = xp.asarray(x, dtype=xp.float64)
    z = xp.exp(x) + xp.matmul(y, xp.permute_dims(x, (1, 0)))
    z = xp.concat([xp.where(z > 3, z, xp.zeros_like(z)), xp.asarray([x[0, :], x[1, :]])])
    assert xp.isdtype(z.dtype, "real floating")
    return xp.sum(xp.linalg.vector_norm(z, axis=-1) * xp.astype(xp.arange(1, 5), xp.float64))


def test_code_for_the_array_api_is_differentiable(p):
    y, x = np.ones((2, 2)), p.value.astype(np.float64)
    plain = standard(x, y)
    value, g = kn.value_and_grad(standard, 0)(x, y)
    assert value == plain == standard(kn.param(x), y)
    differences = [(standard(x + h, y) - standard(x - h, y)) / 2e-6 for h in 1e-6 * np.eye(4).reshape(4, 2, 2)]
    np.testing.assert_allclose(g.ravel(), differences, rtol=1e-7)
    np.testing.assert_allclose(kn.grad(standard)(p, y)[p], g, rtol=1e-5)


def test_the_namespace(p):
    xp = p.__array_namespace__(api_version="2023.12")
    assert xp is compat.array_namespace(p) and xp.exp is np.exp and "exp" in dir(xp)
    assert type(xp.asarray(p)) is np.ndarray and xp.asarray([1, 2], dtype=xp.float32).dtype == np.float32
    with pytest.raises(ValueError, match="1999"):
        p.__array_namespace__(api_version="1999")
    found = []
    kn.grad(lambda x: found.extend([xp.asarray(x) is x, xp.asarray(x, copy=True) is x]) or xp.sum(x), 0)(np.ones(2))
    assert found == [True, False]


def test_a_value_stays_on_its_device(p):
    assert p.to_device("cpu") is p
    with pytest.raises(kn.DeviceError, match=r"on cpu.*'cuda'.*kn\.gpu"):
        p.to_device("cuda")


# ------------------------------------------------------------------------------------------------ memory


class Old:
    """A library of before DLPack had versions."""

    def __init__(self, x):
        self.x = x

    def __dlpack__(self, **_):
        return self.x.__dlpack__()

    def __dlpack_device__(self):
        return self.x.__dlpack_device__()


@pytest.mark.parametrize("take", [np.from_dlpack, lambda p: np.from_dlpack(Old(p))], ids=["now", "before versions"])
def test_dlpack_gives_a_copy(p, take):
    array = take(p)
    assert array.tolist() == [[1, 2], [3, 4]] and not np.shares_memory(array, p.value)


def test_dlpack_gives_the_memory_when_asked(p):
    array = np.from_dlpack(p, copy=False)
    assert np.shares_memory(array, p.value) and not array.flags.writeable


def test_memory_of_what_is_differentiated_is_refused(p):
    for take in (np.from_dlpack, lambda x: x.__dlpack__()):
        for call in (lambda take=take: kn.vjp(take, np.ones(2)), lambda take=take: kn.grad(lambda: take(p).sum())()):
            with pytest.raises(kn.DerivativeError, match=r"__dlpack__.*outside of the transform.*kn\.value"):
                call()


def test_cuda_array_interface_is_of_a_gpu(p):
    assert not hasattr(p, "__cuda_array_interface__")
    with pytest.raises(AttributeError, match=r"only Params on a GPU.*kn\.value"):
        kn.vjp(lambda x: x.__cuda_array_interface__, np.ones(2))


def test_tensors_of_pytorch(p):
    torch = pytest.importorskip("torch")
    t = torch.from_dlpack(p)
    t += 1
    assert p.value.tolist() == [[1, 2], [3, 4]] and t.tolist() == [[2, 3], [4, 5]]
    q = kn.param(t)
    t += 1
    assert q.value.tolist() == [[2, 3], [4, 5]]
    with pytest.raises(TypeError, match="requires grad"):
        kn.param(t.requires_grad_())
    for call in (lambda x: x * t, lambda x: t * x, lambda x: np.where(t.detach() > 0, x, 0)):
        with pytest.raises(TypeError, match=r"torch\.Tensor.*np\.asarray"):
            kn.vjp(call, p.value.copy())
