"""Every error of this package that a user can cause; the command line prints it in one line and exits with 1."""


class MistError(ValueError):
    """A clear refusal: says what was got, what was wanted and what to do."""


class InputError(MistError):
    """The arrays given cannot be answered for (length, shape, type, missing values)."""


class DimensionError(InputError):
    """A side has more columns than the model was trained on."""


class CheckpointError(MistError):
    """A checkpoint folder is damaged, incomplete, of another version, or lacks what was asked of it."""
