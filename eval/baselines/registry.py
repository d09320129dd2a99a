"""Names of estimators, and of intervals that can be put around one: `ksg`, `ksg+bootstrap`, `gcmi+subsampling`."""

import inspect
from collections.abc import Callable

from eval.baselines.base import Baseline, PointBaseline
from eval.errors import EvalError

BASELINES: dict[str, Callable[[str | None], Baseline]] = {}
INTERVALS: dict[str, Callable[[PointBaseline], Baseline]] = {}
_ABOUT: dict[str, str] = {}  # by name; an interval's name begins with "+"


def register(baseline: type[PointBaseline]) -> type[PointBaseline]:
    """Add an estimator that comes untrained, under its `name`, described by the first line of its docstring."""
    _enter(BASELINES, baseline.name, lambda checkpoint: baseline(), baseline)
    return baseline


def register_trained(baseline: type[Baseline]) -> type[Baseline]:
    """Add an estimator that is made from the folder of a trained network."""
    _enter(BASELINES, baseline.name, baseline, baseline)
    return baseline


def register_interval(interval: type[Baseline]) -> type[Baseline]:
    """Add a way to put an interval around an estimator without one, made from that estimator."""
    _enter(INTERVALS, interval.name, interval, interval, "+")
    return interval


def build(name: str, checkpoint: str | None = None) -> Baseline:
    """Make the estimator of this name.

    Args:
        name: A name in the registry, or one with an interval around it, such as `ksg+bootstrap`.
        checkpoint: Folder of the trained network for the estimators that have one; None for the packaged one.

    Raises:
        EvalError: If no estimator or no interval has this name, or the estimator has an interval already.
    """
    inner, plus, interval = name.partition("+")
    if inner not in BASELINES:
        raise EvalError(f"got estimator {inner!r}; wanted one of: {', '.join(sorted(BASELINES))}")
    if plus and interval not in INTERVALS:
        raise EvalError(f"got {name!r}; wanted {inner} alone or with one of: {', '.join(sorted(INTERVALS))}")
    estimator = BASELINES[inner](checkpoint)
    if not plus:
        return estimator
    if not isinstance(estimator, PointBaseline):
        raise EvalError(f"got {name!r}, but {inner} has an interval of its own; use {inner} alone")
    return INTERVALS[interval](estimator)


def catalogue() -> dict[str, str]:
    """Names of all estimators and of all intervals (with a "+" before), each with a line on what it is."""
    return {name: _ABOUT.get(name, "") for name in [*sorted(BASELINES), *(f"+{name}" for name in sorted(INTERVALS))]}


def _enter(registry: dict, name: str, make: Callable, described: type, mark: str = "") -> None:
    if name in registry or "+" in name:
        raise ValueError(
            f"got a second estimator named {name!r}, or one with a +; wanted a name of its own: rename one"
        )
    registry[name] = make
    _ABOUT[mark + name] = (inspect.getdoc(described) or "").partition("\n")[0]
