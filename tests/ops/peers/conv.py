"""Convolutions against PyTorch's."""

import knetpy as kn
from tests.ops.peer import Case, F

CASES = [
    Case(
        "1-d",
        lambda x, w: kn.conv(x, w, stride=2, padding=1),
        lambda x, w: F.conv1d(x, w, stride=2, padding=1),
        ((2, 2, 7), (3, 2, 3)),
    ),
    Case(
        "2-d",
        lambda x, w, b: kn.conv(x, w, b, stride=(1, 2), padding=(2, 1), dilation=(2, 1)),
        lambda x, w, b: F.conv2d(x, w, b, stride=(1, 2), padding=(2, 1), dilation=(2, 1)),
        ((2, 2, 5, 6), (3, 2, 2, 3), (3,)),
    ),
    Case(
        "groups",
        lambda x, w: kn.conv(x, w, groups=2, padding=1),
        lambda x, w: F.conv2d(x, w, groups=2, padding=1),
        ((1, 4, 4, 3), (6, 2, 3, 3)),
    ),
    Case(
        "3-d",
        lambda x, w: kn.conv(x, w, stride=(2, 1, 1)),
        lambda x, w: F.conv3d(x, w, stride=(2, 1, 1)),
        ((1, 2, 4, 3, 3), (2, 2, 2, 2, 1)),
    ),
]
