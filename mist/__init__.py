"""Mutual information in nats, with an interval that covers the truth as often as it says.

    import mist
    print(mist.load().estimate(x, y))

Names are loaded when first used, so that `import mist` and `mist --help` cost nothing.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mist.errors import CheckpointError, DimensionError, InputError, MistError
    from mist.estimator import Estimate, Estimator, estimate_mi, load
    from mist.independence import IndependenceTest, independence_test, mi_score
    from mist.matrix import Matrix, mi_matrix
    from mist.notices import Notice

_HOMES = {
    "CheckpointError": "errors",
    "DimensionError": "errors",
    "Estimate": "estimator",
    "Estimator": "estimator",
    "IndependenceTest": "independence",
    "InputError": "errors",
    "Matrix": "matrix",
    "MistError": "errors",
    "Notice": "prepare",
    "estimate_mi": "estimator",
    "independence_test": "independence",
    "load": "estimator",
    "mi_matrix": "matrix",
    "mi_score": "independence",
}

__all__ = [
    "CheckpointError",
    "DimensionError",
    "Estimate",
    "Estimator",
    "IndependenceTest",
    "InputError",
    "Matrix",
    "MistError",
    "Notice",
    "estimate_mi",
    "independence_test",
    "load",
    "mi_matrix",
    "mi_score",
]

try:
    __version__ = version("mist-mi")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+source"


def __getattr__(name: str) -> Any:
    """Import a public name from its home."""
    if name not in _HOMES:
        raise AttributeError(f"module 'mist' has no attribute {name!r}; it has {', '.join(_HOMES)}")
    return getattr(import_module(f"mist.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
