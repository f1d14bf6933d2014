"""The house rules of the package: who imports whom, what an import loads, no traces of anyone's machine."""

import ast
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Each row may import from the rows above it and from its own, but for core and kernels, which meet in ops.
ROWS = [
    ["arrays", "calls", "devices", "files", "graphs", "interrupts", "journal", "settings", "tree"],
    ["random"],
    ["core", "kernels"],
    ["parameters"],
    ["transforms"],
    ["ops"],
    ["nn", "optim", "scipy"],
    ["data", "train", "store", "dist"],
    ["show", "check", "knet"],
    ["__init__", "__main__", "cli", "families"],
]
RANK = {name: rank for rank, row in enumerate(ROWS) for name in row}
STRANGERS = {("core", "kernels"), ("kernels", "core")}


def modules(package: Path) -> dict[str, Path]:
    """Every module of the package by its dotted name; a folder's __init__.py has the folder's name."""
    result = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        result[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return result


def imported(name: str, path: Path, known: dict[str, Path]) -> Iterator[tuple[str, int]]:
    """(module of the package that this one imports, line), wherever in the file the import stands."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for target in targets(node, package):
            while target and target not in known:
                target = target.rpartition(".")[0]  # a name inside a module, or no module of ours
            if target:
                yield target, node.lineno


def targets(node: ast.AST, package: str) -> list[str]:
    """The dotted names that a statement may import, or a call of import_module with the name written out."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
        base += node.module.split(".") if node.module else []
        return [".".join([*base, alias.name]) for alias in node.names]
    if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "import_module":
        if node.args and isinstance(node.args[0], ast.Constant):
            name = str(node.args[0].value)
            return [package + name if name.startswith(".") else name]
    return []


def room(module: str) -> str:
    """The row entry that a module belongs to: `core` for knetpy.core.value."""
    return (module.split(".") + ["__init__"])[1]


def wrong_arrows(package: Path) -> list[str]:
    known, wrong = modules(package), []
    for name, path in known.items():
        for target, line in imported(name, path, known):
            here, there = room(name), room(target)
            if RANK[there] > RANK[here] or (here, there) in STRANGERS:
                wrong.append(f"{name}, line {line}, imports {target}")
    return wrong


def cycle(package: Path) -> list[str]:
    """Some modules that import each other in a circle, or an empty list."""
    known = modules(package)
    arrows = {name: {target for target, _ in imported(name, path, known)} for name, path in known.items()}
    done: set[str] = set()

    def visit(name: str, trail: list[str]) -> list[str]:
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name not in done:
            for target in sorted(arrows[name]):
                if found := visit(target, [*trail, name]):
                    return found
        done.add(name)
        return []

    return next((found for name in arrows if (found := visit(name, []))), [])


# ------------------------------------------------------------------------------------------- the package


def test_every_module_has_its_place():
    unplaced = {name for name in modules(ROOT / "knetpy") if room(name) not in RANK}
    assert not unplaced, f"give {unplaced} a row in ROWS, and in the design"


def test_imports_point_one_way():
    assert wrong_arrows(ROOT / "knetpy") == []


def test_no_modules_import_each_other_in_a_circle():
    assert cycle(ROOT / "knetpy") == []


LONGEST_FILE, LONGEST_FUNCTION = 350, 60  # lines; what is longer is two ideas, or two steps


def test_no_file_and_no_function_is_too_long():
    found = []
    for path in (ROOT / "knetpy").rglob("*.py"):
        text, name = path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix()
        found += [name] if len(text.splitlines()) > LONGEST_FILE else []
        functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
        found += [f"{name}: {f.name}" for f in functions if f.end_lineno - f.lineno >= LONGEST_FUNCTION]
    assert found == []


def test_recording_stays_small():
    files = [path for path in (ROOT / "knetpy" / "core").glob("*.py") if path.name != "errors.py"]
    assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files) < 1500


def test_importing_the_package_loads_nothing_slow():
    code = """if True:
        import sys
        import knetpy
        print(*{name.partition('.')[0] for name in sys.modules})
    """
    loaded = run_python(code).split()
    assert "knetpy" in loaded
    assert not {"numba", "llvmlite", "cupy", "tqdm", "matplotlib", "scipy", "IPython"} & set(loaded)


def files() -> Iterator[Path]:
    """The text files of the repository, as far as they are ours."""
    for path in [*ROOT.iterdir(), *(ROOT / ".ci").rglob("*")]:
        if path.is_file():
            yield path
    for folder in ("knetpy", "tests", "bench", "notebooks"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and path.suffix not in (".pyc", ".npz", ".gz", ".png", ".nbc", ".nbi"):
                yield path


ABSOLUTE = re.compile(r"(?<![\w.}/])/(work|root|home|Users|tmp/\w+)/")


def test_no_path_of_somebodys_machine():
    found = []
    for path in files():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if ABSOLUTE.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert found == []


def test_there_are_files_to_look_through():
    names = {path.relative_to(ROOT).as_posix() for path in files()}
    assert {"setup.cfg", ".ci/run", "knetpy/settings.py", "tests/test_house.py"} <= names


# ----------------------------------------------------------------------------------- the rules themselves


FINE = {
    "settings": "import os",
    "journal": "import os",
    "random": "from .journal import recall",
    "core/value": "import numpy as np\nfrom ..random import take",
    "ops/pool": "from ..core import value\nfrom knetpy.core.value import Param",
}
WRONG = {
    "upwards": ("core/tape", "from ..ops import pool", "knetpy.ops.pool"),
    "upwards, absolute": ("core/tape", "import knetpy.ops.pool", "knetpy.ops.pool"),
    "in a function": ("core/tape", "def f():\n    from ..ops.pool import pool", "knetpy.ops.pool"),
    "in a string": ("core/tape", "importlib.import_module('knetpy.ops.pool')", "knetpy.ops.pool"),
    "to the top": ("ops/conv", "from knetpy import grad", "knetpy"),
    "to the top, relative": ("ops/conv", "from .. import grad", "knetpy"),
    "kernels to core": ("kernels/conv", "from ..core.value import Param", "knetpy.core.value"),
    "core to kernels": ("core/tape", "from ..kernels import conv", "knetpy.kernels.conv"),
}


def write(folder, sources):
    for name, source in {"__init__": "", **sources}.items():
        path = folder / "knetpy" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(source)
    return folder / "knetpy"


def test_fine_arrows_are_not_reported(tmp_path):
    package = write(tmp_path, FINE)
    assert wrong_arrows(package) == [] and cycle(package) == []


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_arrows_are_found(tmp_path, kind):
    where, source, target = WRONG[kind]
    found = wrong_arrows(write(tmp_path, {**FINE, "kernels/conv": "", where: source}))
    assert len(found) == 1
    assert found[0].startswith("knetpy." + where.replace("/", ".")) and found[0].endswith(f"imports {target}")


@pytest.mark.parametrize(
    "sources",
    [
        {
            "core/a": "from .b import x",
            "core/b": "from .c import x",
            "core/c": "def f():\n    from . import a",
        },
        {"core/a": "from .a import x"},
        {"core/a": "from . import x", "core/__init__": "from .a import y"},
    ],
)
def test_circles_are_found(tmp_path, sources):
    found = cycle(write(tmp_path, {**FINE, **sources}))
    assert found and found[0] == found[-1] and "knetpy.core.a" in found


@pytest.mark.parametrize("line", ["see /" + "work/x", "'/" + "home/me/x'", "(/" + "tmp/dev/bin/python)"])
def test_paths_are_recognised(line):
    assert ABSOLUTE.search(line)
    assert not ABSOLUTE.search(line.replace("/", "a/", 1))


def test_the_public_names_are_listed_and_documented():
    import knetpy as kn

    assert len(kn.__all__) == len(set(kn.__all__)) > 150
    assert set(dir(kn)) == {"__version__", *kn.__all__}
    for name in kn.__all__:
        thing = getattr(kn, name)
        assert (thing.__doc__ or "").strip(), f"kn.{name} has no docstring"
        if callable(thing) and not isinstance(thing, type):
            assert ">>>" in thing.__doc__, f"kn.{name} has no example"


def test_importing_the_package_loads_only_the_families_that_are_needed():
    code = "import sys, knetpy; print('knetpy.ops.rnn' in sys.modules, knetpy.lstm.__module__, knetpy.optim.__name__)"
    assert run_python(code).split() == ["False", "knetpy.ops.rnn", "knetpy.optim"]
    assert "Did you mean: 'softmax'" in run_python("import knetpy; knetpy.softmx", fails=True)
    assert "write kn.silu" in run_python("import knetpy; knetpy.swish", fails=True)
    assert "write kn.optim.EMA" in run_python("import knetpy; knetpy.EMA", fails=True)


def test_hints_lead_to_names_that_exist():
    import knetpy as kn

    for name, hint in kn._ELSEWHERE.items():
        assert name not in kn.__all__
        found = hint.removeprefix("kn.").partition("(")[0].split()[0]
        assert hint == "1 / x" or hint.startswith("np.") or callable(attrgetter(found)(kn))


def test_the_package_can_be_imported_from_a_zip_file(tmp_path):
    archive = tmp_path / "knetpy.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in (ROOT / "knetpy").rglob("*.py*"):
            if path.suffix in (".py", ".pyi"):
                file.write(path, path.relative_to(ROOT))
    code = (
        f"import sys; sys.path.insert(0, {str(archive)!r}); import knetpy; print(knetpy.SGD.__name__, knetpy.__file__)"
    )
    assert run_python(code).split() == ["SGD", str(archive / "knetpy" / "__init__.py")]


def run_python(code, fails=False):
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=ROOT, text=True, capture_output=True)
    assert (done.returncode != 0) == fails, done.stderr
    return done.stderr if fails else done.stdout
