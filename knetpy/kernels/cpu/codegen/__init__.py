"""What compiled code is made of, beneath all families: it knows numbers, vectors and addresses, but no arrays' layouts.

Numbers: `expcode` writes the exponential and what it needs as LLVM instructions, for one number or a vector; `vecmath`
has scalar functions on top of it, and `curves` the activations, for loops that LLVM turns into vector code.
Vectors: `vectors` writes routines for them, compiles these and calls them by address; `formula` turns a formula for one
element into a routine.
Products: `tile` is the one multiply-accumulate routine, `sumtile` that for long sums into few rows; `panels` packs what
tiles read.
"""
