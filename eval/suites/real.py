r"""Suite `real`: pictures of handwritten digits whose mutual information is that of their labels.

A label L goes through a noisy channel to a label M; x is a picture of L and y a picture of M, each drawn from all
pictures of that digit whatever the other is. So x and y depend on each other through L and M alone, and

    I(L; M) - c (H(L | x) + H(M | y))  <=  I(x; y)  <=  I(L; M),

on the right by the data-processing inequality, on the left by the chain rule I(L; M) = I(x; M) + I(L; M | x) and the
contraction c of the channel in either direction, 1 if it has no noise. Who can tell the digit from the picture has the
right end. Over the pictures of this set alone it holds exactly, for no two of different digits are alike; over
handwriting at large H(L | x) is at most the log loss of any classifier on pictures new to it. LOSSES has that of a
support-vector machine scaled by a logistic regression, ten-fold, plus two standard errors (a test takes it again). The
truth given is the middle of both ends, and half their distance stands in the place of its standard error.

References: Cover and Thomas (2006), chapter 2; Polyanskiy and Wu (2017), Strong data-processing inequalities, for the
contraction by Dobrushin's coefficient. Data: Alpaydin and Kaynak (1998), Optical Recognition of Handwritten Digits, UCI
repository, 1,797 pictures of 8 x 8 pixels as scikit-learn brings them.
"""

from functools import cache

import numpy as np
from numpy.random import Generator

from eval.suites.base import Plan, SuiteOptions, fixed, grid, register
from eval.suites.laws import Floats, Law
from eval.suites.tied_laws import channel

Digits = tuple[int, ...]

_N = {2: (100, 300), 4: (100, 300, 600), 10: (100, 300, 1000)}  # by digits: no picture comes twice on a side
_REPEATS = 2
_TEN = tuple(range(10))
_NOTE = (
    "The truth is that of the labels, less what pictures may hide of theirs: it is the middle of what is possible, and "
    "off by at most .012 nats for two and four digits and .115 for ten."
)

# Digits -> view -> nats of its label that a picture may hide. `label` is the number of the digit itself.
LOSSES: dict[Digits, dict[str, float]] = {
    (0, 1): {"pca4": 0.005, "pixels": 0.005},
    (1, 7): {"pca16": 0.006},
    (0, 1, 4, 6): {"pca16": 0.004, "pixels": 0.012, "label": 0.0},
    _TEN: {"pca16": 0.115, "pixels": 0.105, "label": 0.0},
}
_VIEWS: dict[Digits, tuple[tuple[str, str], ...]] = {
    (0, 1): (("pca4", "pca4"), ("pixels", "pixels")),
    (1, 7): (("pca16", "pca16"),),
    (0, 1, 4, 6): (("pca16", "pca16"), ("pixels", "pixels"), ("pixels", "pca16"), ("pca16", "label")),
    _TEN: (("pca16", "pca16"), ("pixels", "pixels"), ("pca16", "label")),
}


@register("real", _NOTE)
def plans(options: SuiteOptions) -> list[Plan]:
    """Plan pictures of two, four and ten digits through four channels, by default two draws at 100 to 1000 samples."""
    found: list[Plan] = []
    for digits, pairs in _VIEWS.items():
        tasks = {
            f"{_name(digits)}-{x_view}-{y_view}-error {error:.2g}": fixed(pictures(digits, x_view, y_view, error))
            for x_view, y_view in pairs
            for error in (0.0, 0.15, 0.4, 1 - 1 / len(digits))
        }
        repeats = options.repeats or _REPEATS
        found += grid(tasks, options.n or _N[len(digits)], repeats, lambda task, n: task.rpartition("-")[0])
    return found


def pictures(digits: Digits, x_view: str, y_view: str, error: float) -> Law:
    """Pictures of labels L and M; M = L, but with probability `error` any other of the digits.

    Args:
        digits: The digits, all equally likely.
        x_view: What x shows: pixels (those that vary), pca4 or pca16 (leading principal components), or label.
        y_view: What y shows.
        error: Of the channel; 1 - 1 / (number of digits) makes both sides independent.
    """
    labels = channel(len(digits), error)
    kept = 1 - error * len(digits) / (len(digits) - 1)  # Dobrushin's coefficient: distance of any two rows
    hidden = kept * (LOSSES[digits][x_view] + LOSSES[digits][y_view])
    high = round(labels.mi_nats, 12) + 0.0  # nothing left of rounding where both sides are independent
    low = max(high - hidden, 0.0)

    def draw(rng: Generator, n: int) -> tuple[Floats, Floats]:
        sent, received = labels.draw(rng, n)
        return _shown(rng, digits, sent, x_view), _shown(rng, digits, received, y_view)

    return Law(f"digits, {len(digits)}", (low + high) / 2, draw, (high - low) / 2)


def view(digits: Digits, name: str) -> list[Floats]:
    """All pictures of each of the digits as rows, [(pictures, columns)]."""
    pixels, labels = _pictures()
    if name == "label":
        return [np.full((int((labels == digit).sum()), 1), digit, np.float64) for digit in digits]
    if name == "pixels":
        own = pixels[np.isin(labels, digits)]
        rows = pixels[:, np.ptp(own, axis=0) > 0]
    else:
        rows = _components()[:, : int(name.removeprefix("pca"))]
    return [rows[labels == digit] for digit in digits]


def _shown(rng: Generator, digits: Digits, labels: Floats, name: str) -> Floats:
    """A picture for every label, (n, 1) -> (n, columns); none comes twice before all have come."""
    pools = view(digits, name)
    rows = np.empty((len(labels), pools[0].shape[1]))
    for label, pool in enumerate(pools):
        places = np.flatnonzero(labels[:, 0] == label)
        rounds = -(-len(places) // len(pool))
        order = np.concatenate([rng.permutation(len(pool)) for _ in range(rounds)]) if rounds else places
        rows[places] = pool[order[: len(places)]]
    return rows


def _name(digits: Digits) -> str:
    return "ten" if digits == _TEN else "".join(map(str, digits))


@cache
def _pictures() -> tuple[Floats, np.ndarray]:
    """Pixels (1797, 64) from 0 to 16, and labels (1797,)."""
    from sklearn.datasets import load_digits  # comes with scikit-learn, nothing is fetched

    bundled = load_digits()
    return np.asarray(bundled.data, np.float64), bundled.target


@cache
def _components() -> Floats:
    """Principal components of all pictures, (1797, 64), the widest first; six digits are the same on any machine."""
    centred = _pictures()[0] - _pictures()[0].mean(axis=0)
    return (centred @ np.linalg.svd(centred, full_matrices=False)[2].T).round(6)
