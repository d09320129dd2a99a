"""Margins with ties: a standard normal column is cut into classes, counts, rounded values or a mass at its bottom."""

from bisect import bisect_right
from itertools import accumulate

import numpy as np
from scipy.special import ndtri, pdtr

from data_gen.errors import DataGenError

Margin = tuple[str, tuple[float, ...]]

# Kinds and shares. Every kind has few numbers as parameters, so that the specs stay short.
_KINDS = {
    "classes": 0.34,
    "poisson": 0.14,
    "geometric": 0.1,
    "uniform": 0.14,
    "rounded": 0.14,
    "skewed": 0.08,
    "zeros": 0.06,
}
_SUMS = tuple(accumulate(_KINDS.values()))
_MOST = 600  # levels of a skewed margin


def draw_margin(rng: np.random.Generator) -> Margin:
    """Draw a margin of 2 to about 800 levels: half of the classes are binary, levels are seldom equally likely."""
    kind = list(_KINDS)[bisect_right(_SUMS, rng.uniform(0.0, _SUMS[-1]))]
    if kind == "classes":
        if rng.uniform() < 0.5:
            first = float(rng.uniform(0.05, 0.95))
            return kind, (first, 1 - first)
        weights = rng.dirichlet(np.full(int(rng.integers(3, 13)), 2.0)) + 0.01
        return kind, tuple((weights / weights.sum()).tolist())
    if kind == "poisson":
        return kind, (_log_uniform(rng, 0.3, 300.0),)
    if kind == "geometric":
        return kind, (_log_uniform(rng, 0.5, 60.0),)
    if kind == "uniform":
        return kind, (float(int(_log_uniform(rng, 3, 301))),)
    step = 6 / _log_uniform(rng, 10, 500)  # so many steps within 3 standard deviations
    return kind, (step,) if kind != "zeros" else (float(rng.uniform(0.1, 0.9)), step)


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def cuts_of(margin: Margin) -> np.ndarray:
    """Return where a standard normal number passes from one level to the next, (levels - 1,), increasing.

    Args:
        margin: Its kind and parameters: classes (their probabilities), poisson (mean), geometric (mean), uniform
            (levels), rounded (step), skewed (step, of the exponential) or zeros (probability of the lowest level,
            step of the rest).

    Raises:
        DataGenError: The kind is unknown.
    """
    kind, values = margin
    if kind == "classes":
        return ndtri(np.cumsum(values)[:-1])
    if kind == "uniform":
        return ndtri(np.arange(1, int(values[0])) / int(values[0]))
    if kind == "poisson":
        mean = values[0]
        counts = np.arange(max(int(mean - 8 * np.sqrt(mean)), 0), int(mean + 8 * np.sqrt(mean) + 8))
        return _inner(ndtri(pdtr(counts, mean)))
    if kind == "geometric":
        ratio = values[0] / (1 + values[0])
        counts = np.arange(1, int(-16 / np.log(ratio)) + 2)
        return _inner(-ndtri(ratio**counts))
    if kind == "rounded":
        return values[0] * (np.arange(-int(5 / values[0]), int(5 / values[0]) + 1) + 0.5)
    if kind == "skewed":
        return _inner(np.log(values[0] * np.arange(1, _MOST)))
    if kind == "zeros":
        lowest = float(ndtri(values[0]))
        return np.arange(lowest, 5.0, values[1])
    raise DataGenError(f"unknown margin {kind!r}; known: {', '.join(_KINDS)}")


def _inner(cuts: np.ndarray) -> np.ndarray:
    """Return the cuts within 5 standard deviations: levels beyond are joined to the last."""
    return cuts[np.abs(cuts) < 5]


def cut(z: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """Return the level of each standard normal number, as a float of the same shape."""
    return np.searchsorted(cuts, z, side="right").astype(float)
