"""Values, gradients and second derivatives that PyTorch 2.13 gave for a few composite cases, as fingerprints.

Each array is kept as two numbers: its sum, and its sum weighted by 1, 2, 3 ... in row-major order.
"""

import numpy as np
import pytest

import knetpy as kn

CASES = {
    "conv 1-d": (lambda x, w: kn.conv(x, w, stride=2, padding=1), ((2, 2, 7), (3, 2, 3))),
    "conv 2-d": (
        lambda x, w, b: kn.conv(x, w, b, stride=(1, 2), padding=(2, 1), dilation=(2, 1)),
        ((2, 2, 5, 6), (3, 2, 2, 3), (3,)),
    ),
    "conv groups": (lambda x, w: kn.conv(x, w, groups=2, padding=1), ((1, 4, 4, 3), (6, 2, 3, 3))),
    "conv 3-d": (lambda x, w: kn.conv(x, w, stride=(2, 1, 1)), ((1, 2, 4, 3, 3), (2, 2, 2, 2, 1))),
    "max pool": (lambda x: kn.pool(x, 3, stride=2, padding=1), ((2, 2, 5, 6),)),
    "mean pool": (lambda x: kn.pool(x, 3, stride=2, padding=1, mode="mean"), ((2, 2, 5, 6),)),
    "mean pool of real elements": (
        lambda x: kn.pool(x, 3, stride=2, padding=1, mode="mean_valid"),
        ((2, 2, 5, 6),),
    ),
    "max pool 1-d": (lambda x: kn.pool(x, 2, stride=1), ((2, 2, 5),)),
    "softmax": (lambda x: kn.softmax(x * 3, 1), ((3, 4, 2),)),
    "logsoftmax": (lambda x: kn.logsoftmax(x * 3, 0), ((3, 4),)),
    "logsumexp": (lambda x: kn.logsumexp(x * 3, (0, 2)), ((3, 4, 2),)),
    "cross entropy": (lambda x: kn.nll(x * 3, [2, 0, 1]), ((3, 4),)),
    "cross entropy of images": (lambda x: kn.nll(x * 3, [[2, 0], [1, 1]], axis=1, reduction="sum"), ((2, 3, 2),)),
    "cross entropy, a label ignored": (lambda x: kn.nll(x * 3, [2, -1, 1], ignore=-1), ((3, 4),)),
    "std": (lambda x: np.std(x, axis=1, ddof=1), ((3, 4),)),
    "norm 3": (lambda x: np.linalg.norm(x, 3, axis=1), ((3, 4),)),
    "prod with zeros": (lambda x: np.prod(x - x[:, 1:2], axis=1), ((3, 4),)),
    "power": (lambda a, b: (a * a + 1) ** b, ((3, 4), (4,))),
    "logaddexp": (lambda a, b: np.logaddexp(a * 9, b), ((3, 4), (3, 1))),
    "arctan2": (np.arctan2, ((3, 4), (3, 1))),
    "einsum": (lambda a, b, c: np.einsum("bij,jk,b->ik", a, b, c), ((2, 3, 4), (4, 2), (2,))),
}

# The value, the gradients of sum(cos(0, 1, 2 ...) * sin(value)), and those of the sum of their squares.
NUMBERS = {
    "conv 1-d": [
        [-1.00979208, -12.1043788],
        [[0.959876527, 32.4316547], [-0.728199647, -10.4726136]],
        [[41.6834364, 587.636192], [-1.30348226, -105.60134]],
    ],
    "conv 2-d": [
        [-9.85216821, -2273.42555],
        [[-0.419262486, 323.574255], [-2.65135537, 63.7418198], [4.08158967, 17.5799051]],
        [[44.3111257, 10413.5621], [-90.7853217, -891.616654], [50.4931307, 233.959552]],
    ],
    "conv groups": [
        [1.48327788, 13.5208566],
        [[0.323412449, -36.6127247], [0.488905457, 24.2028296]],
        [[-108.797924, -4258.94221], [36.6516054, 1823.1849]],
    ],
    "conv 3-d": [
        [-1.7997158, -34.6657644],
        [[-0.393747393, -18.8318221], [0.0487118491, 18.8451941]],
        [[-16.5111703, -443.904854], [10.4104249, 51.3924067]],
    ],
    "max pool": [[32.0764394, 591.234985], [[-0.141178911, -38.058052]], [[-17.2765094, -1186.00564]]],
    "mean pool": [[0.0392861592, -0.392095498], [[-0.151403335, -29.5785635]], [[-0.00816438765, -0.636134944]]],
    "mean pool of real elements": [
        [0.164740054, -2.85389383],
        [[-0.411947886, -95.3942556]],
        [[-0.20664569, -4.33917894]],
    ],
    "max pool 1-d": [[6.11511077, 38.2220221], [[0.086240216, -2.42709977]], [[-5.20289046, -56.2708392]]],
    "softmax": [[6.0, 73.9776621], [[0.0, 5.31183255]], [[0.0, 14.4318933]]],
    "logsoftmax": [[-24.9440919, -174.855623], [[0.0, 10.3920989]], [[0.0, -34.5301681]]],
    "logsumexp": [[13.5266837, 33.4529959], [[-0.168417159, 10.2710836]], [[-17.5582593, -197.045447]]],
    "cross entropy": [[4.29959562, 4.29959562], [[0.0, -1.2096976]], [[0.0, -10.3331266]]],
    "cross entropy of images": [[15.5318518, 15.5318518], [[0.0, 5.3372127]], [[0.0, -78.5569658]]],
    "cross entropy, a label ignored": [[3.52324701, 3.52324701], [[0.0, -1.38202026]], [[0.0, -8.17658424]]],
    "std": [[2.38444819, 4.95516079], [[0.0, -0.406719438]], [[0.0, 0.0335145954]]],
    "norm 3": [[3.57625489, 7.31466011], [[0.32163778, 0.718365304]], [[-0.344084613, -0.73654931]]],
    "prod with zeros": [[0.0, 0.0], [[0.0, 0.0]], [[0.0, 0.0]]],
    "power": [
        [12.9226692, 80.8797732],
        [[-0.611484142, -2.12296521], [-0.0228307961, -0.16691946]],
        [[0.47535404, 4.01723545], [-0.628632141, -2.695111]],
    ],
    "logaddexp": [
        [42.0901308, 279.570326],
        [[-11.4958718, -50.7705694], [-1.94798119, -4.43555144]],
        [[441.867735, 343.18022], [-12.6978111, -21.198283]],
    ],
    "arctan2": [
        [1.67796405, 18.2771364],
        [[0.664359622, -3.35037241], [-1.72089856, -3.14560465]],
        [[-2.15964468, -41.0577211], [-7.49372946, -12.5477374]],
    ],
    "einsum": [
        [-1.77372442, -3.42056602],
        [[-0.241560674, -4.17581082], [0.164292909, -11.1316867], [0.105998286, 0.540691395]],
        [[3.4740649, -10.3284852], [8.15403088, 31.170679], [8.32598162, 4.48760221]],
    ],
}  # fmt: skip


def prints(arrays):
    return [[x.sum(), (x.ravel() * np.arange(1, x.size + 1)).sum()] for x in arrays]


@pytest.mark.parametrize("name", CASES)
def test_pytorch_gave_the_same(name):
    f, shapes = CASES[name]
    args = [np.sin(np.arange(np.prod(shape, dtype=int)) * 1.3 + n).reshape(shape) for n, shape in enumerate(shapes)]
    y, places = f(*args), tuple(range(len(args)))

    def loss(*args):
        return np.sum(np.sin(f(*args)) * np.cos(np.arange(y.size)).reshape(y.shape))

    def squares(*args):
        return sum([np.sum(g * g) for g in kn.grad(loss, places)(*args)])

    found = [prints([y])[0], prints(kn.grad(loss, places)(*args)), prints(kn.grad(squares, places)(*args))]
    for ours, theirs in zip(found, NUMBERS[name]):
        np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-9)
