"""Builds CUDA C++ source for the CPU and runs its kernels, checked.

    mod = Module(source, options=("-DN=4",), kernels=("scale<float>",))
    mod.launch("scale<float>", (4,), (128,), [x, np.float32(2)], shared_mem=0)

`x` is any object with NumPy's `__array_interface__`.  Bounds are those of the
array passed, races and divergence are reported as `KernelError`.
"""

import ctypes
import hashlib
import os
import re
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("CUDACPU_CACHE") or Path(tempfile.gettempdir()) / f"cudacpu-{os.getuid()}")
CXX = os.environ.get("CUDACPU_CXX", "g++")
# g++ only: clang names some of these otherwise
FLAGS = [
    "-std=c++17",
    "-gdwarf-4",
    "-fPIC",
    "-fno-strict-aliasing",
    "-fno-threadsafe-statics",
    "-Wno-unknown-pragmas",
    "-Wno-psabi",
    "-Wreturn-type",
]
CHECKED = ["-O1", "-fno-tree-sra", "-fsanitize=thread", "--param", "tsan-distinguish-volatile=1"]
UNDEFINED = ["-fsanitize=alignment,bounds,shift,signed-integer-overflow,integer-divide-by-zero"]
FAST = ["-O2"]
LIMITS = dict(threads=1024, block=(1024, 1024, 64), grid=(2**31 - 1, 65535, 65535), shared=48 << 10, optin=227 << 10)
ORDERS = {"forward": 0, "reverse": 1, "random": 2}


class KernelError(RuntimeError):
    """The kernel, or its launch, is wrong."""


@dataclass
class Config:
    checked: bool = True  # instrument loads and stores
    races: bool = True  # needs checked
    undefined: bool = True  # overflow, indices, alignment; needs checked.  Costs half the speed, and reloads
    # registers: switch it off where accesses are counted
    order: str = "forward"  # of blocks and threads
    seed: int = 0
    budget: int = 200_000_000  # memory accesses of a launch, against endless loops


config = Config()


@contextmanager
def configured(**changes):
    """Changes `config` for a while: configured(order="random", seed=3)."""
    before = dict(vars(config))
    vars(config).update(changes)
    try:
        yield config
    finally:
        vars(config).update(before)


# ------------------------------------------------------------------- ctypes
class _Region(ctypes.Structure):
    _fields_ = [
        ("lo", ctypes.c_uint64),
        ("hi", ctypes.c_uint64),
        ("elem", ctypes.c_uint32),
        ("arg", ctypes.c_int32),
        ("cells", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
    ]


_u32x3, _u64x2 = ctypes.c_uint32 * 3, ctypes.c_uint64 * 2
_COUNTERS = ("atomics", "barriers", "warp_ops", "threads", "shared_bytes", "early_exits", "idle_blocks")
EVENT = np.dtype(
    [
        ("addr", "u8"),
        ("pc", "u4"),
        ("warp", "u4"),
        ("lane", "u1"),
        ("size", "u1"),
        ("kind", "u1"),
        ("shared", "u1"),
        ("block", "u4"),
    ]
)


class _Launch(ctypes.Structure):
    _fields_ = [
        ("entry", ctypes.c_void_p),
        ("args", ctypes.c_void_p),
        ("grid", _u32x3),
        ("block", _u32x3),
        *[(n, ctypes.c_uint32) for n in ("dyn_shared", "order", "seed", "races", "nregions", "trace_warps")],
        ("trace_cap", ctypes.c_uint64),
        ("trace_len", ctypes.c_uint64),
        ("budget", ctypes.c_uint64),
        ("regions", ctypes.POINTER(_Region)),
        ("trace", ctypes.c_void_p),
        *[(n, _u64x2) for n in ("reads", "writes", "read_bytes", "write_bytes")],
        *[(n, ctypes.c_uint64) for n in _COUNTERS],
        ("base", ctypes.c_uint64),
        ("message", ctypes.c_char * 2048),
    ]


# ------------------------------------------------------------------ building
def _run(cmd, source):
    p = subprocess.run(cmd, capture_output=True, text=True)
    if p.returncode:
        raise KernelError(f"{source}: the host compiler says\n{p.stderr[-4000:]}")


def _build(out, make):
    """Builds a file in the cache, once, also when several processes want it."""
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent) as d:
            tmp = Path(d) / out.name
            make(tmp, Path(d))
            os.replace(tmp, out)
    return out


def _key(*parts):
    h = hashlib.sha256("\0".join(map(str, parts)).encode())
    for f in ("device.h", "runtime.cpp"):
        h.update((HERE / f).read_bytes())
    return h.hexdigest()[:24]


def _runtime():
    src = HERE / "runtime.cpp"
    so = _build(
        CACHE / f"libcudacpu-{_key(CXX)}.so",
        lambda out, d: _run([CXX, *FLAGS, "-O2", "-shared", str(src), "-o", str(out)], src),
    )
    lib = ctypes.CDLL(str(so))
    lib.emu_launch.argtypes = [ctypes.POINTER(_Launch)]
    return lib, so


_SHARED = re.compile(r"(extern\s+)?__shared__\s+([^;]+);")
_DECL = re.compile(
    r"(?P<align>(?:__align__|alignas)\s*\(\s*\d+\s*\)\s*)?(?P<type>.+?)\s*\b(?P<name>[A-Za-z_]\w*)"
    r"\s*(?P<dims>(?:\[[^\]]*\]\s*)*)$",
    re.S,
)


def _rewrite(source):
    def shared(m):
        d = _DECL.match(m[2].strip())
        if not d or "," in d["name"] + re.sub(r"<[^>]*>", "", d["type"]):
            raise KernelError(f"write one plain declarator per __shared__ statement: {m[0]}")
        if m[1]:
            return f"EMU_DYN_SHARED({d['type']}, {d['name']});"
        return f"EMU_SHARED({d['type']}, {d['name']}, {d['dims']});"

    return _SHARED.sub(shared, source)


_EXTERN_C = re.compile(r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?(\w+)\s*\(')


class Module:
    def __init__(self, source, options=(), kernels=(), name="kernel.cu"):
        self.names = list(dict.fromkeys([*kernels, *_EXTERN_C.findall(source)]))
        self.options = [o for o in options if o.startswith(("-D", "-I", "-U"))]
        self.source, self.file = source, name
        self._libs, self._kernels = {}, {}

    def load(self):
        """Builds the module as `config` wants it; the library, its path, the runtime."""
        flags = (*FLAGS, *(CHECKED + UNDEFINED * config.undefined if config.checked else FAST), *self.options)
        if flags in self._libs:
            return self._libs[flags]
        runtime, runtime_so = _runtime()

        def make(out, d):
            cpp = d / "module.cpp"
            cpp.write_text(
                f'#include "device.h"\n#line 1 "{self.file}"\n{_rewrite(self.source)}\n#line 1 "entries"\n'
                + "\n".join(f"EMU_KERNEL({i}, {n})" for i, n in enumerate(self.names))
                + "\n"
            )
            _run([CXX, *flags, f"-I{HERE}", "-c", str(cpp), "-o", str(d / "m.o")], self.file)
            _run(
                [CXX, "-shared", str(d / "m.o"), str(runtime_so), f"-Wl,-rpath,{runtime_so.parent}", "-o", str(out)],
                self.file,
            )

        so = _build(CACHE / f"mod-{_key(CXX, flags, self.source, self.names, self.file)}.so", make)
        lib = ctypes.CDLL(str(so))
        self._libs[flags] = lib, so, runtime
        return self._libs[flags]

    def kernel(self, name):
        """The entry, the parameters' type codes, and their names for messages.

        Codes: 'Kf4' is const float*, 'Pf4' float*, 'i4' int, 'Pf4x4' float4*.
        """
        lib, so, _ = self.load()
        key = name, so
        if key not in self._kernels:
            if name not in self.names:
                raise KernelError(f"no kernel {name!r}; there are {self.names}")
            i = self.names.index(name)
            f = lib[f"emu_signature_{i}"]
            f.restype = ctypes.c_char_p
            codes = f().decode().split(",")[:-1]
            m = re.search(rf"\b{re.escape(name.split('<')[0])}\s*\(([^)]*)\)\s*\{{", self.source)
            names = [re.findall(r"\w+", p)[-1] for p in m[1].split(",") if p.strip()] if m else []
            if len(names) != len(codes):
                names = [f"#{i}" for i in range(len(codes))]
            self._kernels[key] = ctypes.cast(lib[f"emu_entry_{i}"], ctypes.c_void_p).value, codes, names
        return self._kernels[key]

    def launch(self, kernel, grid, block, args, shared_mem=0, optin_shared=0, trace=0, trace_warps=1):
        """Runs a launch to its end; returns its `Stats`.

        `trace` is how many accesses to keep, of the first `trace_warps` warps of each block.
        """
        _, so, runtime = self.load()
        grid, block = (tuple(int(v) for v in (*t, 1, 1)[:3]) for t in (grid, block))
        entry, signature, names = self.kernel(kernel)
        where = f"{kernel}{grid}{block}"
        too_big = (
            any(map(int.__gt__, grid + block, LIMITS["grid"] + LIMITS["block"]))
            or block[0] * block[1] * block[2] > LIMITS["threads"]
        )
        if too_big or min(grid + block) < 1:
            raise KernelError(f"{where}: invalid launch configuration")
        _check_shared(where, shared_mem, 0, optin_shared)
        if len(args) != len(signature):
            raise KernelError(f"{where}: {len(args)} arguments for {len(signature)} parameters {signature}")
        buffers, regions = [], []
        for i, (value, code) in enumerate(zip(args, signature)):
            try:
                buffers.append(_pack(value, code, i, names[i], regions))
            except (TypeError, ValueError, OverflowError) as e:
                raise KernelError(f"{where}: argument {i} ({names[i]}, {code}): {e}") from None
        pointers = (ctypes.c_void_p * (len(buffers) + 1))(*map(ctypes.addressof, buffers))
        L = _Launch(
            entry=entry,
            args=ctypes.addressof(pointers),
            grid=_u32x3(*grid),
            block=_u32x3(*block),
            dyn_shared=shared_mem,
            order=ORDERS[config.order],
            seed=config.seed,
            races=config.checked and config.races,
            nregions=len(regions),
            regions=(_Region * max(1, len(regions)))(*regions),
            trace_warps=trace_warps,
            trace_cap=trace,
            budget=config.budget,
        )
        events = np.zeros(trace, EVENT)
        L.trace = events.ctypes.data
        if runtime.emu_launch(L):
            text = re.sub(r"<\+([0-9a-f]+)>", lambda m: self._line(so, m[1]), L.message.decode())
            raise KernelError(f"{where}: {text}")
        _check_shared(where, shared_mem, L.shared_bytes, optin_shared)
        counts = {n: getattr(L, n) for n in _COUNTERS}
        for n in ("reads", "writes", "read_bytes", "write_bytes"):
            counts[f"global_{n}"], counts[f"shared_{n}"] = getattr(L, n)
        return Stats(**counts, trace=events[: L.trace_len], line=lambda pc: self._line(so, f"{pc:x}"))

    def _line(self, so, address):
        """The kernel's own source line of an instruction."""
        out = subprocess.run(["addr2line", "-i", "-e", str(so), "0x" + address], capture_output=True, text=True).stdout
        lines = [x.split(" ")[0] for x in out.splitlines() if "device.h" not in x]
        return Path(lines[0]).name if lines else "?"


def _check_shared(where, dynamic, static, optin):
    """Raise for a block whose shared memory, with what the kernel itself declares, a device would not give it."""
    if dynamic > max(LIMITS["shared"] - static, optin):
        raise KernelError(
            f"{where}: {dynamic} bytes of dynamic shared memory, beside {static}: set max_dynamic_shared_size_bytes"
        )
    if dynamic + static > LIMITS["optin"]:
        raise KernelError(f"{where}: {dynamic + static} bytes of shared memory, {LIMITS['optin']} at most")


def _code(dtype):
    return {"c": f"f{dtype.itemsize // 2}x2"}.get(dtype.kind, f"{dtype.kind}{dtype.itemsize}")


def _pack(value, code, i, name, regions):
    """The bytes of one argument, as the driver copies them; strict on types."""
    if code[0] in "PK":
        if value is None:
            return ctypes.c_void_p(0)
        if not hasattr(value, "__array_interface__"):
            raise TypeError(f"takes an array, not {type(value).__name__}")
        a = np.asarray(value)
        if code[1] != "V" and code[1:].split("x")[0] != _code(a.dtype).split("x")[0]:
            raise TypeError(f"an array of {a.dtype}")
        if not (a.flags.c_contiguous or a.flags.f_contiguous):
            raise ValueError(f"not contiguous: strides {a.strides} of shape {a.shape}")
        lo = a.ctypes.data
        regions.append(_Region(lo=lo, hi=lo + a.nbytes, elem=a.itemsize, arg=i, name=name.encode()))
        return ctypes.c_void_p(lo)
    if isinstance(value, np.generic):
        if code[0] != "V" and _code(value.dtype) != code:
            raise TypeError(f"a scalar of {value.dtype}")
        raw = value.tobytes()
    elif isinstance(value, bool) and code == "b1":
        raw = bytes([value])
    elif isinstance(value, int) and code[0] in "iu":  # CuPy passes an int64; the low bytes are read
        raw = value.to_bytes(int(code[1:]), "little", signed=code[0] == "i")
    elif isinstance(value, float) and code == "f8":
        raw = np.float64(value).tobytes()
    else:
        raise TypeError(f"a Python {type(value).__name__}: CuPy passes it in 8 bytes, which the kernel misreads")
    return ctypes.create_string_buffer(raw, max(8, len(raw)))


@dataclass
class Stats:
    """What a launch did.  Bytes are those asked for; `trace` holds its accesses."""

    atomics: int
    barriers: int
    warp_ops: int
    threads: int
    shared_bytes: int  # static and dynamic, of one block
    early_exits: int  # barriers that did not wait for threads already gone
    idle_blocks: int  # blocks that touched no global memory: is the grid too large?
    global_reads: int
    shared_reads: int
    global_writes: int
    shared_writes: int
    global_read_bytes: int
    shared_read_bytes: int
    global_write_bytes: int
    shared_write_bytes: int
    trace: np.ndarray
    line: object

    def requests(self):
        """The traced warps' memory requests, a `Request` for each instruction."""
        t = self.trace[np.argsort(self.trace, order=("block", "warp", "pc", "lane"), kind="stable")]
        new = np.ones(len(t), bool)  # does a lane's series of this instruction begin?
        new[1:] = np.any([t[k][1:] != t[k][:-1] for k in ("block", "warp", "pc", "lane")], axis=0)
        at = np.arange(len(t))
        nth = at - np.maximum.accumulate(np.where(new, at, 0))
        groups, costs = {}, {}
        for e, i in zip(t, nth):  # the lanes' i-th accesses are one request
            groups.setdefault((e["block"], e["warp"], e["pc"], i), []).append(e)
        for (_, _, pc, _), events in groups.items():
            e = np.array(events, EVENT)
            width = 4 if e["shared"][0] else 32  # bytes of a bank word, of a sector
            last = e["addr"] + e["size"].astype("u8") - 1
            units = np.unique(
                np.concatenate(
                    [e["addr"] // width + k for k in range(1 + int((last // width - e["addr"] // width).max()))]
                )
            )
            if e["shared"][0]:
                cost, ideal = np.bincount((units % 32).astype(int)).max(), -(-len(units) // 32)
            else:
                cost, ideal = len(units), -(-len(np.unique(e["addr"])) * int(e["size"][0]) // 32)
            costs.setdefault((pc, e["shared"][0], e["kind"][0]), []).append((cost, ideal))
        return [
            Request(
                self.line(int(pc)),
                ("global", "shared")[s],
                ("read", "write", "atomic")[k],
                len(v),
                *map(float, np.mean(v, axis=0)),
            )
            for (pc, s, k), v in costs.items()
        ]


@dataclass
class Request:
    line: str
    space: str
    kind: str
    count: int
    cost: float  # 32-byte sectors of global, passes over the banks of shared memory
    ideal: float
