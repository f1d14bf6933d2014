"""Recording: values, primitives with their rules, and the two traces that take derivatives, tape and dual."""
