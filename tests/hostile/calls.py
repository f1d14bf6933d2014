"""Right calls of everything public, from which wrong ones are made."""

import inspect
from dataclasses import dataclass, field
from functools import cache
from tempfile import TemporaryDirectory

import numpy as np

import knetpy as kn
from knetpy.core.value import METHODS, NUMPY


@dataclass(frozen=True, eq=False)
class Call:
    """A function, its operands by name, and its options with their usual values."""

    name: str  # as a message must say it
    f: object
    operands: dict
    options: dict = field(default_factory=dict)
    own: bool = True  # whether knetpy answers for it; else NumPy does
    drawn: bool = False  # whether it draws random numbers

    def __call__(self, operands, options):
        by_name = {k: x for k, x in operands.items() if k in _by_name(self.f)}
        return self.f(*[x for k, x in operands.items() if k not in by_name], **by_name, **options)


@cache
def _by_name(f):
    """The parameters that can be given by name only."""
    try:
        parameters = inspect.signature(f).parameters.values()
    except ValueError:
        return ()
    return {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}


def F(*shape):
    """Single numbers between -1 and 1, all different."""
    n = int(np.prod(shape))
    return np.asarray(np.linspace(-0.95, 0.9, n, dtype=np.float32)[np.argsort(np.sin(np.arange(n)))].reshape(shape))


def P(*shape):
    return np.abs(F(*shape)) * np.float32(0.9) + np.float32(0.05)


def I(*numbers):  # noqa: E743
    return np.array(numbers)


def op(f, _drawn=False, **operands):
    """The call of an op with these operands; all its other parameters are options."""
    parameters = inspect.signature(f).parameters.values()
    options = {p.name: p.default for p in parameters if p.default is not p.empty and p.name not in operands}
    return Call(f.__name__, f, operands, options, drawn=_drawn)


SIGNS = np.array([1, -1], np.float32)
LABELS, MASK = I(0, 2), np.array([[True, False, True], [False, True, True]])

ACTIVATIONS = (
    "celu elu erf erfc geglu gelu gelu_sigmoid glu lisht logcosh logsigmoid mish reglu selu sigmoid silu softplus "
    "softsign sparseplus squareplus swiglu tanhshrink hardshrink hardsigmoid hardswish hardtanh leakyrelu relu relu6 "
    "softshrink trelu normalise"
)

OPS = [
    *[op(getattr(kn, name), x=F(2, 6)) for name in ACTIVATIONS.split()],
    op(kn.prelu, x=F(2, 3), slope=F(3)),
    op(kn.rrelu, True, x=F(2, 3)),
    op(kn.threshold, x=F(2, 3), threshold=0.1, value=0.5),
    *[op(f, x=F(2, 3), mask=MASK) for f in (kn.softmax, kn.softmin, kn.logsoftmax, kn.logsumexp)],
    op(kn.sparsemax, x=F(2, 3)),
    op(kn.gumbel_softmax, True, x=F(2, 3)),
    op(kn.dropout, True, x=F(2, 3)),
    op(kn.alpha_dropout, True, x=F(2, 3)),
    op(kn.attention, q=F(2, 4, 3), k=F(2, 5, 3), v=F(2, 5, 3), mask=np.ones((4, 5), bool), bias=F(4, 5)),
    op(kn.rope, x=F(2, 3, 4), positions=I(0, 1, 2)),
    Call("causal_mask", kn.causal_mask, {}, {"L": 3, "S": 4}),
    op(kn.batchnorm, x=F(3, 2, 4), moments=None, scale=F(2), bias=F(2), residual=F(3, 2, 4)),
    op(kn.instancenorm, x=F(3, 2, 4), scale=F(2), bias=F(2)),
    op(kn.groupnorm, x=F(3, 4, 2), groups=2, scale=F(4), bias=F(4)),
    op(kn.layernorm, x=F(2, 3), scale=F(3), bias=F(3)),
    op(kn.rmsnorm, x=F(2, 3), scale=F(3)),
    op(kn.localresponsenorm, x=F(1, 4, 3), size=3),
    op(kn.weightnorm, v=F(3, 2), g=F(3)),
    Call("Moments", kn.Moments, {}, {}),
    op(kn.linear, x=F(2, 3), w=F(3, 4), bias=F(4)),
    op(kn.bilinear, x1=F(2, 3), x2=F(2, 4), w=F(5, 3, 4), bias=F(5)),
    op(kn.bmm, a=F(2, 3, 4), b=F(2, 4, 5)),
    op(kn.mat, x=F(2, 3, 4)),
    op(kn.conv, x=F(2, 2, 5, 4), w=F(3, 2, 2, 2), bias=F(3)),
    op(kn.conv, x=F(1, 2, 5), w=F(3, 2, 2)),
    op(kn.conv_transpose, x=F(2, 2, 3, 2), w=F(2, 3, 2, 2), bias=F(3)),
    op(kn.pool, x=F(2, 2, 5, 4)),
    op(kn.adaptive_pool, x=F(2, 2, 5, 4), size=2),
    op(kn.global_pool, x=F(2, 2, 3)),
    op(kn.fractional_pool, True, x=F(1, 2, 6, 6), window=2, size=3),
    op(kn.unpool, x=F(1, 1, 2, 2), indices=np.array([[[[0, 3], [8, 11]]]])),
    op(kn.unfold, x=F(1, 2, 4, 3), window=2),
    op(kn.fold, x=F(1, 8, 6), size=(4, 3), window=2),
    op(kn.upsample, x=F(1, 2, 3, 2), scale=2),
    op(kn.affine_grid, theta=F(1, 2, 3), size=(1, 1, 3, 4)),
    op(kn.grid_sample, x=F(1, 2, 3, 4), grid=F(1, 2, 2, 2)),
    op(kn.pad, x=F(2, 3), pad_width=1),
    op(kn.pixel_shuffle, x=F(1, 4, 2, 2), factor=2),
    op(kn.pixel_unshuffle, x=F(1, 1, 4, 4), factor=2),
    op(kn.channel_shuffle, x=F(1, 4, 2), groups=2),
    *[op(f, x=F(2, 3, 4), weights=(F(4, 2 * n), F(2, 2 * n), F(2 * n)), state=state)
      for f, n, state in ((kn.rnn, 1, F(1, 2, 2)), (kn.gru, 3, F(1, 2, 2)), (kn.lstm, 4, (F(1, 2, 2), F(1, 2, 2))))],
    op(kn.embed, table=F(4, 3), indices=np.array([[0, 1], [3, 1]])),
    op(kn.embedding_bag, table=F(4, 3), indices=I(0, 1, 3), offsets=I(0, 2)),
    op(kn.embedding_bag, table=F(4, 3), indices=np.array([[0, 1], [3, 1]])),
    op(kn.gather, x=F(4, 3), index=I(0, 3, 1)),
    op(kn.scatter, src=F(3, 2), index=I(0, 3, 0)),
    op(kn.take_along_axis, x=F(2, 3), indices=np.array([[0], [2]])),
    Call("onehot", kn.onehot, {"labels": LABELS}, {"classes": 3, "axis": -1, "dtype": np.float32}),
    *[op(f, scores=F(2, 3), labels=LABELS) for f in (kn.nll, kn.focal, kn.multi_margin, kn.accuracy, kn.zeroone)],
    op(kn.cross_entropy, scores=F(2, 3), targets=kn.softmax(F(2, 3)), weight=P(3)),
    op(kn.multilabel_margin, scores=F(2, 3), labels=np.array([[0, -1, -1], [2, 1, -1]])),
    *[op(f, scores=F(2, 3), labels=np.float32(MASK))
      for f in (kn.bce, kn.binary_focal, kn.multilabel_soft_margin)],
    *[op(f, scores=F(2), labels=SIGNS) for f in (kn.logistic, kn.hinge, kn.squared_hinge)],
    *[op(f, prediction=P(2, 3), target=P(2, 3))
      for f in (kn.mse, kn.mae, kn.msle, kn.huber, kn.smooth_l1, kn.poisson, kn.kl, kn.dice, kn.tversky)],
    op(kn.gaussian_nll, mean=F(2, 3), target=F(2, 3), var=P(2, 3)),
    op(kn.ctc, scores=F(2, 4, 3), labels=np.array([[1, 2], [2, 1]]), lengths=I(4, 3), label_lengths=I(2, 1)),
    op(kn.contrastive, distance=P(2), labels=LABELS // 2),
    op(kn.cosine_embedding, a=F(2, 3), b=P(2, 3), labels=SIGNS),
    op(kn.margin_ranking, a=F(2), b=P(2), labels=SIGNS),
    op(kn.hinge_embedding, x=F(2), labels=SIGNS),
    op(kn.cosine_similarity, a=F(2, 3), b=P(2, 3)),
    op(kn.pairwise_distance, a=F(2, 3), b=P(2, 3)),
    op(kn.triplet, anchor=F(2, 3), positive=P(2, 3), negative=F(2, 3)),
]  # fmt: skip


# ---------------------------------------------------------------- what is not an op: params, transforms, loops


def _loss(x):
    return np.sum(x * x)


def _w():
    return kn.param([1.0, 2.0])


class Loss:
    """A loss with a param of its own, which every drawn call gets anew."""

    def __init__(self):
        self.w = _w()

    def __call__(self, x):
        return np.sum(self.w * x)


def _of_sizes(f, name=None, **options):
    """A function that is called with sizes."""
    found = inspect.signature(f).parameters.values()
    options = {p.name: p.default for p in found if p.kind is p.KEYWORD_ONLY and p.default is not p.empty} | options
    return Call(
        name or f.__name__, lambda rows, columns, **o: f(rows, columns, **o), {"rows": 4, "columns": 3}, options
    )


def _three(iterable):
    """The first items of what may have no end."""
    return [item for item, _ in zip(iterable, range(3))]


def _trained(loss, data, opt, **options):
    return _three(kn.minimize(loss, data, opt, **options))


def _updated(params, grads, opt, **options):
    kn.update(params, grads, opt, **options)


def _seeded(n):
    kn.seed(n)


def _threads(n):
    before = kn.threads()
    try:
        kn.set_threads(n)
    finally:
        kn.set_threads(before)


def _training(flag):
    with kn.training(flag):
        return kn.training()


def _checked(f, x, **options):
    return bool(kn.gradcheck(f, x, raises=False, **options))


def _scores(x):
    return x * 1


def _saved(tree, **options):
    with TemporaryDirectory() as folder:
        kn.save(f"{folder}/save", tree, **options)


def _loaded(into, **options):
    with TemporaryDirectory() as folder:
        kn.save(f"{folder}/save", {"w": F(2), "n": 3})
        kn.load(f"{folder}/save", into, **options)


def _table(target, **options):
    with TemporaryDirectory() as folder:
        with open(f"{folder}/table", "w") as file:
            file.write("a,b,c,d\n1,x,no,2\n,,yes,4\n")
        return kn.data.read_csv(f"{folder}/table", target, **options)


def _corpus(**options):
    with TemporaryDirectory() as folder:
        for part in ("train", "valid", "test"):
            with open(f"{folder}/{part}.txt", "w") as file:
                file.write("to be\n")
        return kn.data.corpus(folder, **options)


def _pulled(f, x, dy):
    return kn.vjp(f, x)[1](dy)


SCHEDULES = {  # those whose fields are all numbers
    "Constant": {"lr": 0.1},
    "Step": {"lr": 0.1, "every": 2, "factor": 0.5},
    "Exponential": {"lr": 0.1, "factor": 0.5, "steps": 2},
    "Cosine": {"lr": 0.1, "steps": 4, "end": 0.01, "restarts": True, "growth": 2},
    "OneCycle": {"lr": 0.1, "steps": 4, "warmup": 0.3, "start": 0.04, "end": 1e-6},
    "Polynomial": {"lr": 0.1, "steps": 4, "power": 2.0, "end": 0.01},
    "InverseSqrt": {"lr": 0.1, "warmup": 2},
}


def _others():
    x, v = F(2).astype(float), F(2).astype(float)
    for f in (kn.init.zeros, kn.init.ones, kn.init.gaussian, kn.init.identity_init, kn.init.kaiming_normal,
              kn.init.kaiming_uniform, kn.init.lecun_normal, kn.init.orthogonal, kn.init.truncated_normal,
              kn.init.xavier_normal, kn.init.xavier_uniform, kn.random.rand, kn.random.randn):  # fmt: skip
        yield _of_sizes(f)
    yield _of_sizes(kn.init.sparse_init, sparsity=0.5)
    yield Call("bilinear", kn.init.bilinear, {"shape": (2, 2, 3, 3)}, {"dtype": np.float32})
    yield Call("fans", kn.init.fans, {"shape": (2, 3)})
    yield _of_sizes(kn.param, dtype=None)
    yield Call("param", kn.param, {"array": F(2, 3)}, {"dtype": None})
    yield _of_sizes(kn.param0, "param", dtype=None)
    yield Call("seed", _seeded, {"n": 1})
    yield Call("set_threads", _threads, {"n": 1})
    yield Call("training", _training, {"flag": True})
    yield Call("minibatch", lambda x, y, batchsize, **o: list(kn.minibatch(x, y, batchsize, **o)),
               {"x": F(4, 2), "y": I(0, 1, 2, 3), "batchsize": 2},
               {"shuffle": False, "partial": False, "xtype": None, "ytype": None})  # fmt: skip
    yield Call("minimize", _trained, {"loss": Loss(), "data": [F(2), F(2)],
                                      "opt": kn.SGD(0.1)}, {"params": None})  # fmt: skip
    yield Call(
        "progress", lambda x, **o: _three(kn.progress(x, **o)), {"x": [1, 2]}, {"message": None, "disable": True}
    )
    yield Call("now", lambda name: kn.chain(kn.SGD(), kn.optim.EMA()).now(name), {"name": "keep"})
    yield Call("every", lambda n: kn.train.every(n)(abs)(-1), {"n": 1})
    yield Call("throttle", lambda seconds, **o: kn.train.throttle(seconds, **o)(abs)(-1), {"seconds": 1.0},
               {"leading": True, "trailing": False})  # fmt: skip
    yield Call("take", lambda losses, n: list(kn.train.take(losses, n)), {"losses": [3.0, 2.0], "n": 2})
    yield Call("History", lambda loss: kn.History(a=lambda: 1.0).take(loss), {"loss": 0.5})
    for name, options in SCHEDULES.items():
        yield Call(name, lambda name=name, **o: getattr(kn.schedules, name)(**o)(3), {}, options)
    yield Call("repeat", lambda data, epochs: _three(kn.train.repeat(data, epochs)), {"data": [1, 2], "epochs": 2})
    yield Call("evaluate", lambda data: kn.evaluate(_scores, data, kn.train.Accuracy()),
               {"data": [(F(2, 3), LABELS), (F(2, 3), LABELS)]}, own=False)  # fmt: skip  # metrics answer, too
    yield Call("predict", lambda x, **o: kn.predict(_scores, x, **o), {"x": F(5, 3)}, {"batchsize": 2})
    for f in (kn.data.oversample, kn.data.undersample):
        yield Call(f.__name__, f, {"data": F(6, 2), "labels": I(0, 1, 1, 1, 2, 1)}, {"shuffle": True, "seed": 1})
    yield Call("timefolds", lambda data, k, **o: list(kn.data.timefolds(data, k, **o)), {"data": F(6, 2), "k": 2},
               {"longest": None, "gap": 0})  # fmt: skip
    yield Call("windows", kn.data.windows, {"x": F(6, 2), "length": 3}, {"step": 1})
    yield Call("moons", kn.data.moons, {"n": 4}, {"noise": 0.1, "seed": 1})
    yield Call("spirals", kn.data.spirals, {"n": 4}, {"classes": 2, "turns": 1.0, "noise": 0.1, "seed": 1})
    yield Call("corpus", _corpus, {}, {"end": "<eos>", "limit": 100})
    yield Call("read_csv", _table, {"target": -1}, {"leave": "b", "classes": {"c": ("no", "yes")}, "missing": 0.0,
               "delimiter": ",", "limit": 1000})  # fmt: skip
    yield Call("onecold", kn.onecold, {"scores": F(2, 3)}, {"axis": -1})
    yield Call("save", _saved, {"tree": {"w": F(2), "n": 3}}, {"keep": 1})
    yield Call("load", _loaded, {"into": {"w": F(2), "n": 3}}, {"strict": True, "change": None})
    yield Call("Adam", kn.Adam, {}, {"lr": 0.1, "beta1": 0.9, "beta2": 0.9, "eps": 1e-8, "lazy": False})
    yield Call("SGD", kn.SGD, {}, {"lr": 0.1})
    yield Call("update", _updated, {"params": F(2), "grads": F(2), "opt": kn.Adam()}, {"check_finite": False})
    yield Call("update", _updated, {"params": [F(2), F(3)], "grads": [F(2), F(3)], "opt": kn.SGD()},
               {"check_finite": True})  # fmt: skip
    yield Call("update", lambda grad, **o: kn.update(p := _w(), {p: grad}, kn.Adam(), **o), {"grad": F(2)},
               {"check_finite": False})  # fmt: skip
    yield Call("grad", lambda f, argnums, x: kn.grad(f, argnums)(x), {"f": _loss, "argnums": 0, "x": x})
    yield Call("grad", lambda f, x: kn.grad(f)(x), {"f": _loss, "x": x})
    yield Call("value_and_grad", lambda f, argnums, x, **o: kn.value_and_grad(f, argnums, **o)(x),
               {"f": _loss, "argnums": 0, "x": x}, {"has_aux": False})  # fmt: skip
    yield Call("vjp", _pulled, {"f": np.sin, "x": x, "dy": v})
    yield Call("jvp", kn.jvp, {"f": np.sin, "args": (x,), "tangents": (v,)})
    yield Call("jvp", lambda f, x, v: kn.jvp(f, (x,), (v,)), {"f": np.sin, "x": x, "v": v})
    yield Call("hvp", kn.hvp, {"f": _loss, "args": (x,), "v": (v,)})
    yield Call("hvp", lambda f, x, v: kn.hvp(f, (x,), (v,)), {"f": _loss, "x": x, "v": v})
    yield Call("jacobian", lambda f, argnums, x, **o: kn.jacobian(f, argnums, **o)(x),
               {"f": np.sin, "argnums": 0, "x": x}, {"mode": None})  # fmt: skip
    yield Call("hessian", lambda f, argnums, x: kn.hessian(f, argnums)(x), {"f": _loss, "argnums": 0, "x": x})
    yield Call("tape", lambda f, x: repr(kn.tape(f, x)), {"f": Loss(), "x": F(2)})
    yield Call("gradcheck", _checked, {"f": _loss, "x": x},
               {"order": 1, "modes": "all", "tolerance": None, "step": None, "seed": 0})  # fmt: skip
    yield Call("checkpoint", lambda f, x: kn.grad(kn.checkpoint(f), 0)(x), {"f": _loss, "x": x})
    yield Call("model", lambda f, x: kn.model(f)(x), {"f": _loss, "x": x})
    yield Call(
        "primitive",
        lambda x: kn.primitive(lambda x: x * x, name="f", x=lambda dy, x: dy * 2 * x)(x),
        {"x": x},
        own=False,
    )
    yield Call("constant", lambda x: kn.constant(np.sign)(x), {"x": x}, own=False)
    yield Call("defer", kn.defer, {"write": lambda: None})
    for f in (kn.params, kn.named_params, kn.stop_gradient, kn.value):
        yield Call(f.__name__, f, {"x": [_w(), F(2)]})
    for f in (kn.cpu, kn.device):
        yield Call(f.__name__, f, {"x": [_w(), F(2)]})
    yield Call("gpu", lambda x: kn.has_gpu() and kn.gpu(x), {"x": [F(2)]})
    yield Call("has_gpu", lambda: kn.has_gpu().reason, {})
    yield Call("default_device", kn.default_device, {"name": "cpu"})
    yield Call("warmup", kn.warmup, {"f": np.sum, "x": F(2)})


def _knet():
    """Those of Knet's spelling."""
    ask, x, labels = kn.knet, F(1, 2, 5, 4), I(1, 3)
    yield op(ask.conv4, w=F(3, 2, 2, 2), x=x)
    yield op(ask.deconv4, w=F(2, 3, 2, 2), x=x)
    for f in (ask.pool, ask.unpool, ask.mat, ask.invx):
        yield op(f, x=x)
    yield op(ask.bmm, A=F(2, 3, 4), B=F(2, 4, 5))
    yield op(ask.dropout, True, x=F(2, 3), p=0.5)
    for f in (ask.softmax, ask.logsoftmax, ask.logsumexp):
        yield op(f, x=F(2, 3))
    for f in (ask.nll, ask.accuracy, ask.zeroone):
        options = {"dims": 1} if f is ask.zeroone else {"dims": 1, "average": True}
        yield Call(f.__name__, f, {"scores": F(2, 3), "labels": labels}, options)
    yield op(ask.logistic, scores=F(2), labels=SIGNS)
    yield op(ask.bce, scores=F(2, 3), labels=np.float32(MASK))
    yield Call("batchnorm", lambda x, params, **o: ask.batchnorm(x, None, params, **o),
               {"x": F(3, 2, 4), "params": F(4)}, {"eps": 1e-5, "training": True})  # fmt: skip
    yield Call("bnmoments", ask.bnmoments, {}, {"momentum": 0.1})
    yield Call("bnparams", ask.bnparams, {"etype": np.float32, "channels": 3})
    yield Call("RNN", lambda x, **o: ask.RNN(3, 5, **o)(x), {"x": F(2, 4, 3)},
               {"rnnType": "gru", "numLayers": 2, "bidirectional": False, "dropout": 0}, drawn=True)  # fmt: skip
    yield Call("rnnparam", ask.rnnparam, {"r": ask.RNN(3, 5)}, {"layer": 1, "id": 2, "par": 1})
    yield Call("Momentum", ask.Momentum, {}, {"lr": 0.1, "gamma": 0.9, "gclip": 1.0})
    yield Call("Rmsprop", ask.Rmsprop, {}, {"lr": 0.1, "rho": 0.9, "eps": 1e-6, "gclip": 1.0})
    yield Call("sigm", ask.sigm, {"x": F(2, 3)})
    yield Call("diff", lambda f, x: ask.diff(f, x), {"f": _loss, "x": F(2)})
    yield Call("progress", lambda msg, itr, **o: _three(ask.progress(msg, itr, **o)), {"msg": repr, "itr": [1, 2]},
               {"steps": 1, "seconds": 1.0})  # fmt: skip
    yield Call("gradloss", lambda f, argnum, x: ask.gradloss(f, argnum)(x), {"f": _loss, "argnum": 1, "x": F(2)})
    yield Call("bilinear", ask.bilinear, {"T": np.float32, "fw": 2, "fh": 2, "IN": 3, "ON": 3})
    yield Call("minibatch", lambda x, y, batchsize, **o: list(ask.minibatch(x, y, batchsize, **o)),
               {"x": F(4, 2), "y": I(1, 2, 3, 4), "batchsize": 2}, {"shuffle": False, "xsize": (-1, 1, 2)})  # fmt: skip


def _made(f, name=None, sizes=(), inputs=(), **how):
    """The call of a layer's class with sizes and its usual options; what it makes is called with the inputs."""
    found = inspect.signature(f).parameters.values()
    named = [p for p in found if p.kind is p.KEYWORD_ONLY or (p.default is not p.empty and p.name not in sizes)]
    options = {p.name: p.default for p in named} | how

    def call(*given, **options):
        layer = f(*given, **options)
        repr(layer)
        return layer

    return Call(name or f.__name__, call, dict(sizes), options)


def _from_torch(model, source):
    try:
        kn.load_torch(model, source)
    except FileNotFoundError as failure:
        raise ValueError(str(failure)) from None


def _layers():
    nn, sizes = kn.nn, {"inputs": 4, "outputs": 3}
    yield from (_made(nn.Dense, None, sizes), _made(nn.Scale, None, {"size": 3}), _made(nn.Bilinear, None, sizes))
    window = {"inputs": 4, "outputs": 2, "window": 3}
    yield from (_made(f, None, window, groups=2) for f in (nn.Conv, nn.ConvTranspose))
    yield from (_made(f, None, {"window": 2}, stride=2) for f in (nn.MaxPool, nn.MeanPool))
    yield from (_made(f, None, {"size": 2}) for f in (nn.AdaptiveMaxPool, nn.AdaptiveMeanPool))
    yield _made(nn.PixelShuffle, None, {"factor": 2})
    yield Call("Upsample", nn.Upsample, {}, {"scale": 2, "mode": "linear", "align_corners": True})
    yield from (_made(f, None, {"channels": 3}) for f in (nn.BatchNorm, nn.InstanceNorm))
    yield from (_made(f, None, {"size": 3}) for f in (nn.LayerNorm, nn.RMSNorm))
    yield _made(nn.GroupNorm, None, {"channels": 4, "groups": 2})
    yield from (_made(f, None, {"V": 4, "D": 3}) for f in (nn.Embedding, nn.EmbeddingBag))
    yield from (Call(f.__name__, f, {}, {"p": 0.5, "active": True}) for f in (nn.Dropout, nn.AlphaDropout))
    recurrent = {"inputs": 4, "hidden": 3}
    for name in ("LSTM", "GRU", "GRUv3", "RNN"):
        yield _made(getattr(nn, name), None, recurrent)
        yield _made(getattr(nn, name + "Cell"), None, recurrent)
    yield Call("MultiHeadAttention", nn.MultiHeadAttention, {"features": 4}, {"heads": 2, "bias": True, "dropout": 0.1})
    yield Call("TransformerBlock", nn.TransformerBlock, {"features": 4}, {"heads": 2, "dropout": 0.1, "causal": True})
    yield Call("Chain", lambda layer, other: repr(nn.Chain(layer, other)), {"layer": nn.Dense(3, 2), "other": kn.relu})
    yield Call("x ", nn.flatten, {"x": F(2, 3, 2)})
    model = nn.Chain(nn.Dense(3, 2), nn.BatchNorm(2))
    for f in (nn.freeze, nn.thaw):
        yield Call(f.__name__, f, {"model": nn.Dense(3, 2)})
    yield Call("count", nn.count, {"model": model})
    yield Call("init_from", nn.init_from, {"f": nn.Dense(3, 2), "x": F(2, 3)})
    yield Call("outputsize", nn.outputsize, {"f": model, "shape": (None, 3)}, {"dtype": np.float32})
    yield Call("summary", lambda *a, **o: repr(nn.summary(*a, **o)), {"f": model, "shape": (None, 3)})
    yield Call("destructure", lambda model: nn.destructure(model)[0], {"model": model})
    yield Call("rebuild", lambda vector: repr(nn.destructure(model)[1](vector)), {"vector": F(12)})
    yield Call("cast", lambda *a: repr(nn.cast(*a)), {"model": model, "dtype": np.float64})


def _states():
    nn = kn.nn
    yield Call("state", kn.state, {"model": nn.Chain(nn.Dense(3, 2), nn.BatchNorm(2))})
    yield Call("load_state", kn.load_state, {"model": nn.Dense(3, 2), "state": {"weight": F(3, 2), "bias": F(2)}},
               {"strict": True})  # fmt: skip
    yield Call("load_torch", _from_torch, {"model": nn.Dense(3, 2), "source": {"weight": F(2, 3), "bias": F(2)}})


OTHERS = [*_others(), *_knet(), *_layers(), *_states()]


# ------------------------------------------------------------------------------- NumPy's functions and methods

OPERANDS = {  # of those that take more than one array, or one of another kind
    **{f: ([F(2, 3), F(2, 3)],) for f in (np.concatenate, np.stack, np.vstack, np.hstack, np.dstack, np.column_stack)},
    np.einsum: ("ij,kj->ik", F(2, 3), F(4, 3)), np.where: (MASK, F(2, 3), F(2, 3)), np.clip: (F(2, 3), -0.5, 0.5),
    np.swapaxes: (F(2, 3), 0, 1), np.moveaxis: (F(2, 3), 0, 1), np.rollaxis: (F(2, 3), 1), np.tile: (F(2, 3), 2),
    np.expand_dims: (F(2, 3), 0), np.broadcast_to: (F(2, 3), (2, 2, 3)), np.full_like: (F(2, 3), 1.0),
    np.array_split: (F(4, 3), 2), np.split: (F(4, 3), 2), np.repeat: (F(2, 3), 2), np.roll: (F(2, 3), 1),
    np.reshape: (F(2, 3), (3, 2)), np.astype: (F(2, 3), np.float64), np.take: (F(4, 3), I(0, 3)),
    np.take_along_axis: (F(2, 3), np.array([[0], [2]]), 1), np.pad: (F(2, 3), 1), np.matmul: (F(2, 3), F(3, 4)),
    np.dot: (F(2, 3), F(3, 4)), np.tensordot: (F(2, 3), F(3, 4), 1), np.ldexp: (F(2, 3), I(1, 2, 3)),
    np.bincount: (I(0, 1, 1), F(3)), np.argpartition: (F(2, 3), 1), np.searchsorted: (F(3), F(2)),
    np.digitize: (F(2), I(0, 1)), np.unravel_index: (I(1, 2), (2, 3)), np.isin: (F(2, 3), F(2)),
    np.broadcast_shapes: ((2, 3), (3,)), np.can_cast: (np.float32, np.float64), np.lexsort: ([F(3), F(3)],),
}  # fmt: skip
_TWO = (np.outer, np.inner, np.vdot, np.isclose, np.allclose, np.array_equal, np.array_equiv, np.shares_memory)
AXES = {  # options of the reductions and the like
    f: {"axis": -1} for f in (np.concatenate, np.stack, np.repeat, np.roll, np.take, np.cumsum, np.squeeze, np.flip)
} | {f: {"axis": -1, "keepdims": True} for f in (np.sum, np.mean, np.prod, np.max, np.min, np.amax, np.amin)}
AXES |= {f: {"axis": -1, "ddof": 1} for f in (np.var, np.std)} | {np.linalg.norm: {"ord": None, "axis": -1}}
AXES |= {np.transpose: {"axes": (1, 0)}, np.argmax: {"axis": 0}, np.argsort: {"axis": 0}}


def _numpy_calls():
    for f in NUMPY:
        two = f in _TWO or (isinstance(f, np.ufunc) and f.nin == 2)
        given = OPERANDS.get(f) or ((P(2, 3), P(2, 3)) if two else (P(2, 3),))
        if f in (np.vdot, np.inner, np.outer):
            given = (F(3), F(3))
        yield Call(f.__name__, f, {f"operand {n}": a for n, a in enumerate(given)}, AXES.get(f, {}), own=False)


def _method(name, *given):
    def f(x, *args, **options):
        return getattr(x, name)(*args, **options)

    return Call(name, f, {"x": F(2, 3), **{f"operand {n}": a for n, a in enumerate(given)}}, own=False)


def _written(p, key, new):
    p = kn.param(p)
    p[key] = new
    return p.value


def _added(p, new):
    p = kn.param(p)
    p += new
    return np.array(p.value)


METHOD_CALLS = [
    *[_method(name) for name in METHODS if name not in ("dot", "reshape", "repeat", "take", "clip", "astype",
      "swapaxes", "argpartition", "searchsorted")],
    _method("reshape", 3, 2), _method("repeat", 2), _method("take", I(0, 1)), _method("clip", -0.5, 0.5),
    _method("astype", np.float64), _method("swapaxes", 0, 1), _method("dot", F(3, 2)), _method("sum", 0),
    _method("mean", 0), _method("max", 1), _method("__getitem__", (0, slice(None))), _method("__getitem__", I(0, 1)),
    _method("__add__", F(3)), _method("__rsub__", F(3)), _method("__pow__", 2), _method("__matmul__", F(3, 2)),
    _method("__lt__", F(3)), _method("__eq__", F(3)), _method("__contains__", 1.0), _method("__format__", ""),
    Call("p[...] = v", _written, {"p": F(2, 3), "key": (0, slice(None)), "new": F(3)}, own=False),
    Call("p += v", _added, {"p": F(2, 3), "new": F(3)}, own=False),
]  # fmt: skip

NUMPY_CALLS = list(_numpy_calls())
CALLS = [*OPS, *OTHERS, *NUMPY_CALLS, *METHOD_CALLS]
