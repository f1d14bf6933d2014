"""init_from, freeze and thaw, destructure, cast, count: what they do and what they refuse."""

import copy
import pickle

import numpy as np
import pytest

import knetpy as kn
from knetpy.nn import BatchNorm, Chain, Conv, Dense, Dropout, LayerNorm, WeightNorm, flatten

X = np.random.default_rng(0).normal(size=(5, 1, 6, 6)).astype("f4")
LABELS = np.array([0, 1, 1, 0, 1])


def lazy(**how):
    return Chain(Conv(2, 3), BatchNorm(kn.relu, **how), Dropout(0.5, **how), flatten, Dense(2))


def sized():
    return kn.nn.init_from(lazy(), X)


def loss(model):
    return lambda: kn.nll(model(flatten(X) if isinstance(model[0], Dense) else X), LABELS)


# ---------------------------------------------------------------------------------------------------- init_from


@pytest.mark.parametrize("how", [{}, {"active": True}])
def test_init_from_changes_nothing_but_the_sizes(how):
    kn.seed(3)
    model = lazy(**how)
    assert kn.nn.init_from(model, X) is model
    assert kn.random.state() == {"seed": 3, "calls": [2, 0, 0, 0]}
    assert model[1].moments.mean is None and model[1].moments.count == 0
    assert [p.shape for p in kn.params(model)] == [(2, 1, 3, 3), (2,), (2,), (2,), (32, 2), (2,)]
    values = [p.value.copy() for p in kn.params(model)]
    kn.nn.init_from(model, X)
    assert all((a == p.value).all() for a, p in zip(values, kn.params(model)))


def test_init_from_gives_what_a_first_call_gives():
    kn.seed(4)
    first = kn.nn.init_from(lazy(), X)
    kn.seed(4)
    second = lazy()
    second(X)
    assert all((a.value == b.value).all() for a, b in zip(kn.params(first), kn.params(second), strict=True))


def test_a_failed_init_from_leaves_the_layers_unsized():
    model = Chain(Conv(2, 3), Dense(5, 2))
    with pytest.raises(kn.ShapeError, match="Dense"):
        kn.nn.init_from(model, X)
    assert model[0].weight is None and len(kn.params(model)) == 2


def test_init_from_a_single_vector():
    assert kn.nn.init_from(Dense(3), X[0, 0, 0]).weight.shape == (6, 3)
    assert kn.nn.init_from(kn.nn.GRUCell(3), X[0, 0, 0]).weights[0].wx.shape == (6, 9)


@pytest.mark.parametrize("inputs", [(), ((3, 4),), (None,), (3.0,), (np.float32(3),)])
def test_init_from_wants_arrays(inputs):
    with pytest.raises(TypeError, match="init_from: the inputs must be arrays"):
        kn.nn.init_from(Dense(3), *inputs)


@pytest.mark.parametrize("model", [Dense, None, 3])
def test_init_from_wants_a_model(model):
    with pytest.raises(TypeError, match="init_from: model must be"):
        kn.nn.init_from(model, X)


# ----------------------------------------------------------------------------------------------- freeze and thaw


def test_gradients_of_frozen_params_are_not_computed():
    model = Chain(Dense(36, 4, kn.relu), Dense(4, 2))
    kn.nn.freeze(model[0])
    g, record = kn.grad(loss(model))(), kn.tape(loss(model))
    assert list(g) == [model[1].weight, model[1].bias] and not g.unused
    assert model[0].weight not in g
    with pytest.raises(KeyError, match="frozen.*kn.nn.thaw"):
        g[model[0].weight]
    with pytest.raises(KeyError, match="frozen"):
        g[model]
    before = len(record.steps)
    kn.nn.thaw(model)
    assert len(kn.grad(loss(model))()) == 4 and len(kn.tape(loss(model)).steps) > before


def test_the_others_have_the_gradients_that_they_had():
    model = Chain(Dense(36, 4, kn.relu), LayerNorm(4), Dense(4, 2))
    g = kn.grad(loss(model))()
    kn.nn.freeze(model[1], model[2].bias)
    frozen = kn.grad(loss(model))()
    assert len(frozen) == 3 and all((frozen[p] == g[p]).all() for p in frozen)


def test_an_optimizer_leaves_frozen_params_and_what_it_remembers_of_them_alone():
    model, opt = Chain(Dense(36, 4, kn.relu), Dense(4, 2)), kn.AdamW(weight_decay=0.1)
    list(kn.minimize(loss(model), [()] * 2, opt))
    p = model[0].weight
    value, remembered = p.value.copy(), [a.copy() for a in opt.states[p.uid].arrays]
    kn.nn.freeze(p)
    list(kn.minimize(loss(model), [()] * 2, opt))
    list(kn.minimize(loss(model), [()] * 2, opt, params=model))
    kn.update(model, kn.grad(loss(model))(), opt)
    assert (p.value == value).all() and opt.states[p.uid].t == 2
    assert all((a == b).all() for a, b in zip(opt.states[p.uid].arrays, remembered))
    kn.nn.thaw(p)
    list(kn.minimize(loss(model), [()], opt))
    assert (p.value != value).any() and opt.states[p.uid].t == 3


def test_gradients_taken_before_the_freeze_do_not_reach_them():
    p = kn.param([1.0, 2.0])
    g = kn.grad(lambda: (p * p).sum())()
    kn.nn.freeze(p)
    with pytest.raises(ValueError, match="update: all params are frozen"):
        kn.update(p, g, kn.SGD())
    q = kn.param([3.0])
    kn.update([p, q], [np.ones(2, "f4"), np.ones(1, "f4")], kn.SGD(lr=1.0))
    assert p.value.tolist() == [1, 2] and q.value.tolist() == [2]


def test_a_model_that_is_frozen_altogether():
    model = Chain(Dense(36, 2))
    kn.nn.freeze(model)
    assert len(kn.grad(loss(model))()) == 0
    with pytest.raises(ValueError, match="all params are frozen.*thaw"):
        list(kn.minimize(loss(model), [()]))


def test_derivatives_by_arguments_and_of_higher_order_go_through_frozen_layers():
    layer = kn.nn.cast(Dense(3, 2, np.tanh), np.float64)
    kn.nn.freeze(layer.weight)
    x = np.array([[0.5, -1.0, 2.0]])
    assert kn.gradcheck(lambda x: layer(x).sum(), x, order=2)
    assert (kn.jacobian(layer)(x) != 0).any()
    with pytest.raises(KeyError, match="frozen"):
        kn.hvp(lambda: np.sum(layer(x) ** 2), (), {layer.weight: np.ones((3, 2))})


def test_a_frozen_param_that_was_changed_is_noticed():
    p = kn.param([2.0])
    kn.nn.freeze(p)
    _, pull = kn.vjp(lambda x: x * p, np.ones(1, "f4"))
    p[...] = 3
    with pytest.raises(kn.MutationError):
        pull(np.ones(1, "f4"))


def test_copies_of_frozen_params_are_frozen():
    layer = Dense(3, 2)
    kn.nn.freeze(layer.bias)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), kn.nn.cast(layer, np.float64)):
        assert (other.weight.frozen, other.bias.frozen) == (False, True)


def test_printing_tells_what_is_frozen():
    model = Chain(Dense(3, 2), Dense(2, 2))
    kn.nn.freeze(model[0], model[1].bias)
    lines = repr(model).splitlines()
    assert lines[1].endswith("8 parameters, frozen") and lines[2].endswith("6 parameters, 2 frozen")
    assert lines[3] == ")  # 4 arrays, 14 parameters, 10 frozen, 56 bytes" and repr(model[0].bias).endswith(", frozen)")


@pytest.mark.parametrize("f", [kn.nn.freeze, kn.nn.thaw])
def test_what_cannot_be_frozen(f):
    name, p = f.__name__, kn.param([1.0])
    with pytest.raises(ValueError, match=f"{name}: layers\\[1\\], Dense\\(\\? => 3\\), is sized at its first call"):
        f(p, Chain(flatten, Dense(3)))
    with pytest.raises(ValueError, match=f"{name}: there is no Param in model 1"):
        f(p, np.sin)
    with pytest.raises(TypeError, match=f"{name} takes a model"):
        f()
    with pytest.raises(kn.MutationError, match=name):
        kn.grad(lambda: (f(p), np.sum(p * p))[1])()
    assert not p.frozen


# ------------------------------------------------------------------------------------------- destructure and cast


def test_the_pieces_of_the_vector_are_views_of_it():
    model = sized()
    vector, rebuild = kn.nn.destructure(model)
    new = rebuild(vector)
    assert np.shares_memory(new[0].weight, vector) and kn.params(new) == [] and len(kn.params(model)) == 6
    np.testing.assert_array_equal(new(X), model(X))
    assert new[1].moments is model[1].moments
    vector[:] = 0
    assert not new[4].weight.any() and model[4].weight.value.any()


def test_a_hessian_of_a_model():
    model = kn.nn.cast(Dense(2, 2, np.tanh), np.float64)
    vector, rebuild = kn.nn.destructure(model)
    x = np.array([[1.0, 2.0], [-0.5, 0.3]])
    h = kn.hessian(lambda v: np.sum(rebuild(v)(x) ** 2))(vector)
    assert h.shape == (6, 6) and np.allclose(h, h.T)


def test_mixed_dtypes_stay_mixed():
    model = [Dense(2, 2), kn.nn.cast(Dense(2, 2), np.float64)]
    vector, rebuild = kn.nn.destructure(model)
    new = rebuild(vector)
    assert vector.dtype == np.float64 and [new[0].bias.dtype, new[1].bias.dtype] == [np.float32, np.float64]


def test_what_rebuild_refuses():
    vector, rebuild = kn.nn.destructure(Dense(3, 2))
    for wrong, error in ((vector[1:], kn.ShapeError), (vector[:, None], kn.ShapeError), (None, kn.ShapeError),
                         (np.arange(8), kn.DtypeError)):  # fmt: skip
        with pytest.raises(error, match="rebuild: the vector must"):
            rebuild(wrong)


@pytest.mark.parametrize("f", [kn.nn.destructure, lambda model: kn.nn.cast(model, np.float64)])
def test_what_has_no_other_of_its_kind(f):
    layer = Dense(3, 2)
    with pytest.raises(TypeError, match=r"(destructure|cast): the model uses layer.weight in a function"):
        f(Chain(lambda x: layer(x), kn.relu))
    with pytest.raises(ValueError, match=r"(destructure|cast): .*is sized at its first call"):
        f(lazy())
    with pytest.raises(ValueError, match=r"(destructure|cast): there is no Param"):
        f(Chain(kn.relu))


def test_cast_to_half_keeps_the_moments_in_single_precision():
    model = sized()
    kn.grad(loss(model))()
    half = kn.nn.cast(model, np.float16)
    assert half(X.astype(np.float16)).dtype == np.float16
    assert half[1].moments.mean.dtype == np.float32 and half[1].moments is not model[1].moments
    assert half[1].moments.count == 1
    with pytest.raises(kn.DtypeError, match="cast: dtype must be floating"):
        kn.nn.cast(model, int)


def test_count():
    layer = Dense(3, 2)
    assert kn.nn.count(layer) == kn.nn.count(Chain(layer, layer)) == kn.nn.count(layer, layer) == 8
    assert kn.nn.count(Dense(3)) == 0 and kn.nn.count(WeightNorm(layer)) == 10
