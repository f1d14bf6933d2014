"""HIPS autograd's own tests, run with knetpy in autograd's place (see autograd_shim.py).

They are in autograd's source distribution; AUTOGRAD_TESTS names the folder where one was unpacked. The table tells of
version 1.9.1, with SciPy and without xarray, which tests fail and why; one that begins to pass, or fails for another
reason than the stated one, is an error too.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest

SOURCE = os.environ.get("AUTOGRAD_TESTS")
FILES = sorted((Path(SOURCE) / "tests").glob("test_*.py")) if SOURCE else []


class Reason(NamedTuple):
    """Why tests fail, and what their messages then say."""

    words: str
    message: str


DEFINED = Reason("knetpy has a derivative where autograd has none", "DID NOT RAISE")
OWN = Reason("autograd's own API", "AssertionError|AttributeError|NotImplementedError|positional-only")
SCALAR = Reason("stated convention: a loss returns shape (), see kn.grad", "a gradient needs a scalar")
CONVERSION = Reason(
    "stated convention: what would make a plain array of a value raises; np.stack builds arrays, astype other dtypes",
    "would cut the derivative",
)
SYMMETRIC = Reason(
    "stated convention: the gradient by a Hermitian matrix is that of its Hermitian part, not of the triangle read",
    r"(Derivative|VJP).* check of .*failed",
)
WRITING = Reason("stated convention: writing into a value is a MutationError", "cannot be assigned into")

FAILING = {
    "test_builtins": {
        OWN: """
            isinstance
        """,
    },
    "test_fft": {
        DEFINED: """
            rfftn_odd_not_implemented
        """,
    },
    "test_graphs": {
        SCALAR: """
            singleton_array_output singleton_array_output_axis0 singleton_array_output_axis1
            singleton_array_output_axis0_keepdims singleton_array_output_axis1_keepdims
        """,
        WRITING: """
            assignment_raises_error
        """,
    },
    "test_jacobian": {
        SCALAR: """
            jacobian_against_grad
        """,
    },
    "test_linalg": {
        OWN: """
            pinv
        """,
        CONVERSION: """
            norm_list_of_boxes
        """,
        SYMMETRIC: """
            eigvalh_lower eigvalh_upper eigvalh_lower_broadcasting eigvalh_upper_broadcasting eigvalh_lower_complex
            eigvalh_upper_complex
        """,
    },
    "test_misc": {
        OWN: """
            const_graph const_graph_args
        """,
    },
    "test_numpy": {
        CONVERSION: """
            mean_list_of_boxes std_list_of_boxes var_list_of_boxes simple_append_list_2D r_basic r_double
            r_node_and_const r_mixed r_slicing c_ c_mixed cast_to_int
        """,
        OWN: """
            make_diagonal diagonal
        """,
    },
    "test_scipy": {
        SCALAR: """
            logsumexp6
        """,
    },
    "test_systematic": {},
    "test_vspaces": {
        OWN: """
            array_vspace array_vspace_0_dim array_vspace_complex list_vspace tuple_vspace dict_vspace mixed_vspace
        """,
    },
    "test_wrappers": {
        OWN: """
            deprecated_defgrad_wrapper deprecated_defvjp_wrapper deprecated_defvjp_is_zero_wrapper
            custom_where_dtypes[int-True-1-2] custom_where_dtypes[float-True-3.0-4.0]
            custom_where_dtypes[float-False-1-2.0] custom_where_dtypes[list-True-x3-y3] custom_where
            wrapped_name_and_docs
        """,
    },
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """{file: {test: what it failed with, or None}} of all of autograd's tests, run in one process."""
    folder, here = tmp_path_factory.mktemp("autograd"), Path(__file__).parent
    report, settings = folder / "report.xml", folder / "pytest.ini"
    settings.write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", *map(str, FILES), f"--junitxml={report}", "-c", str(settings)]
    command += [f"--rootdir={FILES[0].parent}", "-q", "-p", "autograd_shim", "-p", "no:cacheprovider"]
    paths = os.pathsep.join([str(here), str(here.parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stdout + done.stderr  # all passed or some failed
    found: dict = {file.stem: {} for file in FILES}
    for case in ElementTree.parse(report).iter("testcase"):
        failures = [part.get("message") for part in case if part.tag in ("failure", "error")]
        found[case.get("classname").split(".")[-1]][case.get("name")] = failures[0] if failures else None
    return found


@pytest.mark.slow
@pytest.mark.skipif(not SOURCE, reason="AUTOGRAD_TESTS does not name an unpacked source distribution of autograd")
@pytest.mark.parametrize("name", [file.stem for file in FILES])
def test_only_what_is_listed_fails(name, outcomes):
    listed = {f"test_{test}": why for why, tests in FAILING.get(name, {}).items() for test in tests.split()}
    failed = {test: message for test, message in outcomes[name].items() if message is not None}
    assert not {test: message for test, message in failed.items() if test not in listed}, "failed unexpectedly"
    assert not listed.keys() - failed.keys(), "no longer fail: take them off the list"
    other = {test: failed[test] for test, why in listed.items() if not re.search(why.message, failed[test])}
    assert not other, "fail for another reason than the stated one"


def test_what_is_listed_is_listed_once():
    for reasons in FAILING.values():
        names = [name for listed in reasons.values() for name in listed.split()]
        assert len(set(names)) == len(names)
