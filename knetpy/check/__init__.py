"""Tools that look for mistakes."""

from .errors import GradcheckError
from .gradcheck import gradcheck
from .nonfinite import check_nonfinite
