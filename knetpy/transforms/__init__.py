"""Functions in, functions out: gradients, products with derivatives, jacobians, checkpoints."""
