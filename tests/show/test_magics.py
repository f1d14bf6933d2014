"""`%load_ext knetpy`: what the magics run, show and leave behind."""

import numpy as np
import pytest

import knetpy as kn

pytest.importorskip("IPython")


@pytest.fixture
def shell():
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "knetpy")
    shell.push({"np": np, "kn": kn, "w": kn.param([1.0, 2.0]), "x": np.array([3.0, 4.0]), "y": np.array([5.0, 6.0])})
    yield shell
    InteractiveShell.clear_instance()


def run(shell, cell):
    found = shell.run_cell(cell)
    found.raise_error()
    return found.result


def test_tape(shell):
    shown = run(shell, "%%tape J\nh = w * w\nparts = [h, {'a': h + 1}]\nn = 3\nh.sum()")
    J = shell.user_ns["J"]
    assert shown.tape is J and kn.value(J) == 5 and [s.op for s in J.steps] == ["multiply", "add", "sum"]
    space = shell.user_ns
    assert type(space["h"]) is np.ndarray and type(space["parts"][1]["a"]) is np.ndarray and space["n"] == 3
    assert ":1, in <module>: h = w * w" in J.steps[0].line and "In[" in J.steps[0].line
    html = shown._repr_html_()
    assert "by op" in html and "multiply" in html and "ms back" in html and repr(shown) == repr(J)
    assert np.allclose(J[space["w"]], [2, 4]) and list(J.named()) == ["w"]


def test_tape_shows_the_graph_where_it_can(shell, monkeypatch):
    shown = run(shell, "%%tape\n(w * w).sum()")
    monkeypatch.setattr("knetpy.show.magics.find_spec", lambda name: None)
    assert "knetpy[graph]" in shown._repr_html_()
    pytest.importorskip("pygraphviz")
    monkeypatch.undo()
    assert "<summary>graph</summary>" in shown._repr_html_()
    monkeypatch.setattr("pygraphviz.AGraph.draw", lambda *_, **__: 1 / 0)
    assert "by op" in shown._repr_html_() and "no graph: division by zero" in shown._repr_html_()


def test_a_failing_cell_leaves_no_results(shell):
    with pytest.raises(ZeroDivisionError):
        run(shell, "%%tape\nh = w * w\n1 / 0\nh.sum()")
    assert type(shell.user_ns["h"]) is np.ndarray


def test_magics_and_functions_inside_of_a_cell(shell):
    run(shell, "%%tape J\ndef f(v):\n    return v * v\nhere = %pwd\nf(w).sum()")
    J = shell.user_ns["J"]
    assert [name for name, _ in J.steps[0].functions][-1] == "f" and shell.user_ns["here"]


@pytest.mark.parametrize(
    "cell", ["%%tape\n# nothing", "%%tape\nh = w", "%%tape a b\n(w * w).sum()", "%%tape if\nw.sum()"]
)
def test_cells_that_are_no_loss(shell, cell):
    with pytest.raises(SyntaxError, match="%%tape"):
        run(shell, cell)


def test_a_cell_that_is_no_scalar(shell):
    with pytest.raises(kn.DerivativeError, match="^the cell returned shape .* needs a scalar"):
        run(shell, "%%tape\nw * w")


def test_a_cell_without_derivative(shell):
    shown = run(shell, "%%tape\nx.sum()")
    for text in (repr(shown), shown._repr_html_()):
        assert "value 7.0: no param was touched" in text


def test_names_are_not_found_through_the_shell(shell):
    run(shell, "(w * w).sum()")
    assert list(run(shell, "%%tape\n%pwd\nw.sum()").tape.named()) == ["w"]


def test_grad_by_params(shell):
    g = run(shell, "%grad (w * w).sum()")
    assert isinstance(g, kn.Gradients) and g[shell.user_ns["w"]].tolist() == [2, 4] and list(g.named()) == ["w"]
    assert run(shell, "g = %grad (w * 3.0).sum()\ng[w]").tolist() == [3, 3]


def test_grad_by_names(shell):
    assert run(shell, "%grad x: np.sum(x * y)").tolist() == [5, 6]
    both = run(shell, "%grad x, y: np.sum(x * y)")
    assert both["x"].tolist() == [5, 6] and both["y"].tolist() == [3, 4]
    assert type(shell.user_ns["x"]) is np.ndarray


@pytest.mark.parametrize(
    "line, error, message",
    [
        ("%grad", SyntaxError, "%grad takes a loss"),
        ("%grad z: np.sum(z)", NameError, "name 'z' is not defined"),
        ("%grad np.sum(x)", kn.DerivativeError, r"np.sum\(x\) touched no param; .* %grad x, y: ..."),
        ("%grad w * w", kn.DerivativeError, r"^w \* w returned shape \(2,\), a gradient needs a scalar"),
        ("%grad x: x * x", kn.DerivativeError, r"^x \* x returned shape \(2,\), a gradient needs a scalar"),
        ("%grad lambda: 3.0", SyntaxError, "%grad takes a loss"),
    ],
)
def test_what_is_refused(shell, line, error, message):
    with pytest.raises(error, match=message):
        run(shell, line)
