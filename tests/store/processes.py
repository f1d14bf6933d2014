"""Processes that are killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def start(code, *arguments):
    """A process that runs `code`, or the module of a name."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KNETPY_NUM_THREADS": "1"}
    how = "-m" if code.replace(".", "").isidentifier() else "-c"
    command = [sys.executable, how, code, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def kill_after(process, lines, wait):
    """Kill a process when it has printed so many lines and `wait()` has returned; all its whole lines.

    It must be running then. Its output ends with the last of the processes that it has started, so they end as well.
    """
    told = [process.stdout.readline() for _ in range(lines)]
    assert all(told)
    wait()
    process.send_signal(signal.SIGKILL)
    told += [line for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    assert process.wait() == -signal.SIGKILL  # it had not ended by itself
    process.stdin.close()
    process.stdout.close()
    return told
