"""Nested containers: lists, tuples, named tuples, dicts and dataclasses; everything else is a leaf."""

import copy
import dataclasses


def children(tree):
    """[(path step, child)] of a container, None of a leaf. A path step is written as the user would: `[0]`, `.w`."""
    if isinstance(tree, dict):
        return [(f"[{k!r}]", v) for k, v in tree.items()]
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return [(f".{name}", v) for name, v in zip(tree._fields, tree)]
    if isinstance(tree, (list, tuple)):
        return [(f"[{i}]", v) for i, v in enumerate(tree)]
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        return [(f".{name}", getattr(tree, name)) for name in _fields(tree)]
    return None


def _fields(tree):
    """Names of the fields that a dataclass has set; class variables and init-only ones are none."""
    return [field.name for field in dataclasses.fields(tree) if hasattr(tree, field.name)]


def _sequence(kind, parts):
    return tuple.__new__(kind, parts) if issubclass(kind, tuple) else kind(parts)


def rebuild(tree, parts):
    """A container like `tree` with `parts` as its children."""
    if isinstance(tree, dict):
        new = copy.copy(tree)  # keeps defaultdicts and ordered dicts what they are
        for key, part in zip(tree, parts):
            new[key] = part  # not update, which a Counter takes for an addition
        return new
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return tree._make(parts)
    if isinstance(tree, (list, tuple)):
        return _sequence(type(tree), parts)
    new = copy.copy(tree)
    for name, part in zip(_fields(tree), parts):
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
    return [pair for step, child in nodes for pair in leaves(child, path + step)]
