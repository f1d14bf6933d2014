"""What other programs write that `load` does not read: named, with the way to a file that it reads."""

from __future__ import annotations

from .header import MAX_HEADER

SAFE = "save the state_dict with safetensors.torch.save_file instead"
FIRST = {  # how such a file begins: what it is and what to do
    b"\x80": f"it is a pickle, such as torch.save wrote, which could run code; {SAFE}",
    b"\x93NUMPY": "it is the single array of an npy file; read it with np.load",
    b"\x89HDF": "it is an HDF5 file, such as Keras writes; read it with h5py, and write its arrays with np.savez",
    b"Julia data format": "it is a JLD2 file of Knet's; in Julia, write the arrays with NPZ.npzwrite",
    b"HDF5-based Julia": "it is a JLD file of Knet's; in Julia, write the arrays with NPZ.npzwrite",
    b"MATLAB": "it is a mat file; read it with scipy.io.loadmat, and write its arrays with np.savez",
    b"\x1f\x8b": "it is compressed; unpack it with gunzip",
    b"BZh": "it is compressed; unpack it with bunzip2",
}
MOST = max(map(len, FIRST))


def known(first: bytes) -> str:
    """What a file is that begins with these bytes; nothing if that is not known, or it may be a damaged save."""
    if int.from_bytes(first[:8], "little") <= MAX_HEADER:
        return ""
    return next((what for begin, what in FIRST.items() if first.startswith(begin)), "")
