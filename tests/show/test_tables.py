"""The html of a Param, of gradients and of a tape: escaped, well formed, small."""

import time
from html.parser import HTMLParser

import numpy as np
import pytest

import knetpy as kn
from knetpy.show import tables

HOSTILE = "<script>alert('x')</script>&\""


class Strict(HTMLParser):
    """Every tag closed by its own, nothing that could run."""

    def __init__(self):
        super().__init__()
        self.open, self.text = [], ""

    def handle_starttag(self, tag, attributes):
        assert tag in {"table", "thead", "tbody", "tr", "td", "th", "svg", "title", "path", "div", "details", "summary"}
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
        bars = tables.histogram(np.asarray(array)).split('d="')[1].split('"')[0]
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
    assert len(html) < 300_000 and f"{len(J.steps) - 200} more" in text and "300 more" in text
    assert "w[0]" in text and "w[499]" in text and "w[250]" not in text


def test_huge_arrays_are_sampled():
    p = kn.param(np.broadcast_to(np.float32(2), (3000, 4000)))
    begin = time.perf_counter()
    html = p._repr_html_()
    assert time.perf_counter() - begin < 1 and len(html) < 3000
    assert f"≈ {2 * np.sqrt(12e6):.4g}" in read(html)


def test_a_sample_is_spread_over_the_whole():
    array = np.arange(10.0**6).reshape(100, 100, 100)
    values = tables.sample(array)
    assert len(values) <= 100_000 and values[0] == 0 and values[-1] == 10**6 - 1 and abs(np.diff(values)).max() <= 11
    assert np.array_equal(tables.sample(array.T[:3]), array.T[:3].ravel())


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
