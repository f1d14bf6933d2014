"""CUDA kernels: raw CUDA C++ in *.cu files, compiled by CuPy when they are first used, and what launches them.

Each file of launchers has the name of its family, and its functions those of the reference. Arrays are CuPy's, in C
order on the device; a family or function that is not here is served by the reference through CuPy's own functions.
"""
