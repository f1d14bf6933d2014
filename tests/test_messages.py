"""What typical mistakes are told: the user's names, both shapes, the rule, one way out."""

import inspect

import numpy as np
import pytest

import knetpy as kn


def ones(*shape):
    return np.ones(shape, np.float32)


def loss_of_two(x, y):
    return np.sum(x * y)


MISTAKES = {  # call: what it says
    "a column against a vector": (
        lambda: kn.mse(ones(2, 1), ones(2)),
        "mse: prediction has shape (2, 1) and target has (2,); they must be equal: write target.reshape((2, 1))",
    ),
    "axes of indices": (
        lambda: kn.take_along_axis(ones(3, 2), [0, 1]),
        "take_along_axis: indices (2,) and x (3, 2) must have equally many axes, got 1 and 2; insert one by "
        "indices[:, None], or take whole slices with kn.gather",
    ),
    "letters of einsum": (
        lambda: kn.grad(lambda x: np.einsum("ij,jk", x, ones(2, 2)).sum(), 0)(ones(2, 3)),
        "einsum: index 'j' is 3 (axis 1 of (2, 3)) and 2 (axis 0 of (2, 2)); they must agree",
    ),
    "groups": (
        lambda: kn.groupnorm(ones(2, 6, 3), 4),
        "groupnorm: the 6 channels (axis 1 of x (2, 6, 3)) do not divide into groups=4; take a divisor",
    ),
    "heads": (
        lambda: kn.attention(ones(4, 8), ones(5, 8), ones(5, 8), heads=3),
        "attention: heads=3 does not divide the last axis of q (4, 8), of 8 elements; take a divisor of it",
    ),
    "channels of a shuffle": (
        lambda: kn.pixel_shuffle(ones(1, 6, 2, 2), 2),
        "pixel_shuffle: the 6 channels (axis 1 of x (1, 6, 2, 2)) do not divide into groups of 2**2 = 4; take another "
        "factor",
    ),
    "one matrix as a layer": (
        lambda: kn.lstm(ones(2, 5, 8), [ones(8, 64)]),
        "lstm: each layer and direction takes (wx, wh), (wx, wh, bx) or (wx, wh, bx, bh), matrices and vectors; got "
        "weights[0] (8, 64)",
    ),
    "a setting of another library": (
        lambda: kn.Adam(learning_rate=0.1),
        "Adam has no setting 'learning_rate'; it has lr, beta1, beta2, eps, lazy",
    ),
    "a tangent": (
        lambda: kn.jvp(np.sin, (ones(2),), (ones(3),)),
        "the tangent of argument 0 of sin must have shape (2,), got (3,)",
    ),
    "a cotangent": (lambda: kn.vjp(np.sin, ones(2))[1](ones(3)), "the cotangent of sin must have shape (2,), got (3,)"),
    "a name of NumPy's": (lambda: kn.exp(1.0), "module 'knetpy' has no attribute 'exp': write np.exp"),
    "columns and rows": (
        lambda: ones(32, 5) @ kn.param(8, 16),
        "matmul: a has 5 columns (axis 1 of (32, 5)) but b has 8 rows (axis 0 of (8, 16)); they must agree: make b of "
        "shape (5, 16), or give a 8 columns",
    ),
    "turned matrix": (
        lambda: ones(32, 5) @ kn.param(8, 5),
        "matmul: a has 5 columns (axis 1 of (32, 5)) but b has 8 rows (axis 0 of (8, 5)); they must agree: write b.T",
    ),
    "images without mat": (
        lambda: ones(32, 8, 2, 2) @ kn.param(32, 16),
        "matmul: a has 2 columns (axis 3 of (32, 8, 2, 2)) but b has 32 rows (axis 0 of (32, 16)); they must agree: "
        "write kn.mat(a), whose rows are whole images",
    ),
    "images of three columns without mat": (
        lambda: ones(6, 4, 3, 3) @ kn.param(36, 3),
        "matmul: a has 3 columns (axis 3 of (6, 4, 3, 3)) but b has 36 rows (axis 0 of (36, 3)); they must agree: "
        "write kn.mat(a), whose rows are whole images",
    ),
    "one example with a list of labels": (
        lambda: kn.nll(ones(3), [1]),
        "nll: scores (3,) with classes along axis 0 need labels of shape (), got (1,); write labels.reshape(())",
    ),
    "a label for each sequence": (
        lambda: kn.nll(ones(6, 7, 3), [0] * 6),
        "nll: scores (6, 7, 3) with classes along axis 2 need labels of shape (6, 7), got (6,); one label for each "
        "example needs scores (6, classes): of a sequence take one time, scores[:, -1], of images write kn.mat before "
        "the last layer",
    ),
    "param0 of an array": (
        lambda: kn.param0(3.0),
        "param0 takes sizes, as param0(3, 4), got 3.0; zeros like an array are param(np.zeros_like(a))",
    ),
    "tape as grad": (
        lambda: kn.tape(loss_of_two),
        "tape takes a function and its arguments: write tape(loss_of_two, x); loss_of_two: missing a required "
        "argument: 'x'",
    ),
    "checkpoint as tape": (
        lambda: kn.checkpoint(loss_of_two, 1.0),
        "checkpoint takes a function and returns one: write checkpoint(loss_of_two)(x)",
    ),
    "gradients as loss": (
        lambda: kn.grad(lambda x: {"loss": x.sum()}, 0)(ones(2)),
        "<lambda> must return a scalar to be differentiated, it returned a dict",
    ),
    "zero_grad": (
        lambda: kn.SGD().zero_grad(),
        "SGD has no attribute 'zero_grad': no gradients are kept; each step has new ones, g = kn.grad(loss)(x, y)",
    ),
    "step": (lambda: kn.Adam().step(), "Adam.step() is for kn.update to call: write kn.update(params, grads, opt)"),
    "a list as array": (
        lambda: kn.grad(lambda x: np.sum(np.array([x[0], x[1]])))(np.ones(2)),
        "making a plain array (np.array, np.asarray, np.full, np.r_, array[i] = r, or a function given a list) of a "
        "value being differentiated of shape () would cut the derivative; kn.array([a, b]) makes one of values, "
        "np.broadcast_to repeats one, or write kn.value(r) to take the bare array on purpose",
    ),
    "a list in a function of NumPy's": (
        lambda: kn.grad(lambda x: np.mean([x[0], x[1]]))(np.ones(2)),
        "a plain array made by np.mean of a value being differentiated of shape () would cut the derivative; "
        "kn.array([a, b]) makes one of values, np.broadcast_to repeats one, or write kn.value(r) to take the bare "
        "array on purpose",
    ),
    "a name of PyTorch's": (lambda: kn.Tensor, "module 'knetpy' has no attribute 'Tensor': write np.array"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_explained(mistake):
    call, message = MISTAKES[mistake]
    with pytest.raises((ValueError, TypeError, AttributeError)) as error:
        call()
    assert str(error.value) == message


def test_editors_show_the_parameters_of_what_is_made():
    assert str(inspect.signature(kn.Moments)) == "(momentum=0.1, *, mean=None, var=None)"
    assert str(inspect.signature(kn.SGD)) == "(lr=0.1)"
