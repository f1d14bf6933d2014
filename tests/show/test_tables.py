"""The html of a Param, of gradients and of a tape: escaped, well formed, small."""

import time
import tracemalloc
from html.parser import HTMLParser

import numpy as np
import pytest

import knetpy as kn
from knetpy.show import pieces, tables

HOSTILE = "<script>alert('x')</script>&\""


class Strict(HTMLParser):
    """Every tag closed by its own, nothing that could run."""

    def __init__(self):
        super().__init__()
        self.open, self.text = [], ""

    def handle_starttag(self, tag, attributes):
        assert tag in {
            "table",
            "thead",
            "tbody",
            "tr",
            "td",
            "th",
            "svg",
            "title",
            "path",
            "div",
            "span",
            "details",
            "summary",
        }
        assert not any(name.startswith("on") for name, _ in attributes)
        self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        assert tag == "path"

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data + " "


def read(html):
    parser = Strict()
    parser.feed(html)
    parser.close()
    assert not parser.open
    return parser.text


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.array(5.0),
        np.zeros((0, 3)),
        np.full(3, np.nan),
        np.array([np.nan, 1, -np.inf, np.inf]),
        np.zeros(4),
        np.full(4, 7.5),
        np.array([1e308, -1e308]),
        np.array([5e-324, 1e-300]),
        np.array([6e4, -6e4], np.float16),
        np.array([3e38, -3e38], np.float32),
        np.arange(24.0).reshape(2, 3, 4).T,
    ],
    ids=lambda a: f"{a.shape} {a.dtype}",
)
def test_any_array_displays(array):
    p = kn.param(array)
    text = read(p._repr_html_())
    assert str(p.shape) in text and str(p.dtype) in text
    unfinished = array.size - np.isfinite(array).sum()
    assert (f"{unfinished} of {array.size} not finite" in text) == (unfinished > 0)
    assert ("empty" in text) == (array.size == 0)
    assert ("<svg" in p._repr_html_()) == np.isfinite(array).any()


def test_histograms_tell_the_shape():
    def heights(array):
        bars = pieces.histogram(np.asarray(array)).split('d="')[1].split('"')[0]
        return {int(bar.split(" ")[0]) // 4: int(bar.split("v-")[1].split("h")[0]) for bar in bars.split("M")[1:]}

    assert heights([0.0, 1.0, 1.0]) == {0: 9, 23: 18}
    assert heights(np.arange(24.0)) == dict.fromkeys(range(24), 18)
    assert len(heights([3.0, 3.0])) == 1


def test_gradients():
    w, b = kn.param(2, 3), kn.param0(3)
    g = kn.grad(lambda x: (x @ w).sum() + 0.0 * b.value.sum() + kn.stop_gradient(b * 1.0).sum())(np.ones((4, 2), "f4"))
    text = read(g._repr_html_())
    for word in ("w", "(2, 3)", "float32", "b", "unused", f"{np.sqrt(4 * 4 * 6):.4g}"):
        assert word in text


def test_a_tape():
    w = kn.param([1.0, 2.0])

    def loss(x):
        return np.sum(np.exp(w * x))

    J = kn.tape(loss, np.ones(2, "f4"))
    html = J._repr_html_()
    text = read(html)
    for step in J.steps:
        assert step.op in text
    assert str(kn.value(J)) in text and "test_tables.py" in text and "3 calls" in text


def test_hostile_names_are_escaped():
    w = {HOSTILE: kn.param([1.0])}
    g = kn.grad(lambda: (w[HOSTILE] * 2.0).sum())()
    J = kn.tape(lambda: (w[HOSTILE] * 2.0).sum() if "<b>&" else 0)
    for html in (g._repr_html_(), J._repr_html_()):
        assert "<script" not in html and "<b>" not in html
        assert "<script>alert(" in read(html) and "&" in read(html)


def test_long_tapes_and_many_params_are_cut():
    w = [kn.param([float(n)]) for n in range(500)]
    J = kn.tape(lambda: sum(p.sum() for p in w))
    html = J._repr_html_()
    text = read(html)
    assert len(html) < 400_000 and f"{len(J.steps) - 200} more" in text and "300 more" in text
    assert "w[0]" in text and "w[499]" in text and "w[250]" not in text


def test_only_rows_that_are_shown_are_made():
    made = []
    pieces.table(("n",), range(10**5), lambda n: made.append(n) or (str(n),))
    assert made == [*range(100), *range(10**5 - 100, 10**5)]


def test_very_long_names_are_cut():
    w = {"x" * 10**5: kn.param([1.0])}
    J = kn.tape(lambda: sum((p * 2.0).sum() for p in w.values()))
    net = kn.nn.Chain(**{"y" * 10**5: kn.nn.Dense(3, 2)})
    for shown in (J._repr_html_(), kn.show.params(w, J), net._repr_html_(), repr(J)):
        assert len(shown) < 10_000 and ("xxx" in shown or "yyy" in shown) and "…" in shown


def test_huge_arrays_are_sampled():
    p = kn.Param(np.broadcast_to(np.float32(2), (30_000_000, 4000)))  # 480 GB, if they were there
    tracemalloc.start()
    html = p._repr_html_()
    assert tracemalloc.get_traced_memory()[1] < 4e6 and len(html) < 3000
    tracemalloc.stop()
    assert f"≈ {2 * np.sqrt(12e10):.4g}" in read(html)
    assert repr(p) == f"Param((30000000, 4000), float32, norm={2 * np.sqrt(12e10):.4g})"  # which is asked for, too


def test_a_model_of_a_terabyte_displays():
    with kn.nn.outline():
        net = kn.nn.Chain(kn.nn.Dense(500_000, 500_000), kn.nn.Dense(500_000, 2))
    begin = time.perf_counter()
    text = read(net._repr_html_())
    assert time.perf_counter() - begin < 2 and "Dense(500000 => 500000)" in text and "TiB" not in repr(text)[:50]


def test_a_sample_is_spread_over_the_whole():
    array = np.arange(10.0**6).reshape(100, 100, 100)
    values = pieces.sample(array)
    assert len(values) == pieces.SAMPLE and np.array_equal(values // 100, np.arange(10_000))  # one of each hundred
    assert len(np.unique(values % 100)) == 100  # and not all of one column
    assert np.array_equal(pieces.sample(array.T[:1, :50]), array.T[:1, :50].ravel())


def test_no_gradients():
    assert tables.gradients(kn.Gradients({}, {}, [], ())) == "no gradients"


def test_gradients_of_gradients_display():
    w = kn.param([1.0, 2.0])
    shown = []

    def outer(x):
        g = kn.grad(lambda: (w * w * x).sum())()
        shown.append(g._repr_html_())
        return (g[w] ** 2).sum()

    kn.grad(outer, 0)(np.ones(2, "f4"))
    assert "(2,)" in read(shown[0])


def test_gradients_of_an_embedding_stay_rows():
    table = kn.param(1000, 8)
    g = kn.grad(lambda i: kn.embed(table, i).sum())(np.array([1, 5, 5]))
    assert "2 of 1,000 rows" in read(g._repr_html_())
    assert hasattr(g.compact(table), "rows")


# ------------------------------------------------------------------------------------------- models and containers


def test_params_of_anything():
    w = [kn.param(3, 2), {HOSTILE: kn.param0(2)}]
    html = kn.show.params(w)
    assert "<script" not in html and "[0]" in read(html) and "<script>" in read(html) and "(3, 2)" in read(html)
    assert "no params" in kn.show.params([1, "a"]) and "param" in kn.show.params(w[0])


def test_params_print_as_text():
    w, b = kn.param(3, 2), kn.param([np.nan, 1.0])
    g = kn.grad(lambda: w.sum())()
    lines = repr(kn.show.params({HOSTILE: w, "b": b}, g)).splitlines()
    assert lines[0].split() == ["param", "shape", "dtype", "norm", "min", "max", "values", "norm", "gradient"]
    assert HOSTILE in lines[1].replace("\\'", "'") and f"{np.linalg.norm(w.value):.4g}" in lines[1]
    assert lines[2].endswith("never touched") and "1 of 2 not finite" in lines[2] and len(lines) == 3
    assert not any(tag in "".join(lines) for tag in ("<td", "<svg", "<path", "<title"))
    assert repr(kn.show.params([])) == "no params"


def test_params_with_gradients():
    w, b, c = kn.param(3, 2), kn.param0(2), kn.param0(1)
    g = kn.grad(lambda x: (x @ w + b).sum())(np.ones((4, 3), "f4"))
    text = read(kn.show.params([w, b, c], g))
    assert f"{np.linalg.norm(g[w]):.4g}" in text and "never touched" in text
    with pytest.raises(TypeError, match="show.params: gradients must be"):
        kn.show.params([w], {w: 1})


@pytest.mark.parametrize("name", [name for name in kn.nn.__all__ if isinstance(getattr(kn.nn, name), type)])
def test_every_layer_has_a_display(name):
    assert name == "SamePad" or hasattr(getattr(kn.nn, name), "_repr_html_")


def test_a_model_shows_its_parts():
    nn = kn.nn
    body = nn.Chain(nn.Conv(1, 4, 3, kn.relu), nn.BatchNorm(4), nn.flatten, nn.Dense(10))
    net = nn.Chain(body=body, head=nn.SkipConnection(nn.Dense(10, 10), np.add))
    text = read(net._repr_html_())
    for word in (
        "Chain",
        "body = Chain",
        "Conv(",
        "BatchNorm(",
        "flatten",
        "Dense(? => 10)",
        "SkipConnection",
        "weight",
    ):
        assert word in text
    assert "(4, 1, 3, 3)" in text and "parameters" in text and "(10, 10)" in text


def test_a_layer_of_the_user_with_a_hostile_name():
    def f(x):
        return x

    f.__name__ = HOSTILE
    html = kn.nn.Chain(f, kn.nn.Dense(2, 2))._repr_html_()
    assert "<script" not in html and HOSTILE in read(html)


def test_a_model_function():
    @kn.model
    def f(x):
        return x @ kn.param(3, 2)

    f(np.ones((1, 3), "f4"))
    assert "(3, 2)" in read(f._repr_html_()) and "model f" in read(f._repr_html_())


# ----------------------------------------------------------------------------------------------------- batches


def test_minibatches():
    data = kn.minibatch(np.ones((100, 1, 8, 8), np.uint8), np.arange(100) % 10, 50, shuffle=True)
    text = read(data._repr_html_())
    assert "2 batches" in text and "(1, 8, 8)" in text and "uint8" in text and "<svg" in data._repr_html_()
    assert read(kn.minibatch(np.broadcast_to(np.float32(1), (10**9, 1000)), 10)._repr_html_())


def test_loaders_fetch_nothing():
    class Sequence:
        def __len__(self):
            return 7

        def __getitem__(self, i):
            raise AssertionError

    html = kn.DataLoader({HOSTILE: Sequence(), "y": np.zeros(7, "f4")}, 2)._repr_html_()
    assert "Sequence of 7" in read(html) and "float32" in read(html) and "<script" not in html
    begun = []
    stream = kn.DataLoader((begun.append(n) for n in range(3)), 2)
    assert "DataLoader" in read(stream._repr_html_()) and not begun
    assert "object" in read(kn.DataLoader(np.array(["a", {}], object), 1)._repr_html_())


# ------------------------------------------------------------------------------------------- pieces


def test_sparklines_keep_peaks_and_gaps():
    y = np.zeros(10_000)
    y[5000] = 1.0
    assert " 1.0" in pieces.sparkline(y) and len(pieces.sparkline(y)) < 4000
    assert pieces.sparkline([1, np.nan, 2, 3]).count("M") == 2
    assert pieces.sparkline([]) == "" == pieces.sparkline([np.nan])
    for odd in ([1e308, -1e308], [5e-324], [3.0, 3.0]):
        read(pieces.sparkline(odd))


def test_colours_are_the_notebooks():
    w = kn.param(3, 2)
    html = kn.tape(lambda: (w * w).sum())._repr_html_()
    colours = {part.split('"')[0] for key in ('fill="', 'stroke="') for part in html.split(key)[1:]}
    assert colours == {"none", "currentColor", "var(--jp-brand-color1, #1976d2)"}


def test_control_characters_do_not_survive():
    assert pieces.escape("a\x00\x1b[31m\u202eb") == "a\ufffd\ufffd[31m\ufffdb"
