"""NumPy's functions against PyTorch's."""

import numpy as np

from tests.ops.peer import Case, torch

CASES = [
    Case("std", lambda x: np.std(x, axis=1, ddof=1), lambda x: torch.std(x, dim=1), ((3, 4),)),
    Case("norm 3", lambda x: np.linalg.norm(x, 3, axis=1), lambda x: torch.linalg.vector_norm(x, 3, dim=1), ((3, 4),)),
    Case(
        "prod with zeros", lambda x: np.prod(x - x[:, 1:2], axis=1), lambda x: torch.prod(x - x[:, 1:2], 1), ((3, 4),)
    ),
    Case("power", lambda a, b: (a * a + 1) ** b, lambda a, b: (a * a + 1) ** b, ((3, 4), (4,))),
    Case("logaddexp", lambda a, b: np.logaddexp(a * 9, b), lambda a, b: torch.logaddexp(a * 9, b), ((3, 4), (3, 1))),
    Case("arctan2", np.arctan2, lambda a, b: torch.arctan2(a, b), ((3, 4), (3, 1))),
    Case(
        "einsum",
        lambda a, b, c: np.einsum("bij,jk,b->ik", a, b, c),
        lambda a, b, c: torch.einsum("bij,jk,b->ik", a, b, c),
        ((2, 3, 4), (4, 2), (2,)),
    ),
]
