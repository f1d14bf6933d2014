"""The bench of the GPU runs, at a tiny size."""

import sys

from bench import gpu


def test_bench_of_kernels(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)  # it does not stand a double of CuPy
    found = gpu.main(["--scale", "0.01", "--only", "softmax"])
    assert [(name, backend) for name, _, _, _, backend in found] == [
        ("softmax.softmax", "cuda"),
        ("softmax.softmax_dx", "cuda"),
    ]
    assert "GB/s" in capsys.readouterr().out
