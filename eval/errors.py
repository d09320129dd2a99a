"""What a user of the evaluation can do wrong."""

from mist.errors import MistError


class EvalError(MistError):
    """An error that a user can cause and repair; its message says how."""
