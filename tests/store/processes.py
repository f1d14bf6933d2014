"""Processes that are killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]


def start(code, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def kill_after(process, lines, seconds):
    """Kill a process some time after it has printed so many lines; the last whole line."""
    told = [process.stdout.readline() for _ in range(lines)]
    assert all(told)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    told += [line for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    process.wait()
    process.stdout.close()
    return told[-1]
