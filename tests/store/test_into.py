"""Loading into what the user has: all is compared before anything is written."""

from dataclasses import dataclass, field

import numpy as np
import pytest

import knetpy as kn


def model():
    return {"w": [kn.param([[1.0, 2.0]]), kn.param0(2)], "n": np.arange(3)}


def picture(tree):
    """Everything that loading could change."""
    return repr({name: (p.value.tolist(), p.version) for name, p in kn.named_params(tree).items()}) + repr(tree)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "model.knet"
    kn.save(path, model())
    return path


MISFITS = {
    "missing": (
        {"w": [kn.param(1, 2), kn.param0(2), kn.param0(3)], "n": np.arange(3), "b": 1},
        r"missing in the file: \['w'\]\[2\], \['b'\]\.",
    ),
    "extra": ({"w": [kn.param(1, 2)]}, r"extra in the file: \['w'\]\[1\], \['n'\]\."),
    "mis-shaped": (
        {"w": [kn.param(2, 1), kn.param0(2)], "n": np.arange(3)},
        r"mis-shaped: \['w'\]\[0\] is \(2, 1\), in the file \(1, 2\)\.",
    ),
    "mis-typed": (
        {"w": [kn.param(1, 2, dtype="f8"), kn.param0(2)], "n": np.arange(3.0)},
        r"mis-typed: \['w'\]\[0\] is float64, in the file float32, \['n'\] is float64, in the file int64\.",
    ),
    "a container": (
        {"w": (kn.param(1, 2), kn.param0(2)), "n": np.arange(3)},
        r"\['w'\] is a tuple, in the file a list",
    ),
    "an array for a number": ({"w": [kn.param(1, 2), kn.param0(2)], "n": 3}, r"\['n'\] is a int, in the file an array"),
    "a number for a model": ({"w": kn.param(1), "n": np.arange(3)}, r"\['w'\] is an array, in the file a list"),
    "an optimizer": ({"w": kn.Adam(), "n": np.arange(3)}, r"\['w'\] is a Adam, in the file a list"),
    "another tree": ([], "the tree is a list, in the file a dict"),
}


@pytest.mark.parametrize("kind", MISFITS)
def test_what_does_not_fit_is_listed_and_nothing_is_changed(file, kind):
    into, message = MISFITS[kind]
    before = picture(into)
    with pytest.raises(kn.StoreError, match=message) as error:
        kn.load(file, into)
    assert picture(into) == before
    assert str(error.value).endswith("Nothing was changed; strict=False loads what fits")
    assert str(error.value).startswith(f"load: {str(file)!r}: it does not fit what it is loaded into")


@pytest.mark.parametrize("kind", MISFITS)
def test_what_fits_is_loaded_when_that_is_asked_for(file, kind):
    into, message = MISFITS[kind]
    with pytest.warns(UserWarning, match=message[:-2]):
        loaded = kn.load(file, into, strict=False)
    assert loaded is into
    if kind in ("missing", "extra"):
        assert into["w"][0].value.tolist() == [[1, 2]]


def test_the_names_are_those_of_named_params(tmp_path):
    w = kn.param([1.0])

    def net(x):
        return x @ w

    kn.save(tmp_path / "f", {"net": net})
    v = w
    w = kn.param([1.0, 2.0])
    assert list(kn.named_params({"net": net})) == ["w"]
    with pytest.raises(kn.StoreError, match=r"mis-shaped: w is \(2,\), in the file \(1,\)"):
        kn.load(tmp_path / "f", {"net": net})
    w = v
    w[...] = 7
    kn.load(tmp_path / "f", {"net": net})
    assert w.value.tolist() == [1]


def test_many_misfits_are_counted(tmp_path):
    kn.save(tmp_path / "f", [])
    with pytest.raises(kn.StoreError, match=r"\[19\] and 80 more"):
        kn.load(tmp_path / "f", [kn.param0(1) for _ in range(100)])


@dataclass
class Net:
    w: kn.Param
    moments: kn.Moments = field(default_factory=kn.Moments)
    width: int = 3
    notes: tuple = (1, "a")


class Counter:
    """What offers the protocol."""

    def __init__(self, n=0):
        self.n, self.rows = n, np.zeros(2)

    def state(self):
        return {"n": self.n, "rows": self.rows}

    def restore(self, state):
        self.n = state["n"]
        self.rows[:] = state["rows"]
        if self.n < 0:
            raise ValueError("n is negative")


def test_numbers_texts_and_objects_are_taken_in_place(tmp_path):
    net, counter = Net(kn.param([1.0]), width=5, notes=(2, "b")), Counter(4)
    net.moments.update(np.ones(2), np.ones(2))
    kn.save(tmp_path / "f", {"net": net, "counter": counter, "losses": [1.0, 2.0], "best": {"w": np.ones(2)}})
    into = {"net": Net(kn.param([0.0])), "counter": Counter(), "losses": [], "best": None}
    parts = into["net"], into["net"].moments, into["net"].w, into["losses"]
    kn.load(tmp_path / "f", into)
    assert parts == (into["net"], into["net"].moments, into["net"].w, into["losses"])
    assert (into["net"].width, into["net"].notes, into["losses"]) == (5, (2, "b"), [1.0, 2.0])
    assert into["net"].moments.count == 1 and into["net"].moments.mean.tolist() == net.moments.mean.tolist()
    assert into["counter"].n == 4 and into["best"]["w"].tolist() == [1, 1]


def test_an_object_that_refuses_undoes_everything(tmp_path):
    tree = {"a": Counter(1), "opt": kn.SGD(0.5), "b": Counter(-1), "w": kn.param([1.0])}
    kn.save(tmp_path / "f", tree)
    into = {"a": Counter(7), "opt": kn.SGD(0.25), "b": Counter(8), "w": kn.param([3.0])}
    with pytest.raises(kn.StoreError, match=r"nothing was changed: \['b'\] \(Counter\): n is negative"):
        kn.load(tmp_path / "f", into)
    assert (into["a"].n, into["opt"].lr, into["b"].n, into["w"].value.item()) == (7, 0.25, 8, 3)
    with pytest.warns(UserWarning, match=r"refused: \['b'\] \(Counter\): n is negative"):
        kn.load(tmp_path / "f", into, strict=False)
    assert (into["a"].n, into["opt"].lr, into["b"].n, into["w"].value.item()) == (1, 0.5, 8, 1)


def step(w, opt):
    kn.update(w, [np.full(p.shape, 0.5, p.dtype) for p in w], opt)


@pytest.mark.parametrize("kind", [kn.Param, np.ndarray])
def test_optimizers_go_on_where_they_were(tmp_path, kind):
    def fresh():
        arrays = [np.arange(3.0, dtype="f4"), np.ones((2, 2), "f2")]
        return [kn.param(a) for a in arrays] if kind is kn.Param else arrays

    w, opt = fresh(), kn.Adam(lr=0.1)
    step(w, opt)
    kn.save(tmp_path / "f", {"opt": opt, "w": w})
    step(w, opt)
    into = {"opt": kn.Adam(), "w": fresh()}
    kn.load(tmp_path / "f", into)
    step(into["w"], into["opt"])
    assert into["opt"].lr == 0.1
    assert [np.asarray(a).tobytes() for a in into["w"]] == [np.asarray(a).tobytes() for a in w]


def test_another_optimizer_does_not_fit(tmp_path):
    w = [kn.param([1.0])]
    kn.save(tmp_path / "f", {"opt": kn.SGD(), "w": w})
    with pytest.raises(kn.StoreError, match=r"mis-typed: \['opt'\] is a Adam, in the file a SGD"):
        kn.load(tmp_path / "f", {"opt": kn.Adam(), "w": w})


def test_params_and_moments_of_a_model(tmp_path):
    @kn.model
    def net(x):
        return kn.batchnorm(x @ kn.param(3, 2), kn.Moments()).sum()

    x = np.random.default_rng(0).normal(size=(8, 3)).astype("f4")
    kn.grad(net)(x)
    y = net(x)
    kn.save(tmp_path / "f", net)
    for p in kn.params(net):
        p[...] = 0
    kn.grad(net)(x)
    assert net(x) != y
    kn.load(tmp_path / "f", net)
    assert net(x) == y
    assert set(kn.load(tmp_path / "f")) == {"net.param[0]", "net.moments[0]"}


def test_a_model_that_has_not_made_its_params(tmp_path):
    @kn.model
    def net(x):
        return x @ kn.param(3, 2)

    x = np.ones((1, 3), "f4")
    net(x)
    kn.save(tmp_path / "f", net)
    net.made.clear()
    with pytest.raises(kn.StoreError, match=r"extra in the file: net.param\[0\]"):
        kn.load(tmp_path / "f", net)


def test_one_param_cannot_be_two(tmp_path):
    kn.save(tmp_path / "f", [kn.param([1.0]), kn.param([2.0])])
    w = kn.param([0.0])
    with pytest.raises(kn.StoreError, match=r"\[0\] is the same as \[0\], and in the file another"):
        kn.load(tmp_path / "f", [w, w])
    assert w.value.item() == 0


def test_what_cannot_be_written(tmp_path):
    w = kn.param([1.0])
    kn.save(tmp_path / "f", [w, np.ones(2)])
    locked = np.zeros(2)
    locked.flags.writeable = False
    with pytest.raises(kn.StoreError, match=r"\[1\] cannot be written"):
        kn.load(tmp_path / "f", [w, locked])
    with pytest.raises(kn.MutationError, match="load outside of it"):
        kn.grad(lambda: (kn.load(tmp_path / "f", [w, np.ones(2)])[0] ** 2).sum())()
    version = w.version
    kn.load(tmp_path / "f", [w, np.ones(2)])
    assert w.version == version + 1


class Chain(kn.optim.Optimizer):
    """An optimizer that consists of others."""

    def __init__(self, parts, rate=1.0):
        self.parts, self.rate = parts, rate


def chain(rate, *lrs):
    return Chain(parts=tuple(kn.Adam(lr=lr) for lr in lrs), rate=rate)


def test_optimizers_of_optimizers(tmp_path):
    w, opt = [kn.param([1.0, 2.0])], chain(0.5, 0.1, 0.2)
    for part in opt.parts:
        step(w, part)
    kn.save(tmp_path / "f", {"opt": opt, "w": w})
    other = chain(3.0, 1.0, 2.0)
    parts = other.parts
    kn.load(tmp_path / "f", {"opt": other, "w": w})
    assert other.parts is parts and [part.lr for part in parts] == [0.1, 0.2] and other.rate == 0.5
    for part, was in zip(parts, opt.parts):
        assert [a.tobytes() for a in part.state(w[0]).arrays] == [a.tobytes() for a in was.state(w[0]).arrays]
        assert part.state(w[0]).t == 1
    with pytest.raises(kn.StoreError, match="it is made of other parts"):
        kn.load(tmp_path / "f", {"opt": chain(1.0, 1.0), "w": w})
    last = Chain(parts=(kn.Adam(lr=1.0), kn.SGD(lr=2.0)), rate=3.0)  # the second refuses when the first has taken its
    with pytest.raises(
        kn.StoreError, match=r"nothing was changed: \['opt'\] \(Chain\): it is a SGD, in the file a Adam"
    ):
        kn.load(tmp_path / "f", {"opt": last, "w": w})
    assert [part.lr for part in last.parts] == [1, 2] and not last.parts[0].states and last.rate == 3


S = kn.schedules
OWN = [
    0.5,
    S.Cosine(0.1, 30),
    S.Step(0.7, 60),
    S.Warmup(5, S.Cosine(0.1, 30)),
    S.Piecewise(0.1, {5: S.Step(1.0, 2), 9: 0.1}),
]


@pytest.mark.parametrize("saved", OWN)
@pytest.mark.parametrize("old", OWN)
@pytest.mark.parametrize("inside", [lambda opt: opt, lambda opt: kn.chain(kn.optim.ClipNorm(1.0), opt)])
def test_the_file_wins_for_numbers_and_schedules_of_optimizers(tmp_path, saved, old, inside):
    kn.save(tmp_path / "f", inside(kn.SGD(lr=saved)))
    opt = kn.load(tmp_path / "f", inside(kn.SGD(lr=old)))
    assert opt.lr == saved and type(opt.lr) is type(saved)


def falling(step):
    return 1 / (1 + step)


@dataclass
class Falling:
    lr: float = 1.0

    def __call__(self, step):
        return self.lr / (1 + step)


@pytest.mark.parametrize(
    "own", [falling, lambda step: 1.0, Falling(), S.Warmup(5, falling), S.Piecewise(1.0, {3: falling})]
)
@pytest.mark.parametrize("known", [0.5, S.Cosine(0.1, 30)])
def test_a_schedule_of_the_users_stays(tmp_path, own, known):
    w = [kn.param([1.0])]
    kn.save(tmp_path / "own", {"w": w, "opt": kn.Momentum(lr=own)})
    into = {"w": w, "opt": kn.Momentum(lr=own)}
    assert kn.load(tmp_path / "own", into)["opt"].lr is own
    into["opt"].lr = falling  # one function for another cannot be told from a new name of the same
    assert kn.load(tmp_path / "own", into)["opt"].lr is falling

    trained = kn.Momentum(lr=known)
    step(w, trained)
    kn.save(tmp_path / "known", {"w": w, "opt": trained})
    for file, lr, message in (("own", known, "whose code is not in it"), ("known", own, "a function of your own")):
        into = {"w": w, "opt": kn.Momentum(lr=lr)}
        with pytest.raises(kn.StoreError, match=rf"nothing was changed: \['opt'\] \(Momentum\): lr is .*{message}"):
            kn.load(tmp_path / file, into)
        assert into["opt"].lr is lr and not into["opt"].states
        with pytest.warns(UserWarning, match=message):
            kn.load(tmp_path / file, into, strict=False)
        assert into["opt"].lr is lr and len(into["opt"].states) == (file == "known")


def test_schedules_come_back_without_what_they_were_in(tmp_path):
    kn.save(tmp_path / "f", {"opt": kn.SGD(lr=OWN[-1]), "all": OWN, "own": S.Warmup(5, falling)})
    tree = kn.load(tmp_path / "f")
    assert tree["opt"]["settings"] == {"lr": OWN[-1]} and tree["all"] == OWN
    assert tree["own"] == {"steps": 5, "then": "falling", "start": 0.0}


def test_the_parts_of_a_choice_are_matched_by_name(tmp_path):
    def choice(**parts):
        return kn.optim.Choose(lambda path, w: "a", **parts)

    w, opt = [kn.param([1.0])], choice(a=kn.Adam(0.1), b=kn.Adam(0.2))
    step(w, opt)
    kn.save(tmp_path / "f", {"w": w, "opt": opt})
    other = choice(b=kn.Adam(0.8), a=kn.Adam(0.9))
    kn.load(tmp_path / "f", {"w": w, "opt": other})
    assert (other.a.lr, other.b.lr, len(other.a.states), len(other.b.states)) == (0.1, 0.2, 1, 0)
    for parts, message in (
        ({"a": 0.3, "c": 0.5}, "'c' is missing in the file; its part 'b' is extra"),
        ({"a": 0.3}, "extra"),
    ):
        other = choice(**{name: kn.Adam(lr) for name, lr in parts.items()})
        with pytest.raises(kn.StoreError, match=f"nothing was changed: .*its part .*{message}"):
            kn.load(tmp_path / "f", {"w": w, "opt": other})
        assert [part.lr for part in other.parts] == list(parts.values()) and not other.a.states
        with pytest.warns(UserWarning, match="its part 'b' is extra in the file"):
            kn.load(tmp_path / "f", {"w": w, "opt": other}, strict=False)
        assert [part.lr for part in other.parts] == [0.1, *list(parts.values())[1:]] and len(other.a.states) == 1
