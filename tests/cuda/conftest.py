"""Without a GPU these tests run on the emulator: CuPy's double stands in its place, and g++ compiles the kernels."""

import shutil
import sys

import pytest

from knetpy import devices
from knetpy.kernels.cuda import launch


def has_device():
    try:
        import cupy

        return cupy.cuda.is_available()
    except ImportError:
        return False


EMULATED = not has_device()
emulated = pytest.mark.skipif(not EMULATED, reason="counted by the emulator")


def pytest_runtest_setup(item):
    if EMULATED and item.get_closest_marker("gpu"):
        pytest.skip("no CUDA device")


@pytest.fixture(scope="package", autouse=True)
def gpu():
    """A GPU, or its double."""
    if not EMULATED:
        yield
        return
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed, which compiles CUDA kernels for the emulator")
    from tests.cudacpu import fakecupy

    doubles = {"cupy": fakecupy, "cupyx": fakecupy.cupyx}
    before = {name: sys.modules.get(name) for name in doubles}
    sys.modules.update(doubles)
    devices.why_not.cache_clear()
    launch.TOGETHER = True
    yield
    launch.TOGETHER = False
    for name, module in before.items():
        if module is None:
            del sys.modules[name]
        else:
            sys.modules[name] = module
    devices.why_not.cache_clear()


@pytest.fixture(params=["forward", "reverse", "random"] if EMULATED else ["gpu"])
def order(request):
    """Runs a test under several orders of blocks and threads."""
    if not EMULATED:
        yield
        return
    from tests.cudacpu import emulator

    with emulator.configured(order=request.param, seed=1):
        yield
