"""How long does a training step take beside other libraries? `python -m bench.run`, from the repository's root.

The same models run everywhere (`workloads.py`), from the same weights on the same data, and their first three losses
agree to 1e-4 before any clock starts. Every library has a process of its own, pinned to as many CPUs as it has threads;
they take turns of a tenth of a second (`turns.py`). How to read a row: "ms" is the median over the turns, "least" the
fastest step of all, "ratio" the median over the rounds of knetpy's time divided by PyTorch's in the same round (less
than 1: knetpy is faster), "bar" the ratio that knetpy has to reach, "of peak" which share each of the two reaches of
this machine's own rate of matrix products (1024 x 1024, the faster of the two in this run). On a machine that does
other work use `--threads 1 --clock cpu`. Needs the `bench` extra; jax and mlx[cpu] are measured where they are there.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from contextlib import contextmanager
from functools import partial

from bench import report, sweep, tasks
from bench.turns import SIDES, Player, Remote, agreed, enter, race
from bench.workloads import SIZES, WORKLOADS

BARS = {
    "mlp": 0.8, "lenet": 0.5, "vgg": 0.9, "resnet20": 0.8, "charlstm": 0.95, "gpt": 0.9, "tinyops": 0.7, "infer1": 0.6,
}  # fmt: skip
SWEEP_BAR, SWEEP_WORST, MEMORY_BAR, MEMORY_LEAST = 1.0, 1.6, 1.0, 5 << 20
BATCHES, DEPTHS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512), (1, 2, 4, 8, 16, 32, 64)
PAIR, PEERS = ["knetpy", "PyTorch"], list(SIDES)[1:]
USUAL = ["PyTorch", "JAX", "autograd"]  # the others compile for minutes


class Bench:
    """The measurements; each prints a table and leaves its rows in `found`."""

    def __init__(self, options):
        self.options, self.found = options, {}
        self.tiny = options.sizes == "tiny"
        self.chosen = {name: (name, self.sizes(name)) for name in WORKLOADS if name in options.only}

    def sizes(self, workload):
        return SIZES[self.options.sizes].get(workload, {})

    def say(self, text):
        print(text, flush=True)

    def show(self, title, header, rows):
        self.say(f"\n{title}\n\n{report.table(header, rows, self.options.markdown)}\n")

    @contextmanager
    def entered(self, names, threads, build):
        player = Player if self.options.same_process else Remote
        players = enter(names, threads, build, self.options.clock, player, self.say)
        yield players
        for player in players:
            player.close()

    def row(self, players, key, share=1.0, turn=0.1):
        """What the players took for a key: median, least, and the ratio of knetpy to each other."""
        times = race(agreed(players, key, say=self.say), self.options.seconds * share, turn)
        return {
            "median": {side: t.median for side, t in times.items()},
            "least": {side: t.least for side, t in times.items()},
            "ratio": {side: times["knetpy"].ratio(t) for side, t in times.items() if side != "knetpy"},
        }

    def values(self, name, build, chosen):
        """What the functions of one side return, as numbers by key; {} if it is absent."""
        with self.entered([name], 1, partial(build, chosen)) as players:
            return {key: float(player.results(key, 1)[0][0]) for player in players for key in chosen}

    def rows(self, build, keys, share, turn):
        """A row of knetpy and PyTorch for each number of threads and key."""
        for threads in self.options.threads:
            with self.entered(PAIR, threads, build) as players:
                for key in keys:
                    yield {"threads": threads, **self.row(players, key, share, turn), "key": key}

    # ------------------------------------------------------------------------------------------------- the table

    def workloads(self):
        rows, flops = [], self.values("knetpy", tasks.counts, self.chosen)
        size = 64 if self.tiny else 1024
        build = partial(tasks.steps, {**self.chosen, "matmul": ("matmul", {"size": size})})
        for threads in self.options.threads:
            with self.entered(["knetpy", *self.options.peers], threads, build) as players:
                peak = 2 * size**3 / min(self.row(players[:2], "matmul")["least"].values())
                for name in self.chosen:
                    row = {"threads": threads, "workload": name, "flops": flops[name], "peak": peak}
                    rows.append({**row, **self.row(players, name)})
                    self.say(f"{name}, threads: {threads}, knetpy's time over that of {said(rows[-1]['ratio'])}")
        self.found["workloads"] = rows
        peers = [side for side in SIDES if side not in PAIR and any(side in row["median"] for row in rows)]
        header = ["workload", "threads", "knetpy ms", "least", "PyTorch ms", "least", "ratio", "bar", "of peak"]
        self.show(
            f"Time of a training step, {self.options.sizes} sizes; infer1 is a forward pass",
            [*header, *[f"{peer} ms" for peer in peers]],
            [workload_row(row, peers) for row in rows],
        )

    # ------------------------------------------------------------------------------------------------- the others

    def convolutions(self):
        shapes = sweep.TINY if self.tiny else sweep.SHAPES
        build = partial(sweep.functions, shapes, self.options.contiguous)
        keys = [(shape, part) for shape in shapes for part in sweep.PARTS]
        rows = self.found["sweep"] = list(self.rows(build, keys, 1 / 8, 0.03))
        layout = "all arrays in C order" if self.options.contiguous else "each side in its own memory order"
        header = ["convolution", "part", "threads", "knetpy ms", "PyTorch ms", "ratio"]
        self.show(f"Convolutions, {layout}", header, [[*r["key"], r["threads"], *pair(r)] for r in rows])
        for threads in self.options.threads:
            of = [r for r in rows if r["threads"] == threads and "PyTorch" in r["ratio"]]
            for part in ("all", *sweep.PARTS):
                ratios = {r["key"]: r["ratio"]["PyTorch"] for r in of if part in ("all", r["key"][1])}
                if ratios:
                    mean, worst = statistics.geometric_mean(ratios.values()), max(ratios, key=ratios.get)
                    self.say(
                        f"threads: {threads}, {part}: geometric mean {mean:.2f} (bar {SWEEP_BAR}); worst {worst[0]} "
                        f"{worst[1]} {ratios[worst]:.2f}; {sum(r > SWEEP_WORST for r in ratios.values())} of "
                        f"{len(ratios)} above {SWEEP_WORST}"
                    )

    def memory(self):
        found, cells = {side: self.values(side, tasks.peaks, self.chosen) for side in PAIR}, []
        for name in self.chosen:
            ours, theirs = [found[side].get(name) for side in PAIR]
            bar = MEMORY_BAR if theirs and max(ours, theirs) > MEMORY_LEAST else "-"
            both = [f"{bytes / 2**20:.2f}" if bytes is not None else "-" for bytes in (ours, theirs)]
            cells.append([name, *both, f"{ours / theirs:.2f}" if theirs else "-", bar])
        self.found["memory"] = found
        title = "Peak memory of a step above params, gradients, optimizer state and batch"
        self.show(title, ["workload", "knetpy MiB", "PyTorch MiB", "ratio", "bar"], cells)

    def scaling(self):
        few, chosen = 2 if self.tiny else None, {}
        for name in ("mlp", "lenet"):
            for n in BATCHES[:few]:
                chosen[f"{name}, batch {n}"] = name, {**self.sizes(name), "batch": n}
        for n in DEPTHS[:few]:
            chosen[f"mlp, 64 wide, {n} hidden"] = "mlp", {"batch": 100, "sizes": (64,) * (n + 1) + (10,)}
        rows = self.found["scaling"] = list(self.rows(partial(tasks.steps, chosen), chosen, 1 / 4, 0.05))
        header = ["training step", "threads", "knetpy ms", "PyTorch ms", "ratio"]
        self.show("Cost against batch size and depth", header, [[r["key"], r["threads"], *pair(r)] for r in rows])


def said(ratios):
    return ", ".join(f"{side} {ratio:.2f}" for side, ratio in ratios.items()) or "nobody"


def pair(row):
    """knetpy's time, PyTorch's and the ratio, as text."""
    times = [report.milliseconds(row["median"][side]) if side in row["median"] else "-" for side in PAIR]
    return [*times, f"{row['ratio']['PyTorch']:.2f}" if "PyTorch" in row["ratio"] else "-"]


def workload_row(row, peers):
    def ms(kind, side):
        return report.milliseconds(row[kind][side]) if side in row[kind] else "-"

    both = [cell for side in PAIR for cell in (ms("median", side), ms("least", side))]
    peak = " ".join(f"{row['flops'] / row['median'][side] / row['peak']:.0%}" for side in PAIR if side in row["median"])
    name = row["workload"]
    return [
        name, row["threads"], *both, pair(row)[-1], BARS[name], peak if row["flops"] > 1e7 else "-",
        *[ms("median", peer) for peer in peers],
    ]  # fmt: skip


def command_line():
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("--only", nargs="+", choices=WORKLOADS, default=list(BARS), metavar="NAME", help=f"of {', '.join(BARS)}")
    add("--threads", nargs="+", type=int, default=[1, 2], metavar="N")
    add("--seconds", type=float, default=2.0, help="for each side of each row (default 2)")
    add(
        "--peers",
        nargs="*",
        choices=[*PEERS, "all"],
        default=USUAL,
        metavar="NAME",
        help=f"of {', '.join(PEERS)}, all (default: {' '.join(USUAL)})",
    )
    add("--sizes", choices=SIZES, default="usual", help="usual; other, which are odd; tiny, for a test")
    add("--clock", choices=["wall", "cpu"], default="wall", help="cpu: on a busy machine, with one thread")
    add("--sweep", action="store_true", help="thirty convolutions and their gradients too")
    add("--contiguous", action="store_true", help="in the sweep knetpy's arrays are in C order too")
    add("--memory", action="store_true", help="peak memory of a step too")
    add("--scaling", action="store_true", help="cost against batch size and depth too")
    add("--no-steps", action="store_true", help="only what the three options above add")
    add("--picture", metavar="FILE", help="draw the workloads")
    add("--json", metavar="FILE", help="keep all numbers")
    add("--markdown", action="store_true", help="print tables for a README")
    add("--same-process", action="store_true", help=argparse.SUPPRESS)  # for the test
    return parser


def main(arguments=None):
    """Measure what the options ask for; returns the numbers."""
    options = command_line().parse_args(arguments)
    options.peers = PEERS if "all" in options.peers else options.peers
    bench, machine = Bench(options), report.machine()
    bench.say(f"{machine}; threads: {' '.join(map(str, options.threads))}; {options.clock} clock\n")
    if not options.no_steps:
        bench.workloads()
    for asked, measure in (
        (options.sweep, bench.convolutions),
        (options.memory, bench.memory),
        (options.scaling, bench.scaling),
    ):
        if asked:
            measure()
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"machine": machine, "options": vars(options), **bench.found}, file, indent=1)
    if options.picture and "workloads" in bench.found:
        try:
            report.picture(bench.found["workloads"], options.picture, machine)
        except ImportError as missing:
            bench.say(f"picture: none, {missing}")
    return bench.found


if __name__ == "__main__":
    sys.exit(main() and None)
