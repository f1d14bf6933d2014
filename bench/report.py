"""What the bench prints and draws: the machine, tables, the picture."""

from __future__ import annotations

import datetime
import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from math import ceil, floor, log2
from pathlib import Path

PACKAGES = ("knetpy", "numpy", "numba", "torch", "jax", "autograd", "mlx")
COLORS = {"knetpy": "#2a78d6", "PyTorch": "#404040"}
MARKS = {"torch.compile": "s", "JAX": "^", "autograd": "v", "MLX": "D"}


def machine():
    """One line that says where and with what the numbers were taken."""
    packages = []
    for name in PACKAGES:
        try:
            packages.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            pass
    python = f"Python {platform.python_version()}"
    return f"{processor()}; {', '.join([python, *packages])}; {datetime.date.today()}"


def processor():
    """The CPU's name, how many of them this process may use, and the widest vectors."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return f"{platform.processor() or platform.machine()}, {count} CPUs"
    name = re.search(r"model name\s*: (.*)", text)
    vectors = [v for v in ("avx512f", "avx2", "avx") if re.search(rf"\b{v}\b", text)]
    return f"{name.group(1).strip() if name else platform.machine()}, {', '.join([f'{count} CPUs', *vectors[:1]])}"


def table(header, rows, markdown=False):
    """The text of a table of strings; the first column is on the left, the others on the right."""
    rows = [[str(cell) for cell in row] for row in rows]
    if markdown:
        rule = ["---", *["---:"] * (len(header) - 1)]
        return "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *rows))
    wide = [max(map(len, column)) for column in zip(header, *rows)]
    lines = [
        [cell.rjust(w) if k else cell.ljust(w) for k, (cell, w) in enumerate(zip(r, wide))] for r in (header, *rows)
    ]
    return "\n".join("  ".join(line) for line in lines)


def milliseconds(seconds):
    """Three digits, as far as a person looks."""
    return f"{seconds * 1e3:.3g}" if seconds < 1 else f"{seconds * 1e3:.0f}"


def picture(rows, path, text):
    """Log-scale bars, one per workload, of the time of a step relative to PyTorch eager; marks show other peers."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    rows = [row for row in rows if "PyTorch" in row["median"]]
    counts = sorted({row["threads"] for row in rows})
    figure, axes = plt.subplots(1, len(counts) or 1, sharey=True, figsize=(9, 4.2), squeeze=False, layout="constrained")
    for axis, threads in zip(axes[0], counts):
        panel(axis, [row for row in rows if row["threads"] == threads], threads)
    if counts:
        handles, labels = axes[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    figure.supxlabel(text.replace("; ", "\n"), fontsize=6, color="#606060")
    figure.savefig(path, dpi=160)
    plt.close(figure)


def panel(axis, rows, threads):
    places = range(len(rows))
    ratios = [row["ratio"]["PyTorch"] for row in rows]
    axis.barh(places, [r - 1 for r in ratios], left=1, height=0.6, color=COLORS["knetpy"], label="knetpy")
    for place, ratio in zip(places, ratios):
        axis.annotate(
            f"{ratio:.2f}", (ratio, place), xytext=(-3 if ratio < 1 else 3, 0), textcoords="offset points",
            ha="right" if ratio < 1 else "left", va="center", fontsize=8,
        )  # fmt: skip
    axis.axvline(1, color=COLORS["PyTorch"], linewidth=1.5, label="PyTorch eager")
    reach = [0.25, 4, *ratios]
    for peer, mark in MARKS.items():
        found = {place: row["ratio"] for place, row in zip(places, rows) if peer in row["ratio"]}
        of_torch = [ratio["PyTorch"] / ratio[peer] for ratio in found.values()]
        if found:
            axis.plot(of_torch, list(found), mark, markersize=4, linestyle="", label=peer, alpha=0.8)
            reach += of_torch
    axis.set_xscale("log", base=2)
    axis.set_xlim(min(reach) / 1.3, max(reach) * 1.2)
    powers = range(ceil(log2(min(reach))), floor(log2(max(reach))) + 1)
    axis.set_xticks([2.0**k for k in powers], [f"1/{2**-k}" if k < 0 else f"{2**k}" for k in powers])
    axis.set_yticks(places, [row["workload"] for row in rows])
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xlabel(f"time of a step, PyTorch eager = 1; {threads} thread{'s' if threads > 1 else ''}", fontsize=8)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(axis="y", length=0)
