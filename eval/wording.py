"""Figures of a report as people read them, in the terminal and on the page alike."""

import math
from collections.abc import Sequence

Mean = Sequence[float | None]  # value and standard error, as in report.json

_NONE = "–"


def number(value: float | None) -> str:
    """Three significant digits, but never more than four behind the point."""
    if value is None:
        return _NONE
    digits = 3 if value == 0 else min(4, max(0, 2 - math.floor(math.log10(abs(value)))))
    return f"{value:.{digits}f}".replace("-", "−")


def mean(figure: Mean | None) -> str:
    """A mean with its standard error, as many digits as the error's two leading ones allow, at most four."""
    if figure is None or figure[0] is None:
        return _NONE
    value, stderr = figure
    if not stderr:
        return number(value)
    digits = min(4, max(0, 1 - math.floor(math.log10(stderr))))
    return f"{value:.{digits}f} ± {stderr:.{digits}f}".replace("-", "−")


def percent(figure: Mean | None) -> str:
    """A share with its standard error, in per cent."""
    if figure is None or figure[0] is None or figure[1] is None:
        return _NONE
    return f"{100 * figure[0]:.1f} ± {100 * figure[1]:.1f} %"


def seconds(value: float | None) -> str:
    """A duration in seconds or milliseconds."""
    if value is None:
        return _NONE
    return f"{value:.1f} s" if value >= 1 else f"{number(1000 * value)} ms"


def megabytes(value: float | None) -> str:
    """An amount of memory in MB; below .1 it drowns in the measurement's own noise."""
    if value is None:
        return _NONE
    return "< 0.1 MB" if value < 1e5 else f"{number(value / 1e6)} MB"
