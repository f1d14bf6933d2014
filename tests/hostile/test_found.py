"""What hostile calls have found: each was another error, in nobody's words, or a wrong answer."""

import itertools
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import knetpy as kn
from tests.hostile.values import Changing

X = np.ones((2, 3), np.float32)
ARRAYS = np.ones(2)
MASK = np.array([True, False, True])


class Tensor:
    """Another library's array."""

    shape, dtype, ndim = (2, 3), np.dtype(np.float32), 2


class Worded(Tensor):
    """And yet another one's."""

    dtype = "float32"


REFUSED = {  # call, kind of error, what the message must say
    "dtype of half": (lambda: kn.linear(X.astype("f2"), X.T), kn.DtypeError, "write x.astype.np.float32"),
    "dtype of half w": (lambda: kn.linear(X, X.T.astype("f2")), kn.DtypeError, "write w.astype.np.float32"),
    "dtype of double": (lambda: kn.linear(X.astype(float), X.T), kn.DtypeError, "write x.astype.np.float32"),
    "another library": (lambda: kn.softmax(Tensor()), TypeError, "x must be an array, got a .*Tensor; np.asarray"),
    "a span as number": (lambda: kn.layernorm(X, eps=np.timedelta64(1, "s")), TypeError, "eps must be a number"),
    "a span as lr": (lambda: kn.SGD(np.timedelta64(1, "s")), TypeError, "SGD: lr must be a number"),
    "embed -1": (lambda: kn.embed(X, [0, -1]), IndexError, r"embed: .*np.where\(indices < 0, indices \+ 2, indices\)"),
    "gather -1": (lambda: kn.gather(X, [0, -1]), IndexError, r"gather: .*np.where\(index < 0, index \+ 2, index\)"),
    "embed -9": (lambda: kn.embed(X, [-9]), IndexError, "index -9 is out of range: .* negative ones are refused$"),
    "gather dtype": (lambda: kn.gather(X, ["a"]), kn.DtypeError, "gather: index must be integers"),
    "gather axes": (lambda: kn.gather(X, np.zeros((1,) * 64, int)), kn.ShapeError, "gather: .*too many axes, over 64"),
    "along dtype": (lambda: kn.take_along_axis(X, X), IndexError, "indices must be integers, got float32"),
    "along axes": (lambda: kn.take_along_axis(X, [0]), ValueError, "take_along_axis: indices .* and x .* axes"),
    "along shape": (lambda: kn.take_along_axis(X, [[0]] * 3), IndexError, "x of shape .2, 3. do not broadcast"),
    "along range": (lambda: kn.take_along_axis(X, [[3]]), IndexError, "index 3 in indices is out of range"),
    "along axis": (lambda: kn.take_along_axis(X, [[0]], 1.0), TypeError, "take_along_axis: an axis must be an integer"),
    "take": (lambda: kn.grad(lambda x: np.sum(np.take(x, [0.5])), 0)(X), TypeError, "np.take: indices must be int"),
    "onehot dtype": (lambda: kn.onehot([0], dtype="no"), TypeError, "onehot: dtype must be one of NumPy's dtypes"),
    "onehot axes": (lambda: kn.onehot(np.zeros((1,) * 64, int)), kn.ShapeError, "onehot: labels have 64 axes"),
    "mask of 64 axes": (lambda: kn.softmax(X, mask=np.ones((1,) * 64, bool)), kn.ShapeError, "softmax: mask"),
    "pad": (lambda: kn.pad(np.float64(1), "a"), TypeError, "pad: pad_width must be integers, got 'a'"),
    "warmup": (lambda: kn.warmup(3), TypeError, r"warmup: f must be a function, got int; write kn.warmup\(kn.grad"),
    "defer": (lambda: kn.defer(3), TypeError, "defer: write must be a function"),
    "kernel": (lambda: kn.kernels.kernel(1, 2), TypeError, "kernel: family and name must be texts"),
    "hvp of a word": (lambda: kn.hvp("f", (1.0,), (1.0,)), TypeError, "hvp takes a function"),
    "hvp along nothing": (lambda: kn.hvp(np.sum, (ARRAYS,), 0), TypeError, "hvp.* takes a v for each argument"),
    "grad of a dict": (lambda: kn.grad({"a": 1}), TypeError, "grad takes a function, got dict"),
    "has_aux": (lambda: kn.grad(np.sum, has_aux=ARRAYS), TypeError, "grad: has_aux must be True or False"),
    "argnums": (lambda: kn.jacobian(np.sin, int), TypeError, "jacobian takes a function"),
    "argnums None": (lambda: kn.hessian(np.sum, None), TypeError, "hessian takes a function"),
    "rnn": (lambda: kn.rnn(X, (X.T, np.ones((2, 2), "f4"), Worded())), TypeError, "rnn: weights.2. must be"),
    "repeat of none": (lambda: kn.train.repeat(np.array(1), 2), TypeError, "repeat: data must be an iterable"),
    "gradient of another": (lambda: kn.update(X.copy(), Tensor(), kn.SGD()), TypeError, "gradient of the arr"),
    "split by a Param": (lambda: np.split(kn.param(X), kn.param([1.0])), Exception, "(split|float|integ)"),
    "matrix": (lambda: kn.grad(np.sum, 0)(np.ma.ones(3)), kn.DerivativeError, "argument 0 of sum is a MaskedArray"),
    "samples": (lambda: kn.fractional_pool(X[None], 1, size=1, samples=["a"]), kn.DtypeError, "samples must be"),
    "scores": (lambda: kn.accuracy(X.astype("M8[s]"), [0, 1]), kn.DtypeError, "accuracy: scores must be numbers"),
    "large window": (lambda: kn.conv_transpose(X[None], np.broadcast_to(X[0, 0], (2, 1, 1 << 40))), kn.ShapeError,
                     "conv_transpose: .* result of spatial size"),
    "cotangent": (lambda: kn.vjp(np.sin, ARRAYS)[1]("a"), TypeError, "the cotangent of sin must be"),
    "cotangent shape": (lambda: kn.vjp(np.sin, ARRAYS)[1](1.0), kn.ShapeError, "the cotangent of sin .* shape"),
    "tangent": (lambda: kn.jvp(lambda x: x[0], ([ARRAYS],), (ARRAYS,)), TypeError, "the tangent of argument 0"),
    "argument": (lambda: kn.grad(np.sum, 0)(Worded()), kn.DerivativeError, "argument 0 of sum is a Worded"),
    "param of words": (lambda: kn.param([[1], [2, 3]]), TypeError, "param takes an array"),
    "param dtype": (lambda: kn.param(3, dtype="no"), TypeError, "param: dtype must be one of NumPy's dtypes"),
    "param too large": (lambda: kn.param(2**63), ValueError, "param: no array has the shape"),
    "init dtype": (lambda: kn.init.zeros(3, dtype=0.5), TypeError, "zeros: dtype must be one of NumPy's dtypes"),
    "init drawn dtype": (lambda: kn.xavier(3, dtype=int), TypeError, "xavier_uniform: dtype must be float16"),
    "init gain": (lambda: kn.init.kaiming_normal(3, gain="a"), TypeError, "kaiming_normal: gain must be a number"),
    "init NaN": (lambda: kn.init.orthogonal(3, 3, gain=np.nan), ValueError, "orthogonal: gain must be a finite number"),
    "init shape": (lambda: kn.random.rand(ARRAYS), TypeError, "rand: a shape is made of integers"),
    "seed": (lambda: kn.seed(ARRAYS), TypeError, "seed: n must be an integer"),
    "set_threads": (lambda: kn.set_threads(ARRAYS), TypeError, "set_threads: n must be an integer"),
    "repeat": (lambda: kn.train.repeat([1], ARRAYS), TypeError, "repeat: epochs must be an integer"),
    "progress": (lambda: kn.progress(np.float64(1)), TypeError, "progress: the first argument must be an iterable"),
    "minibatch": (lambda: kn.minibatch(X, 1, xtype="no"), TypeError, "minibatch: xtype must be one of NumPy's dtypes"),
    "gradcheck order": (lambda: kn.gradcheck(np.sin, 1.0, order=ARRAYS), ValueError, "gradcheck: order must be"),
    "gradcheck seed": (lambda: kn.gradcheck(np.sin, 1.0, seed="a"), ValueError, "gradcheck: seed must be"),
    "gradcheck modes": (lambda: kn.gradcheck(np.sin, 1.0, modes=3), TypeError, "gradcheck: modes must be"),
    "gradcheck step of time": (
        lambda: kn.gradcheck(np.sin, 1.0, step=np.timedelta64(1, "ms")), TypeError, "gradcheck: step must be"
    ),
    "identity_init shift": (
        lambda: kn.init.identity_init(2, 2, shift=[[1], [2, 3]]), ValueError, "identity_init: shift needs one integer"
    ),
    "tuple of arguments": (lambda: kn.predict(abs, (X, X)), TypeError, "predict: the elements of x, a tuple, are the"),
    "Knet's zeroone": (lambda: kn.knet.zeroone(X, [1]), ValueError, "zeroone: scores .2, 3. with classes"),
    "Knet's layers": (lambda: kn.knet.RNN(3, 5, numLayers=2**31), ValueError, "RNN: numLayers must be at most 10000"),
    "Knet's dtype": (lambda: kn.knet.bnparams((1, 2), 3), TypeError, "etype must be one of NumPy's dtypes"),
    "Knet's training": (lambda: kn.knet.batchnorm(X, training=ARRAYS), TypeError, "training must be True or False"),
    "layers": (lambda: kn.nn.LSTM(3, 4, layers=2**31), ValueError, "LSTM: layers must be at most 10000"),
    "classes": (lambda: kn.data.spirals(3, classes=2**64), ValueError, "spirals: classes must be at most"),
    "table": (lambda: kn.nn.EmbeddingBag(ARRAYS, 3), kn.ShapeError, r"EmbeddingBag: the weight must be .*\(V, D\)"),
    "padding of unpool": (lambda: kn.unpool(X[None], 2, padding=9), ValueError, "unpool: of x .* padding .* nothing"),
    "rebuild from lists": (lambda: kn.nn.destructure(kn.nn.Dense(1, 1))[1]([[1], [2, 3]]), TypeError,
                           "rebuild: the vector must be an array of numbers"),
    "a function for a weight": (lambda: kn.rnn(X, (X.T, np.ones((2, 2), "f4"), np.sin)), TypeError, "weights.2. must"),
    "gather of records": (lambda: kn.gather(np.zeros(3, "V8"), [0]), kn.DtypeError, "gather: x has dtype"),
    "take along True": (lambda: kn.grad(lambda x: np.take(x, [0], True).sum(), 0)(X), TypeError, "axis must be an int"),
    "gradcheck step": (lambda: kn.gradcheck(np.sin, 1.0, step="a"), TypeError, "gradcheck: step must be"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_the_words_of_the_caller(name):
    call, kind, message = REFUSED[name]
    with pytest.raises(kind, match=message):
        call()


FLAGS = {  # calls with an option that is True or False
    "logits": (lambda v: kn.bce(X, X, logits=v), lambda v: kn.cross_entropy(X, X, logits=v),
               lambda v: kn.binary_focal(X, X, logits=v), lambda v: kn.focal(X, [0, 1], logits=v)),
    "log": (lambda v: kn.kl(X, X, log=v), lambda v: kn.poisson(X, X, log=v)),
    "log_target": (lambda v: kn.kl(X, X, log_target=v),),
    "full": (lambda v: kn.poisson(X, X, full=v), lambda v: kn.gaussian_nll(X, X, X, full=v)),
    "swap": (lambda v: kn.triplet(X, X, X, swap=v),),
    "keepdims": (lambda v: kn.pairwise_distance(X, X, keepdims=v), lambda v: kn.logsumexp(X, keepdims=v)),
    "causal": (lambda v: kn.attention(X, X, X, causal=v),),
    "return_weights": (lambda v: kn.attention(X, X, X, return_weights=v),),
    "interleaved": (lambda v: kn.rope(X.T, interleaved=v),),
    "hard": (lambda v: kn.gumbel_softmax(X, hard=v),),
    "bidirectional": (lambda v: kn.rnn(X, (X.T, np.ones((2, 2), "f4")), bidirectional=v),),
    "time_major": (lambda v: kn.rnn(X, (X.T, np.ones((2, 2), "f4")), time_major=v),
                   lambda v: kn.ctc(X, [1], time_major=v)),
    "zero_infinity": (lambda v: kn.ctc(X, [1], zero_infinity=v),),
    "transpose_a": (lambda v: kn.bmm(np.ones((1, 2, 2)), np.ones((1, 2, 2)), transpose_a=v),),
    "transpose_w": (lambda v: kn.linear(X, X.T, transpose_w=v),),
    "approximate": (lambda v: kn.gelu(X, approximate=v),),
    "shuffle": (lambda v: kn.minibatch(X, 1, shuffle=v),),
    "partial": (lambda v: kn.minibatch(X, 1, partial=v),),
    "disable": (lambda v: kn.progress([], disable=v),),
    "check_finite": (lambda v: kn.update(X.copy(), X, kn.SGD(), check_finite=v),),
}  # fmt: skip


def test_taken_as_what_they_are():
    assert kn.hessian(lambda x: x * x)(Fraction(1, 3)) == 2
    assert kn.gradcheck(np.sin, 0.5, step=np.uint64(1), tolerance=10.0)
    np.testing.assert_array_equal(kn.grad(lambda w: np.bincount(MASK, w).sum(), 0)(X[0]), np.ones(3))
    assert kn.knet.gradloss(lambda x: x * x, Changing())(3.0) == (6.0, 9.0)
    assert "stride=[2, 1]" in repr(kn.nn.MaxPool(2, stride=np.array([2, 1])))
    model = kn.nn.Dense(1, 1)
    assert kn.nn.destructure(model)[1](memoryview(ARRAYS.astype(np.float32))).weight[0, 0] == 1


@pytest.mark.parametrize("wrong", [1, "yes", [], ARRAYS])
@pytest.mark.parametrize("option", FLAGS)
def test_an_option_that_is_true_or_false_is_nothing_else(option, wrong):
    for call in FLAGS[option]:
        with pytest.raises(TypeError, match=f"{option} must be True or False"):
            call(wrong)
        call(np.False_)


ACTIVATIONS = (
    "celu elu erf erfc gelu gelu_sigmoid lisht logcosh logsigmoid mish selu sigmoid silu softplus softsign sparseplus "
    "squareplus tanhshrink hardshrink hardsigmoid hardswish hardtanh leakyrelu relu relu6 softshrink trelu"
)


@pytest.mark.parametrize("name", ACTIVATIONS.split())
def test_activations_take_floating_arrays_only(name):
    f = getattr(kn, name)
    for dtype in (int, np.uint8, bool, complex, object, "U3", "M8[s]"):
        with pytest.raises(kn.DtypeError, match=f"^{name}: x has dtype .*; write (x.astype|np.real.x.)"):
            f(np.ones(2).astype(dtype))
    assert f([1, -2]).dtype == f(2).dtype == f(0.5).dtype == np.float32
    assert f(np.float64(2)).dtype == np.float64


def test_byte_order_makes_no_difference():
    x, w = np.arange(6, dtype=np.float32).reshape(2, 3), np.arange(12, dtype=np.float32).reshape(3, 4)
    for f in (kn.linear, lambda x, w: kn.mse(x, x) * w, lambda x, w: kn.softmax(x) @ w):
        y = f(x, w)
        for given in ((x.astype(">f4"), w), (x.astype(">f4"), w.astype(">f4"))):
            assert f(*given).dtype == y.dtype
            np.testing.assert_array_equal(f(*given), y)
    g = kn.grad(lambda x: np.sum(kn.linear(x, w)), 0)(x.astype(">f4"))
    assert g.dtype == np.dtype(">f4")
    np.testing.assert_array_equal(g, np.broadcast_to(w.sum(1), (2, 3)))


def test_an_index_is_asked_once():
    """Else it could answer otherwise after it has been checked."""

    class Changing(itertools.count):
        def __index__(self):
            return next(self)

    assert kn.causal_mask(Changing(2)).shape == (2, 2)
    assert kn.softmax(X, Changing(1)).shape == (2, 3)
    assert kn.init.zeros(Changing(3), 2).shape == (3, 2)
    assert [*kn.train.repeat("a", Changing(2))] == ["a", "a"]


def test_a_step_without_derivative_inside_a_checkpoint():
    whole = np.array([1, 2, 3], np.int32)
    f = kn.checkpoint(lambda x: np.sum(np.copysign(whole, x)) + np.sum(x))
    np.testing.assert_array_equal(kn.grad(f, 0)(np.ones(3, np.float32)), 1)


@pytest.mark.parametrize("f", [kn.nll, kn.focal, kn.multi_margin, kn.accuracy, kn.zeroone])
def test_the_axis_of_classes_is_asked_once(f):
    class Changing:
        def __init__(self):
            self.answers = iter([1])

        def __index__(self):
            return next(self.answers)

    assert f(X, [0, 1], Changing()) == f(X, [0, 1])


def test_a_masked_array_on_the_way_makes_no_masked_gradient():
    w, x = kn.param([1.0, 2.0]), np.ma.masked_array(np.array([3, 4], np.float32), [True, False])
    with pytest.raises(TypeError, match="MaskedArray"):
        kn.grad(lambda: np.sum(w * x))()


# ------------------------------------------------------------------------------------- found by a hostile reader


def test_checkpoint_runs_again_on_what_it_was_given():
    def f(state, x):
        state["n"] += 1
        return np.sum(x * state["n"])

    states = [{"n": 1}, {"n": 1}]
    plain = kn.grad(lambda x: f(states[0], x), 0)(ARRAYS)
    np.testing.assert_array_equal(kn.grad(lambda x: kn.checkpoint(f)(states[1], x), 0)(ARRAYS), plain)
    assert states[0] == states[1] == {"n": 2}


def test_checkpoint_locks_arrays_that_it_computes_with_in_bare_arithmetic():
    w, buffer = kn.param([1.0, 2.0]), np.ones(2, np.float32)
    f = kn.checkpoint(lambda b: np.sum(w * (b / 2)))

    def loss():
        y = f(buffer)
        buffer[...] = 2
        return y + f(buffer)

    with pytest.raises(ValueError, match="read-only"):
        kn.grad(loss)()
    assert buffer.flags.writeable


def test_update_by_gradients_that_are_updated_themselves():
    a, b = np.array([1.0]), np.array([10.0])
    kn.update([a, b], [b, a], kn.SGD(0.1))
    assert (a[0], b[0]) == (0.0, 9.9)
    line = np.arange(20001.0)
    expected = line[1:] - 0.5 * line[:-1]
    kn.update(line[1:], line[:-1], kn.SGD(0.5))
    np.testing.assert_array_equal(line[1:], expected)


def test_at_does_not_write_into_a_param():
    p = kn.param([1.0, 2.0])
    with pytest.raises(kn.MutationError, match="np.add.at would write into a Param"):
        np.add.at(p, [0], 5.0)


@pytest.mark.parametrize("drop", [kn.dropout, kn.alpha_dropout])
def test_dropout_outside_of_training_does_not_give_the_param_itself(drop):
    p = kn.param([1.0, 2.0])
    y = drop(p)
    assert type(y) is np.ndarray and not y.flags.writeable


def test_a_gradient_is_never_an_array_that_somebody_keeps():
    kept = np.array([1.0, 2.0], np.float32)
    inner = kn.primitive(lambda x: np.dot(x, kept), name="inner", x=lambda dy: kept)
    p = kn.param([3.0, 4.0])
    by_param, by_argument = kn.grad(lambda: inner(p))()[p], kn.grad(inner, 0)(kept.copy())
    _, pullback = kn.vjp(inner, kept.copy())
    for g in (by_param, by_argument, pullback(np.float32(1))[0]):
        np.testing.assert_array_equal(g, kept)
        assert not np.may_share_memory(g, kept)


def test_a_gradient_that_nobody_keeps_is_not_copied():
    made = []

    def rule(dy):
        made.append(id(dx := np.ones(2, np.float32)))
        return dx

    inner = kn.primitive(lambda x: np.float32(x[0]), name="inner", x=rule)
    p = kn.param([3.0, 4.0])
    assert id(kn.grad(lambda: inner(p))()[p]) == made[-1]
    assert id(kn.grad(inner, 0)(np.ones(2, np.float32))) == made[-1]


@pytest.mark.parametrize("f", [np.hypot, np.arctan2])
def test_second_derivatives_at_the_origin_are_0(f):
    np.testing.assert_array_equal(kn.hessian(lambda x: f(x[0], x[1]))(np.zeros(2)), 0)


NAN = np.nan
UNREAD = {  # a function of an array of which some elements are not read, the array with NaN there
    "ctc": (lambda s: kn.ctc(s, [[1, 2], [2, 1]], lengths=[2, 3]),
            np.where(np.arange(3)[None, :, None] < np.array([2, 3])[:, None, None], 0.5, NAN) * np.ones((2, 3, 4))),
    "nll": (lambda s: kn.nll(s, np.array([1, -100, 0]), ignore=-100), np.array([[1.0, 2], [NAN, 1], [0, 3]])),
    "nll weighted": (lambda s: kn.nll(s, np.array([1, -100, 0]), ignore=-100, label_smoothing=0.1),
                     np.array([[1.0, 2], [NAN, 1], [0, 3]])),
    "nll of long rows": (lambda s: kn.nll(s, np.array([1, -100]), ignore=-100),
                         np.array([[1.0], [NAN]]) * np.ones(20_000)),
    "embedding_bag": (lambda w: kn.embedding_bag(np.ones((2, 2), w.dtype), [[0, 1]], mode="sum", weights=w[None],
                                                 padding_index=1).sum(), np.array([2.0, NAN])),
}  # fmt: skip


@pytest.mark.parametrize("name", UNREAD)
def test_nan_where_nothing_is_read(name):
    f, x = UNREAD[name]
    for dtype in (np.float32, np.float64):
        given = x.astype(dtype)
        plain = np.nan_to_num(given)
        assert f(given) == f(plain) and np.isfinite(f(plain))
        g = kn.grad(f, 0)(given)
        np.testing.assert_array_equal(g, np.where(np.isnan(x), 0, kn.grad(f, 0)(plain)))
        along = np.ones_like(plain)
        np.testing.assert_array_equal(kn.hvp(f, (given,), (along,))[0], kn.hvp(f, (plain,), (along,))[0])


def test_sizes_that_no_memory_holds_are_refused_at_once():
    image = np.ones((1, 2, 6, 6), np.float32)
    for f in (lambda: kn.upsample(image, size=10**9), lambda: kn.adaptive_pool(image, 10**9)):
        with pytest.raises(kn.ShapeError, match="x .1, 2, 6, 6. in the size .* is too large for any memory"):
            f()
    with pytest.raises(ValueError, match="repeat: repeats must be at most"):
        np.repeat(kn.param([1.0, 2.0]), 2**62)


def test_constant_arguments_are_not_walked_to_their_ends():
    p, deep = kn.param([1.0, 2.0]), []
    deep.append(deep)
    for _ in range(3000):
        deep = [deep]
    assert (kn.grad(lambda d: np.sum(p * p))(deep)[p] == 2 * p.value).all()


def test_an_object_that_stands_for_an_index_is_asked_once():
    asked = iter(range(3))
    first = type("First", (), {"__index__": lambda self: next(asked)})()
    assert kn.grad(lambda x: x[first], 0)(np.ones(2)).tolist() == [1, 0]


def test_a_loss_may_be_a_number_of_any_real_kind():
    for number in (Decimal("1.5"), Fraction(3, 2), 1.5):
        assert kn.tape(lambda x: x, number).value == 1.5
