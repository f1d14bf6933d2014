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
from contextlib import closing, contextmanager
from importlib.util import find_spec
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
def running(log, *command, **options):
    """A process that writes into a file, for a pipe that nobody empties would stop it."""
    with open(log, "w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, **options)
        try:
            yield
        finally:
            process.terminate()
            process.wait(20)


def found_in(log, pattern, seconds=60):
    """What a pattern finds in what a process writes."""
    end = time.monotonic() + seconds
    while not (found := re.search(pattern, log.read_text())):
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.2)
    return found[1]


class Page:
    """A page of Chromium, told what to do over its debugging protocol."""

    def __init__(self, address):
        import websocket  # a part of JupyterLab's server

        host = re.search(r"//(.*?)/", address)[1]
        with urllib.request.urlopen(f"http://{host}/json") as answer:
            page = next(target for target in json.load(answer) if target["type"] == "page")
        self.socket = websocket.create_connection(page["webSocketDebuggerUrl"], suppress_origin=True, timeout=60)
        self.count = 0

    def close(self):
        self.socket.close()

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

    def wait(self, script, seconds=30):
        end = time.monotonic() + seconds
        while not self.run(script):
            if time.monotonic() > end:
                self.picture("lab-stuck.png")
                raise AssertionError(f"{script} stays false; the page says: {self.run('document.body.innerText')}")
            time.sleep(0.2)

    def picture(self, name):
        if "KNETPY_SCREENSHOTS" in os.environ:
            shot = self.ask("Page.captureScreenshot")["data"]
            Path(os.environ["KNETPY_SCREENSHOTS"], name).write_bytes(base64.b64decode(shot))


@pytest.fixture
def lab(tmp_path):
    """A page of JupyterLab with the notebook open."""
    nbformat = pytest.importorskip("nbformat")
    if not (find_spec("jupyterlab") and find_spec("websocket")):
        pytest.skip("no JupyterLab beside these tests; pip install 'knetpy[notebook]' brings it")
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
    logs = tmp_path / "server.log", tmp_path / "browser.log"
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1200,900", "--remote-debugging-port=0"]
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    with (
        running(logs[0], *command, *options, env=os.environ | own, cwd=tmp_path),
        running(logs[1], CHROMIUM, *flags, profile, "about:blank"),
        closing(Page(found_in(logs[1], r"listening on (ws://\S+)"))) as page,
    ):
        address = found_in(logs[0], r"(http://(?:127\.0\.0\.1|localhost):[1-9]\d*/)lab")
        page.ask("Emulation.setFocusEmulationEnabled", enabled=True)  # else no notebook is the current one
        page.ask("Page.navigate", url=f"{address}lab/tree/training.ipynb?token=t")
        page.wait("!!(window.jupyterapp && document.querySelector('.jp-Notebook .jp-CodeCell'))")
        page.run("jupyterapp.shell.activateById([...jupyterapp.shell.widgets('main')][0].id)")
        page.wait("jupyterapp.shell.currentWidget?.context?.sessionContext?.kernelDisplayStatus === 'idle'")
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
