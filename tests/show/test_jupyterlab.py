"""Curves and progress of a training in JupyterLab: they change while the cell runs, seen in Chromium.

Without Chromium or JupyterLab these tests are skipped. KNETPY_SCREENSHOTS=FOLDER keeps pictures.
"""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]

TRAINING = """import time
import numpy as np, knetpy as kn
w = kn.param(np.ones(4))
history = kn.History(norm=lambda: np.linalg.norm(w.value))
losses = history(kn.minimize(lambda: (w * w).sum(), [()] * 120, kn.SGD(lr=0.01)))
for loss in kn.progress(kn.show.history(losses, seconds=0.2)):
    time.sleep(0.05)
"""
SEEN = """(() => {
    const text = [...document.querySelectorAll(".jp-OutputArea-output")].map(e => e.innerText).join("\\n")
    const pictures = [...document.querySelectorAll(".jp-OutputArea-output img")].map(e => e.src.length)
    return JSON.stringify({text, pictures})
})()"""


@contextmanager
def running(*command, **options):
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def line_with(process, pattern):
    """What a pattern finds in the lines that a process writes."""
    for line in process.stdout:
        if found := re.search(pattern, line):
            return found[1]
    raise AssertionError(f"{process.args[0]} ended")


class Page:
    """A page of Chromium, told what to do over its debugging protocol."""

    def __init__(self, address):
        websocket = pytest.importorskip("websocket")
        host = re.search(r"//(.*?)/", address)[1]
        with urllib.request.urlopen(f"http://{host}/json") as answer:
            page = next(target for target in json.load(answer) if target["type"] == "page")
        self.socket = websocket.create_connection(page["webSocketDebuggerUrl"], suppress_origin=True, timeout=60)
        self.count = 0

    def ask(self, method, **parameters):
        self.count += 1
        self.socket.send(json.dumps({"id": self.count, "method": method, "params": parameters}))
        while (answer := json.loads(self.socket.recv())).get("id") != self.count:
            pass
        return answer["result"]

    def run(self, script):
        return self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)["result"].get(
            "value"
        )

    def wait(self, script, seconds=60):
        end = time.monotonic() + seconds
        while not self.run(script):
            assert time.monotonic() < end, script
            time.sleep(0.2)

    def picture(self, name):
        if "KNETPY_SCREENSHOTS" in os.environ:
            shot = self.ask("Page.captureScreenshot")["data"]
            Path(os.environ["KNETPY_SCREENSHOTS"], name).write_bytes(base64.b64decode(shot))


@pytest.fixture
def lab(tmp_path):
    """A page of JupyterLab with the notebook open."""
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("jupyterlab")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(TRAINING)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, tmp_path / "training.ipynb")
    own = {f"JUPYTER_{kind}_DIR": str(tmp_path / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    own["JUPYTERLAB_SETTINGS_DIR"] = str(tmp_path / "settings")
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        "--allow-root",
        "--port=0",
        "--expose-app-in-browser",
    ]
    options = ["--IdentityProvider.token=t", f"--ServerApp.root_dir={tmp_path}", "--ServerApp.open_browser=False"]
    with ExitStack() as stack:
        server = stack.enter_context(running(*command, *options, env=os.environ | own, cwd=tmp_path))
        address = line_with(server, r"(http://(?:127\.0\.0\.1|localhost):[1-9]\d*/)lab")
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1200,900", "--remote-debugging-port=0"]
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        browser = stack.enter_context(running(CHROMIUM, *flags, profile, "about:blank"))
        page = Page(line_with(browser, r"listening on (ws://\S+)"))
        page.ask("Page.navigate", url=f"{address}lab/tree/training.ipynb?token=t")
        page.wait("!!(window.jupyterapp && document.querySelector('.jp-Notebook .jp-CodeCell'))")
        page.wait("jupyterapp.shell.currentWidget?.context?.sessionContext?.session?.kernel?.status === 'idle'")
        yield page


def test_curves_and_progress_move(lab):
    lab.run("void jupyterapp.commands.execute('notebook:run-all-cells')")
    states, end = [], time.monotonic() + 90
    while time.monotonic() < end:
        state = json.loads(lab.run(SEEN))
        if not states or state != states[-1]:
            states.append(state)
            lab.picture(f"lab-{min(len(states), 9)}.png")
        if "120 steps" in state["text"] and "120/120" in state["text"]:
            break
        time.sleep(0.3)
    text = states[-1]["text"]
    steps = [int(found[1].replace(",", "")) for s in states if (found := re.search(r"(\d+) steps", s["text"]))]
    done = [int(found[1]) for s in states if (found := re.search(r"(\d+)/120", s["text"]))]
    assert steps == sorted(steps) and steps[-1] == 120 and len(set(steps)) > 3, text
    assert done == sorted(done) and done[-1] == 120 and len(set(done)) > 3, text
    assert "norm" in text and "loss" in text and states[-1]["pictures"], text
    lab.run("void jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
    lab.wait("document.body.dataset.jpThemeLight === 'false'")
    time.sleep(1)
    lab.picture("lab-dark.png")
