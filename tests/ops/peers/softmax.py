"""The softmax family against PyTorch's."""

import knetpy as kn
from tests.ops.peer import Case, torch

CASES = [
    Case("softmax", lambda x: kn.softmax(x * 3, 1), lambda x: torch.softmax(x * 3, 1), ((3, 4, 2),)),
    Case("logsoftmax", lambda x: kn.logsoftmax(x * 3, 0), lambda x: torch.log_softmax(x * 3, 0), ((3, 4),)),
    Case("logsumexp", lambda x: kn.logsumexp(x * 3, (0, 2)), lambda x: torch.logsumexp(x * 3, (0, 2)), ((3, 4, 2),)),
]
