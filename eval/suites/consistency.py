"""Suite `self-consistency`: real data whose truth nobody knows, and estimates that must agree with each other.

shuffled    y of another row: the estimate itself is the violation, for the truth is 0
doubled     two halves of the rows, independent copies of one law, side by side: the estimate must be the sum of both
            halves' own; the violation is the difference, with its sign
function    y passed through a function (rounded, folded at its median, less a column): the estimate must not grow; the
            violation is by how much it did, or 0

Each case is one such check. Its violation, in nats, stands in the place of the estimate, and 0 in that of the truth, so
the mean absolute error of a report is the mean violation.
"""

from collections.abc import Callable, Sequence
from functools import cache, partial

import numpy as np
from numpy.random import Generator

from eval.errors import EvalError
from eval.suites.base import Plan, SuiteOptions, grid, register
from eval.suites.laws import Floats, Law

Tables = list[tuple[Floats, Floats]]
Task = Callable[[Generator], Law]

_N = (80, 200, 400)
_REPEATS = 10
_MOST_COLUMNS = 3  # of a side: 80 rows must still tell something of two such tables side by side
_NOTE = (
    "Real data without a known truth. A row is a check, not a table: the error is the nats by which estimates of one "
    "estimator contradict each other, 0 at best. One that always answers 0 passes; read it beside suites with truths."
)


@register("self-consistency", _NOTE)
def plans(options: SuiteOptions) -> list[Plan]:
    """Plan every check on every data set that has the rows, ten choices of columns each, at 80, 200 and 400 samples.

    Raises:
        EvalError: If no data set has so many rows.
    """
    found: list[Plan] = []
    for name in DATA_SETS:
        for check, law in CHECKS.items():
            rows = len(data_set(name)) // (2 if check == "doubled" else 1)
            sizes = [n for n in options.n or _N if n <= rows]
            task: Task = partial(law, name)
            found += grid({f"{name}-{check}": task}, sizes, options.repeats or _REPEATS, lambda task, n: _check(task))
    if not found:
        most = max(len(data_set(name)) for name in DATA_SETS)
        raise EvalError(
            f"got n = {' '.join(map(str, options.n))}; wanted at most {most}, the rows of the largest data set"
        )
    return found


def _check(task: str) -> str:
    return task.rpartition("-")[2]


def _sides(name: str, rng: Generator, n: int) -> tuple[Floats, Floats]:
    """One to three random columns for either side, in n random rows."""
    rows = data_set(name)
    d_x, d_y = rng.integers(1, _MOST_COLUMNS + 1, 2)
    columns = rng.permutation(rows.shape[1])[: d_x + d_y]
    chosen = rows[rng.permutation(len(rows))[:n]][:, columns]
    return chosen[:, :d_x], chosen[:, d_x:]


def _shuffled(name: str, rng: Generator) -> Law:
    def draw(rng: Generator, n: int) -> tuple[Floats, Floats]:
        x, y = _sides(name, rng, n)
        return x, y[rng.permutation(n)]

    return Law(name, 0.0, draw, violation=lambda nats: nats[0])


def _doubled(name: str, rng: Generator) -> Law:
    def draw(rng: Generator, n: int) -> tuple[Floats, Floats]:
        x, y = _sides(name, rng, 2 * n)
        return np.hstack(np.split(x, 2)), np.hstack(np.split(y, 2))

    return Law(name, 0.0, draw, others=halves, violation=lambda nats: nats[0] - nats[1] - nats[2])


def halves(x: Floats, y: Floats) -> Tables:
    """The two tables that stand side by side, (n, 2 d) each way."""
    return list(zip(np.split(x, 2, axis=1), np.split(y, 2, axis=1), strict=True))


def _function(function: Callable[[Floats], Floats], name: str, rng: Generator) -> Law:
    def others(x: Floats, y: Floats) -> Tables:
        return [(x, function(y))]

    return Law(name, 0.0, partial(_wide_enough, name), others=others, violation=growth)


def _wide_enough(name: str, rng: Generator, n: int) -> tuple[Floats, Floats]:
    """Sides of which y has two columns or more, so that one can be left out."""
    while True:
        x, y = _sides(name, rng, n)
        if y.shape[1] > 1:
            return x, y


def growth(nats: Sequence[float]) -> float:
    """Nats that a function seems to have added."""
    return max(nats[1] - nats[0], 0.0)


def rounded(y: Floats) -> Floats:
    """Every column cut at its quartiles, 0 to 3."""
    return np.stack([np.searchsorted(np.quantile(v, (0.25, 0.5, 0.75)), v) for v in y.T], axis=1).astype(np.float64)


def folded(y: Floats) -> Floats:
    """Distance of every column from its median, the lower one, lest two values become one."""
    return np.abs(y - np.quantile(y, 0.5, axis=0, method="lower"))


def fewer(y: Floats) -> Floats:
    """All columns but the last."""
    return y[:, :-1]


CHECKS: dict[str, Callable[[str, Generator], Law]] = {
    "shuffled": _shuffled,
    "doubled": _doubled,
    "function rounded": partial(_function, rounded),
    "function folded": partial(_function, folded),
    "function fewer": partial(_function, fewer),
}
DATA_SETS = ("wine", "diabetes", "breast-cancer", "digits")
_COMPONENTS = 12  # of the digits: single pixels say next to nothing


@cache
def data_set(name: str) -> Floats:
    """Rows and columns of a data set that comes with scikit-learn, the quantity to be predicted last."""
    from sklearn import datasets

    loaders = {
        "wine": datasets.load_wine,
        "diabetes": datasets.load_diabetes,
        "breast-cancer": datasets.load_breast_cancer,
        "digits": datasets.load_digits,
    }
    data, predicted = loaders[name](return_X_y=True)
    rows = np.asarray(data, np.float64)
    if name == "digits":
        centred = rows - rows.mean(axis=0)
        rows = (centred @ np.linalg.svd(centred, full_matrices=False)[2][:_COMPONENTS].T).round(6)
    return np.hstack([rows, np.asarray(predicted, np.float64)[:, None]])
