"""Draws of single things."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from itertools import accumulate

import numpy as np

from data_gen.families.base import log_uniform


def pick_index(rng: np.random.Generator, weights: Iterable[float]) -> int:
    """Draw a position with probabilities in proportion to the weights; much faster than Generator.choice."""
    totals = list(accumulate(weights))
    return min(bisect_right(totals, rng.random() * totals[-1]), len(totals) - 1)


def pick(rng: np.random.Generator, weights: Mapping[str, float]) -> str:
    """Draw a name with probabilities in proportion to the weights."""
    return list(weights)[pick_index(rng, weights.values())]


def log_uniform_int(rng: np.random.Generator, low: int, high: int) -> int:
    """Draw a whole number of low..high whose logarithm is uniform, but for rounding down."""
    return min(int(log_uniform(rng, low, high + 1)), high)
