"""The tables on which estimators fail worst, drawn: what such a table looks like tells more than its name.

Of every such table the pair of columns, one a side, that a nearest-neighbour estimate finds most dependent is kept, as
normal scores: marginals do not matter to MI, and heavy tails would squeeze all points into a corner.
"""

from collections.abc import Mapping, Sequence
from itertools import chain, product, zip_longest
from typing import Any

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from eval.baselines import build
from eval.suites import Case

_TABLES = 18  # drawn per suite at most, so that the file stays small
_POINTS = 120  # per table: enough to see a shape
_COLUMNS = 4  # of a side that are tried, the first ones
_ROWS = 300  # for the search of the pair


def places(estimators: Mapping[str, Mapping[str, Any]]) -> list[int]:
    """Places in the suite of the tables to draw: the worst of every estimator, then the second worst, and so on."""
    ranked = (section["worst"] for section in estimators.values())
    in_turn = chain.from_iterable(zip_longest(*ranked))
    return list(dict.fromkeys(place for place in in_turn if place is not None))[:_TABLES]


def drawing(case: Case) -> dict[str, Any]:
    """The most dependent pair of columns of a table.

    Returns:
        The numbers of both columns from 1, and the normal scores of up to 120 rows, two decimals.
    """
    x, y = (_scores(side[:, :_COLUMNS]) for side in (case.x, case.y))
    i, j = _leading_pair(x[:_ROWS], y[:_ROWS])
    points = [np.round(column[:_POINTS], 2).tolist() for column in (x[:, i], y[:, j])]
    return {"columns": [i + 1, j + 1], "points": points}


def _leading_pair(x: np.ndarray, y: np.ndarray) -> tuple[int, int]:
    pairs = list(product(range(x.shape[1]), range(y.shape[1])))
    if len(pairs) == 1:
        return pairs[0]
    guesses = build("ksg").estimate_batch([(x[:, [i]], y[:, [j]]) for i, j in pairs])
    return pairs[int(np.argmax([guess.mi_nats for guess in guesses]))]


def _scores(side: np.ndarray) -> np.ndarray:
    return ndtri(rankdata(side, axis=0) / (len(side) + 1))


def svg(points: Sequence[Sequence[float]], colour: str) -> str:
    """A scatter plot of two columns (each (n,), normal scores) as a small SVG image, marks in one path."""
    end = 3.2  # beyond all of 120 normal scores but a few in 10,000
    place = [np.clip(np.asarray(values) / end, -1, 1) * 96 + 100 for values in points]
    marks = "".join(f"M{x:.0f} {200 - y:.0f}h0" for x, y in zip(*place, strict=True))
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 200" width="200" height="200">'
        '<rect width="200" height="200" fill="#fff" stroke="#e3e3e3"/>'
        f'<path d="{marks}" stroke="{colour}" stroke-width="5" stroke-linecap="round" stroke-opacity=".55"/></svg>'
    )
