"""Steps of optimizers: a kernel is written for each formula, and goes over several arrays in one launch."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from knetpy.graphs import Numbers
from knetpy.kernels.cuda.launch import C, Module, blocks_for
from knetpy.kernels.formula import Formula, record
from knetpy.kernels.reference import optim as reference

ROWS = 8  # that one launch updates: each is a param with its gradient and its state
THREADS, EACH = 256, 4  # elements of a thread

EXPRESSIONS = {
    "add": "{} + {}",
    "subtract": "{} - {}",
    "multiply": "{} * {}",
    "divide": "{} / {}",
    "negative": "-{}",
    "square": "{0} * {0}",
    "sqrt": "sqrt({})",
    "absolute": "abs({})",
    "maximum": "larger({}, {})",
    "minimum": "smaller({}, {})",
    "sign": "sign_of({})",
}


def step(like, rows, numbers, formula):
    """Launch as the reference computes; that serves float16, arrays with gaps, and formulas of other functions."""
    kernel, live = None, isinstance(numbers[0], Numbers)
    if like.dtype.char in "fd":
        kernel = _kernel(formula, len(rows[0]), len(numbers[0]), like.dtype.char, live)
    together: dict[tuple, list] = {}
    for row, values in zip(rows, numbers):
        if kernel is None or not all([a.flags.c_contiguous and a.dtype == like.dtype for a in (row[0], *row[2:])]):
            reference.step(like, [row], [values], formula)
        elif row[0].size:
            together.setdefault(values, []).append(row)
    for values, some in together.items():
        scalars = [values.array(like.dtype)] if live else list(map(like.dtype.type, values))
        for n in range(0, len(some), ROWS):
            _launch(kernel, some[n : n + ROWS], scalars)


def _launch(kernel: Any, rows: list[tuple], numbers: list) -> None:
    rows = [(w, g.astype(w.dtype, order="C", copy=False), *state) for w, g, *state in rows]
    sizes = [row[0].size for row in rows]
    nothing = [None] * len(rows[0]) * (ROWS - len(rows))
    arrays = [array for row in rows for array in row]
    blocks = sum(blocks_for(size, THREADS * EACH) for size in sizes)
    kernel("optim_step", blocks, THREADS, *arrays, *nothing, *sizes, *[0] * (ROWS - len(rows)), *numbers)


@lru_cache(maxsize=256)
def _kernel(formula: Callable, arrays: int, numbers: int, dtype: str, live: bool = False) -> Module | None:
    """The kernel for a formula, None if there cannot be any."""
    try:
        told = record(formula, arrays + numbers, arrays - 1)
    except TypeError:
        return None
    # A product that is contracted with a sum would be rounded once instead of twice, as nowhere else.
    return Module("optim", ["optim_step"], code=source(told, arrays, C[dtype], live), options=("--fmad=false",))


def source(formula: Formula, arrays: int, c: str, live: bool = False) -> str:
    """Return the text of a kernel: block after block takes a stretch of the first row, of the second, ...

    live: whether it reads its numbers from memory, as they are others each time that a captured step is launched.
    """
    pointers = [f"{'const ' * (a == 1)}{c}* __restrict__ a{r}_{a}" for r in range(ROWS) for a in range(arrays)]
    sizes = [f"i64 n{r}" for r in range(ROWS)]
    scalars = [f"{c} v{n}" for n in range(arrays, formula.arguments)]
    given = [f"const {c}* __restrict__ numbers"] if live else scalars
    read = [f"const {scalar} = numbers[{n}];" for n, scalar in enumerate(scalars)] if live else []
    values = [f"const {c} v{a} = p{a}[i];" for a in range(arrays)]
    for name, *operands in formula.instructions:
        known = [f"v{x}" if isinstance(x, int) else f"{c}({x!r})" for x in operands]
        values.append(f"const {c} v{len(values) + len(scalars)} = {EXPRESSIONS[name].format(*known)};")
    writes = [f"p{a}[i] = v{x};" for a, x in zip([0, *range(2, arrays)], formula.results)]
    rows = [
        f"if (block < blocks(n{r})) {{ {' '.join(f'p{a} = a{r}_{a};' for a in range(arrays))} n = n{r}; }}\n"
        f"    else {{ block -= blocks(n{r});"
        for r in range(ROWS)
    ]
    local = "; ".join(f"{'const ' * (a == 1)}{c}* p{a} = nullptr" for a in range(arrays))
    return _TEMPLATE.format(
        parameters=", ".join([*pointers, *sizes, *given]),
        local="; ".join([local, *[line[:-1] for line in read]]),
        rows="\n    ".join(rows) + "}" * ROWS,
        each=EACH,
        body="\n        ".join([*values, *writes]),
    )


_TEMPLATE = """
template <typename T> __device__ __forceinline__ T sign_of(T a) {{
    return a > T(0) ? T(1) : a < T(0) ? T(-1) : a == T(0) ? T(0) : a;
}}
__device__ __forceinline__ i64 blocks(i64 n) {{ return (n + blockDim.x * {each} - 1) / (blockDim.x * {each}); }}

extern "C" __global__ void optim_step({parameters})
{{
    i64 block = blockIdx.x, n = 0;
    {local};
    {rows}
    const i64 start = block * blockDim.x * {each} + threadIdx.x;
    for (int k = 0; k < {each}; ++k) {{
        const i64 i = start + k * blockDim.x;
        if (i >= n) return;
        {body}
    }}
}}
"""
