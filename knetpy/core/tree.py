"""Nested containers: lists, tuples, named tuples, dicts and dataclasses; everything else is a leaf."""

import copy
import sys


def is_dataclass_instance(x):
    """Whether `x` is an instance of a dataclass; asks no one to import `dataclasses`."""
    return hasattr(type(x), "__dataclass_fields__")


def children(tree):
    """[(path step, child)] of a container, None of a leaf. A path step is written as the user would: `[0]`, `.w`."""
    if isinstance(tree, dict):
        return [(f"[{k!r}]", v) for k, v in tree.items()]
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return [(f".{name}", v) for name, v in zip(tree._fields, tree)]
    if isinstance(tree, (list, tuple)):
        return [(f"[{i}]", v) for i, v in enumerate(tree)]
    if is_dataclass_instance(tree):
        return [(f".{name}", getattr(tree, name)) for name in tree.__dataclass_fields__ if hasattr(tree, name)]
    return None


def rebuild(tree, parts):
    """A container like `tree` with `parts` as its children."""
    if isinstance(tree, dict):
        new = copy.copy(tree)  # keeps defaultdicts and ordered dicts what they are
        new.update(zip(tree, parts))
        return new
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return tree._make(parts)
    if isinstance(tree, (list, tuple)):
        return type(tree)(parts)
    new = copy.copy(tree)
    names = [name for name in tree.__dataclass_fields__ if hasattr(tree, name)]
    for name, part in zip(names, parts):
        object.__setattr__(new, name, part)  # frozen ones too: the copy is ours
    return new


def tree_map(f, tree, *others, path=""):
    """A tree like `tree` with `f(leaf, *leaves of the others)` for leaves; the others must have the same structure."""
    nodes = children(tree)
    if nodes is None:
        return f(tree, *others)
    rest = [_matching(tree, nodes, other, path) for other in others]
    parts = [tree_map(f, v, *[r[i] for r in rest], path=path + step) for i, (step, v) in enumerate(nodes)]
    return rebuild(tree, parts)


def _matching(tree, nodes, other, path):
    """The children of `other` in the order of `nodes`."""
    found = children(other)
    if found is None or (isinstance(tree, dict) != isinstance(other, dict)) or len(found) != len(nodes):
        kind = type(other).__name__ + ("" if found is None else f" of {len(found)}")
        raise TypeError(f"at {path or 'the top'}: expected a {type(tree).__name__} of {len(nodes)}, got a {kind}")
    by_step = dict(found)
    missing = [step for step, _ in nodes if step not in by_step]
    if missing:
        raise TypeError(f"at {path or 'the top'}: nothing at {missing[0]}; there is {', '.join(by_step)}")
    return [by_step[step] for step, _ in nodes]


def leaves(tree, path=""):
    """[(path, leaf)] in order."""
    nodes = children(tree)
    if nodes is None:
        return [(path, tree)]
    limit = sys.getrecursionlimit()
    assert path.count("[") + path.count(".") < limit, "a container contains itself"
    return [pair for step, child in nodes for pair in leaves(child, path + step)]
