"""The errors of this package that a user can cause."""


class DataGenError(ValueError):
    """A request that this package cannot fulfil; the message says what was got, what was wanted and what to do."""


class IncompleteStore(DataGenError):
    """A store that is not whole; the message names what is missing and the command that finishes it."""
