"""Suite `null`: independent pairs of many shapes and marginals, among them ties, heavy tails and collinear columns.

The truth is 0, so whatever an estimator says is false, and an interval is honest only if it reaches down to 0.
"""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from eval.suites.base import Plan, SuiteOptions, fixed, grid, register
from eval.suites.laws import Floats, Law

Marginal = Callable[[Generator, int, int], Floats]  # (rng, n, d) -> (n, d)

_N = (32, 100, 500, 2000)
_REPEATS = 1
_SHAPES = ((1, 1), (1, 4), (2, 2), (5, 3), (5, 5), (2, 16), (10, 10), (32, 32))
_FEW = 5  # columns of a side: up to here 500 samples leave little room for false dependence
_TIED = ("binary", "classes", "counts", "integers", "spiked")


@register("null")
def plans(options: SuiteOptions) -> list[Plan]:
    """Plan every pair of shape and marginals; side y has the marginal that follows that of side x in the list."""
    names = list(MARGINALS)
    pairs = [(name, names[(place + step) % len(names)]) for step in (0, 1) for place, name in enumerate(names)]
    laws = {f"{d_x}v{d_y}-{x}-{y}": fixed(_independent(x, y, d_x, d_y)) for d_x, d_y in _SHAPES for x, y in pairs}
    return grid(laws, options.n or _N, options.repeats or _REPEATS, _cut)


def _cut(task: str, n: int) -> str:
    """Few or many columns, tied or continuous marginals, one n: false MI has a size of its own in each."""
    shape, *marginals = task.split("-")
    many = max(map(int, shape.split("v"))) > _FEW
    tied = any(name in _TIED for name in marginals)
    size = f"over {_FEW} columns" if many else f"up to {_FEW} + {_FEW} columns"
    return f"{size}, {'ties' if tied else 'continuous'}, n {n:>5}"


def _independent(x: str, y: str, d_x: int, d_y: int) -> Law:
    def draw(rng: Generator, n: int) -> tuple[Floats, Floats]:
        return MARGINALS[x](rng, n, d_x), MARGINALS[y](rng, n, d_y)

    return Law(x if x == y else f"{x} and {y}", 0.0, draw)


def _normal(rng: Generator, n: int, d: int) -> Floats:
    return rng.standard_normal((n, d))


def _correlated(rng: Generator, n: int, d: int) -> Floats:
    """Columns that correlate by .9 within their side."""
    return np.sqrt(0.9) * rng.standard_normal((n, 1)) + np.sqrt(0.1) * rng.standard_normal((n, d))


def _uniform(rng: Generator, n: int, d: int) -> Floats:
    return rng.random((n, d))


def _lognormal(rng: Generator, n: int, d: int) -> Floats:
    return rng.lognormal(sigma=2.0, size=(n, d))


def _student(rng: Generator, n: int, d: int) -> Floats:
    """One chi-squared divisor per row: columns of a side depend on each other in their size alone."""
    return rng.standard_normal((n, d)) / np.sqrt(rng.chisquare(1.5, (n, 1)) / 1.5)


def _bimodal(rng: Generator, n: int, d: int) -> Floats:
    return rng.standard_normal((n, d)) + 5 * rng.choice([-1, 1], (n, d))


def _shell(rng: Generator, n: int, d: int) -> Floats:
    """Rows near the unit sphere."""
    rows = rng.standard_normal((n, d))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True) * rng.normal(1, 0.05, (n, 1))


def _counts(rng: Generator, n: int, d: int) -> Floats:
    """Small whole numbers: most rows are tied."""
    return rng.poisson(2.0, (n, d)).astype(float)


def _spiked(rng: Generator, n: int, d: int) -> Floats:
    """Zero in half of the rows, continuous otherwise."""
    return rng.exponential(size=(n, d)) * (rng.random((n, d)) < 0.5)


def _binary(rng: Generator, n: int, d: int) -> Floats:
    """Two values, in shares of each column's own."""
    return (rng.random((n, d)) < rng.uniform(0.2, 0.5, d)).astype(float)


def _classes(rng: Generator, n: int, d: int) -> Floats:
    return rng.integers(5, size=(n, d)).astype(float)


def _integers(rng: Generator, n: int, d: int) -> Floats:
    """Whole numbers as of a measured quantity: every value is taken by a few rows."""
    return rng.integers(300, size=(n, d)).astype(float)


MARGINALS: dict[str, Marginal] = {
    "normal": _normal,
    "correlated": _correlated,
    "uniform": _uniform,
    "lognormal": _lognormal,
    "student": _student,
    "bimodal": _bimodal,
    "shell": _shell,
    "counts": _counts,
    "spiked": _spiked,
    "binary": _binary,
    "classes": _classes,
    "integers": _integers,
}
