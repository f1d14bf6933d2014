"""What a browser makes of the displays: notebooks that are executed, exported and opened in Chromium.

Without Chromium these tests are skipped. KNETPY_SCREENSHOTS=FOLDER keeps pictures of the pages, to be looked at.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]

HOSTILE = "<img src=x onerror=window.hacked=1><script>window.hacked=1</script>"
CELLS = [
    "import numpy as np, knetpy as kn\n%load_ext knetpy\nnn = kn.nn\nkn.seed(1)",
    f"""def hostile(x):
    return x
hostile.__name__ = {HOSTILE!r}
net = nn.Chain(nn.Conv(1, 4, 3, kn.relu), nn.MaxPool(2), nn.flatten, hostile, nn.Dense(4 * 13 * 13, 10))
net""",
    "x, y = np.random.default_rng(0).random((64, 1, 28, 28), 'f4'), np.arange(64) % 10\n"
    "data = kn.minibatch(x, y, 16, shuffle=True)\ndata",
    "def loss(x, y):\n    return kn.nll(net(x), y)\nkn.grad(loss)(x, y)",
    "%%tape J\nscores = net(x)\nkn.nll(scores, y) + 1e-4 * sum(np.sum(p * p) for p in kn.params(net))",
    "%grad loss(x, y)",
    "kn.show.graph(J, depth=1)",
    f"kn.show.params({{{HOSTILE!r}: kn.params(net)}}, J)",
    """history = kn.History(accuracy=lambda: kn.accuracy(net(x), y))
batches = [batch for epoch in range(10) for batch in data]
for value in kn.progress(kn.show.history(history(kn.minimize(loss, batches, kn.Adam(lr=1e-2))), seconds=0.2)):
    pass""",
    "kn.show.images(x[:8], titles=y[:8])",
    "kn.show.filters(net.layers[0])",
    "kn.show.confusion(np.eye(10, dtype=int) * 5 + 1)",
    "kn.show.attention(np.eye(4)[None].repeat(4, 0), ['I', 'like', 'small', 'nets'])",
    "history",
]

# What the page looks like: how far the colours of texts and drawings are from what is behind them, and so on.
REPORT = """<pre id="report"></pre><script>
addEventListener("load", () => {
    const rgb = text => (text.match(/[0-9.]+/g) || []).map(Number)
    const light = c => c.slice(0, 3).map(v => v / 255).map(v => v <= 0.04 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0)
    const behind = e => {
        for (; e; e = e.parentElement) {
            const c = rgb(getComputedStyle(e).backgroundColor)
            if (c.length === 3 || c[3] > 0.5) return c
        }
        return [255, 255, 255]
    }
    const contrast = (e, key) => {
        const [a, b] = [light(rgb(getComputedStyle(e)[key])), light(behind(e))].sort()
        return (b + 0.05) / (a + 0.05)
    }
    const outputs = document.querySelectorAll(".jp-OutputArea-output")
    const all = selector => [...outputs].flatMap(o => [...o.querySelectorAll(selector)])
    const least = (selector, key) => Math.min(...all(selector).map(e => contrast(e, key)))
    document.getElementById("report").textContent = JSON.stringify({
        hacked: window.hacked || 0,
        tables: all("table").length,
        drawings: all("svg").length,
        empty: all("svg").filter(e => e.getBoundingClientRect().width < 10 && !e.closest("details:not([open])")).length,
        folded: all("details").length,
        images: all("img").map(e => e.naturalWidth),
        words: least("td", "color"),
        bars: least("td path[fill=currentColor]", "fill"),
        accents: least("td path[fill^=var]", "fill"),
        labels: least("svg text", "fill"),
        dark: light(behind(outputs[0])) < 0.2,
        text: all("table").map(e => e.innerText).join(" "),
    })
})
</script></body>"""


@pytest.fixture(scope="module")
def executed():
    """The notebook, with its outputs."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    for package in ("nbconvert", "matplotlib", "pygraphviz"):
        pytest.importorskip(package)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    return notebook


def chromium(*arguments, **options):
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, **options).stdout


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_exported_notebooks(executed, theme, tmp_path):
    from nbconvert import HTMLExporter

    body, _ = HTMLExporter(theme=theme, require_js_url="", mathjax_url="").from_notebook_node(executed)
    page = tmp_path / f"{theme}.html"
    page.write_text(body.replace("</body>", REPORT), encoding="utf-8")
    found = chromium("--dump-dom", "--virtual-time-budget=5000", page.as_uri())
    report = json.loads(
        re.search(r'<pre id="report">(.*?)</pre>', found, re.DOTALL)[1]
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
    )
    if "KNETPY_SCREENSHOTS" in os.environ:
        folder = Path(os.environ["KNETPY_SCREENSHOTS"])
        folder.mkdir(parents=True, exist_ok=True)
        chromium("--window-size=1200,9000", f"--screenshot={folder / f'exported-{theme}.png'}", page.as_uri())
    assert report["hacked"] == 0 and HOSTILE in report["text"]
    assert report["dark"] == (theme == "dark")
    assert report["tables"] >= 10 and report["drawings"] >= 40 and report["empty"] == 0 and report["folded"] >= 4
    assert len(report["images"]) >= 6 and min(report["images"]) > 100
    assert report["words"] > 4.5 and report["labels"] > 4.5  # of the guidelines for readable texts; for drawings 3
    assert report["bars"] > 3 and report["accents"] > 3
    for word in ("Conv(1 => 4, 3x3, relu)", "layers[0].weight", "ms back", "accuracy", "40 steps"):
        assert word in report["text"], word
