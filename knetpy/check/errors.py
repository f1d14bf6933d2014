"""What gradcheck raises."""

from ..core.errors import KnetpyError


class GradcheckError(KnetpyError, AssertionError):
    """What `gradcheck` found: a wrong derivative, or that there is none at this point.

    `kind` is "wrong", "kink" (left and right slopes differ), "rough" (differences of different steps disagree) or
    "random" (two evaluations differ). The others are what the message says, None where it does not.
    """

    def __init__(self, message, kind, **facts):
        super().__init__(message)
        self.kind = kind
        for name in ("variable", "index", "order", "mode", "expected", "got", "left", "right", "suspect"):
            setattr(self, name, facts.get(name))
