"""The picture of a tape: its nodes, arrows and boxes, and how large ones stay small."""

import re
import time
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import knetpy as kn
from knetpy.show.svg import quoted

pytest.importorskip("pygraphviz")

HOSTILE = "<script>alert('x')</script>&\"\\N\n\\"


def test_labels_are_cut():  # Graphviz reads no string of 16 KiB
    w = {"x" * 10**5: kn.param([1.0])}
    graph = kn.show.graph(kn.tape(lambda: sum(p.sum() for p in w.values())))
    assert "xxx" in graph.svg and len(graph.source) < 3000


def square(x):
    return x * x


def loss_of(w, b):
    def loss(x):
        h = np.tanh(x @ w + b)
        return square(h).sum() + square(b).sum()

    return loss


@pytest.fixture
def tape():
    w, b = kn.param(3, 2), kn.param0(2)
    return kn.tape(loss_of(w, b), np.ones((4, 3), "f4"))


def nodes(graph):
    """{name of a node: its label}."""
    return dict(re.findall(r'^\s+(\w+) \[label="(.*?)" ', graph.source, re.MULTILINE))


def arrows(graph):
    return re.findall(r"^\s+(\w+) -> (\w+)$", graph.source, re.MULTILINE)


def ops(graph):
    found = nodes(graph)
    return sorted((found[a].split(r"\n")[0], found[b].split(r"\n")[0]) for a, b in arrows(graph))


def test_steps_know_their_operands_and_functions(tape):
    steps = tape.steps
    made = [(s.op, tuple(i if isinstance(i, int) else getattr(i, "shape", i) for i in s.inputs)) for s in steps]
    assert made == [
        ("matmul", ("(4, 3) float32", (3, 2))),
        ("add", (0, (2,))),
        ("tanh", (1,)),
        ("multiply", (2, 2)),
        ("sum", (3,)),
        ("multiply", ((2,), (2,))),
        ("sum", (5,)),
        ("add", (4, 6)),
    ]
    names = [[name for name, _ in s.functions] for s in steps]
    assert names[0] == ["loss"] and names[3] == ["loss", "square"] == names[5]
    assert steps[3].functions != steps[5].functions  # two runs of it
    assert all(s.forward > 0 for s in steps) and all(s.backward > 0 for s in steps)


def test_layers_are_functions_and_our_own_are_not():
    net = kn.nn.Chain(kn.nn.Dense(3, 4, kn.relu), kn.nn.Dense(4, 1))
    J = kn.tape(lambda x: net(x).sum(), np.ones((2, 3), "f4"))
    assert [[name for name, _ in s.functions] for s in J.steps][0] == ["<lambda>", "Chain", "Dense"]
    assert J.steps[-1].functions == J.steps[0].functions[:1]


def test_nodes_and_arrows(tape):
    graph = kn.show.graph(tape)
    labels = nodes(graph)
    assert len(labels) == 8 + 2 + 1
    matmul = next(label for label in labels.values() if label.startswith("matmul"))
    assert r"\n(4, 2)  32 bytes\ntest_callgraph.py:" in matmul and "h = np.tanh(" in matmul
    assert ops(graph) == [
        ("(4, 3) float32", "matmul"), ("add", "tanh"), ("b", "add"), ("b", "multiply"), ("matmul", "add"),
        ("multiply", "sum"), ("multiply", "sum"), ("sum", "add"), ("sum", "add"), ("tanh", "multiply"), ("w", "matmul"),
    ]  # fmt: skip
    assert graph.source.count("subgraph") == 2


def test_closed_functions(tape):
    graph = kn.show.graph(tape, depth=0)
    assert graph.source.count("subgraph") == 0
    assert ("square ▸", "sum") in ops(graph) and ("tanh", "square ▸") in ops(graph)
    html = graph._repr_html_()
    assert html.count("<summary>square: 1 call, ") == 2 and html.count("<svg") == 3


def test_it_is_a_picture_of_its_own_colours(tape, tmp_path):
    graph = kn.show.graph(tape)
    root = ET.fromstring(graph.svg.replace("xlink:", ""))
    words = {element.text for element in root.iter() if element.tag.endswith("text")}
    assert {"matmul", "tanh", "square", "w", "b"} <= words
    assert "black" not in graph.svg and "currentColor" in graph.svg and " id=" not in graph.svg
    assert any("norm of the gradient" in (e.text or "") for e in root.iter() if e.tag.endswith("title"))
    graph.save(tmp_path / "graph.svg")
    assert "currentColor" not in (tmp_path / "graph.svg").read_text(encoding="utf-8")
    assert repr(graph).startswith("graph of 8 calls")


def test_hostile_names():
    def f():
        return (w[HOSTILE] * 2.0).sum()

    w = {HOSTILE: kn.param([1.0])}
    f.__code__ = f.__code__.replace(co_name=HOSTILE)
    html = kn.show.graph(kn.tape(lambda: f()), depth=0)._repr_html_()
    assert "<script" not in html and "&lt;script&gt;" in html
    assert quoted('a"\\\n') == r'"a&quot;\\ "'


def recurrent(steps):
    w = kn.param(4, 4)

    def cell(h, x):
        return np.tanh(h @ w + x)

    def run(x):
        h, states = np.zeros((2, 4), "f4"), []
        for t in range(steps):
            h = cell(h, x[t])
            states.append(h)
        return np.stack(states).sum()

    return kn.tape(run, np.ones((steps, 2, 4), "f4"))


def test_large_tapes_stay_small():
    J = recurrent(400)
    begin = time.perf_counter()
    graph = kn.show.graph(J)
    assert len(nodes(graph)) == 101 and re.search(r"… \d+ more …", graph.source)
    html = graph._repr_html_()
    assert html.count("<svg") == 31 and "more functions" in html and len(html) < 1_500_000
    assert time.perf_counter() - begin < 20


def test_a_param_that_all_use_is_named_in_them():
    graph = kn.show.graph(recurrent(10))
    assert "with w (4, 4)" in graph.source and not [label for label in nodes(graph).values() if label.startswith("w")]


def test_odd_tapes():
    w = kn.param([1.0])
    assert kn.show.graph(kn.tape(lambda: w[0]))._repr_html_()
    assert kn.show.graph(kn.tape(lambda: kn.grad(lambda: (w * w).sum())()[w].sum()))._repr_html_()


def test_copies_of_tapes(tape):
    import pickle

    assert nodes(kn.show.graph(pickle.loads(pickle.dumps(tape)))).keys() >= {"s0", "s7"}


def test_what_is_refused(tape, monkeypatch):
    with pytest.raises(TypeError, match="show.graph: tape must be what kn.tape"):
        kn.show.graph(kn.grad(lambda x: x * x, 0))
    with pytest.raises(ValueError, match="depth"):
        kn.show.graph(tape, depth=-1)
    monkeypatch.setattr("knetpy.show.svg.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'knetpy\[graph\]'"):
        kn.show.graph(tape)
