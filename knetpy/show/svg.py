"""Graphs as SVG, laid out by Graphviz, in the colours of the notebook."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from .pieces import cut, escape

EXTRA = "pip install 'knetpy[graph]'"
STYLES = {  # of a node by its kind; grey with little of it is seen on white and on black
    "call": 'style="rounded"',
    "function": 'style="rounded,filled" fillcolor="#7f7f7f30" penwidth=1.6',
    "param": 'style="filled" fillcolor="#1976d238" color="#1976d2"',
    "array": 'style="dashed,rounded" color="#7f7f7f"',
    "more": 'shape="plaintext"',
}
HASTE = "nslimit=2 nslimit1=2 mclimit=0.3"  # a large picture need not be the best one
LABEL = 80  # characters of a line
FONT = "Helvetica,Arial,sans-serif"


class Picture:
    """Nodes in boxes within boxes, and arrows between them: what Graphviz is told."""

    def __init__(self, level: int, nodes: dict[str, Any], edges: list[tuple[str, str]]):
        """`level` is how deep the path of a node in the outermost box is."""
        self.nodes, self.edges, self.level = nodes, edges, level

    @property
    def source(self) -> str:
        """The picture in DOT."""
        lines = [
            "digraph {",
            f'  graph [bgcolor="transparent" fontname="{FONT}" fontsize=11 ranksep=0.3 nodesep=0.2 {HASTE}]',
            f'  node [shape="box" fontname="{FONT}" fontsize=10 margin="0.12,0.05" height=0.2]',
            '  edge [arrowsize=0.6 color="#7f7f7f"]',
            *self._box(list(self.nodes), self.level),
            *[f"  {a} -> {b}" for a, b in self.edges],
            "}",
        ]
        return "\n".join(lines)

    def _box(self, names: list[str], level: int) -> Iterator[str]:
        """The nodes that are in a box, and the boxes within it, in the order in which they were called."""
        boxes: dict[tuple, list[str]] = {}
        for name in names:
            path = self.nodes[name].path
            if len(path) <= level:
                yield self._node(name)
            else:
                boxes.setdefault(path[level], []).append(name)
        for (function, number), inside in boxes.items():
            yield f"  subgraph cluster_{number} {{"
            yield f'  label={quoted(function)} labeljust="l" style="rounded" color="#7f7f7f"'
            yield from self._box(inside, level + 1)
            yield "  }"

    def _node(self, name: str) -> str:
        node = self.nodes[name]
        return f"  {name} [label={quoted(*node.lines)} {STYLES[node.kind]}]"


def quoted(*lines: str) -> str:
    """Lines of a label as DOT writes them, whatever is in them; Graphviz reads no string of 16 KiB."""
    return '"' + r"\n".join([escape(cut(text, LABEL)).replace("\\", r"\\").replace("\n", " ") for text in lines]) + '"'


def svg(picture: Picture) -> str:
    """The picture as SVG that stands in html: what is black takes the colour of the text around it."""
    needs_graphviz()
    from pygraphviz import AGraph

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fonts that are not there: the browser has its own
        text = AGraph(string=picture.source).draw(format="svg", prog="dot").decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<!--.*?-->\n?", "", text, flags=re.DOTALL)
    text = re.sub(r' id="[^"]*"', "", text)  # there may be several on a page
    text = re.sub(r"<title>(.*?)</title>\n?", lambda found: _title(picture, found[1]), text)
    text = re.sub(r'(fill|stroke)="black"', r'\1="currentColor"', text)
    return text.replace("<svg ", '<svg fill="currentColor" style="max-width:100%;height:auto" ', 1)


def _title(picture: Picture, name: str) -> str:
    """What is told of a node when the mouse is over it; nothing of arrows and boxes."""
    return f"<title>{escape(picture.nodes[name].told)}</title>" if name in picture.nodes else ""


def needs_graphviz() -> None:
    """Raise an error that names the extra if Graphviz is missing."""
    if not find_spec("pygraphviz"):
        raise ImportError(f"show.graph needs Graphviz, which pygraphviz brings: {EXTRA}")
