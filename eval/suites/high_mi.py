"""Suite `high-mi`: 3 to 10 nats, on laws of which a few hundred samples can tell so much."""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from eval.suites import maps
from eval.suites import tied_laws as tied
from eval.suites.base import Plan, SuiteOptions, fixed, grid, register
from eval.suites.laws import (
    Law,
    additive_noise,
    mapped,
    noisy_views,
    normal_pairs,
    sparse,
    student,
    swapped,
)

_N = (500, 2000)
_REPEATS = 3


@register("high-mi")
def plans(options: SuiteOptions) -> list[Plan]:
    """Plan every task at 500 and 2000 samples, three draws each; mixing matrices are drawn anew for every table."""
    return grid(tasks(), options.n or _N, options.repeats or _REPEATS)


def tasks() -> dict[str, Callable[[Generator], Law]]:
    """The laws by name, some with a matrix that is left to chance."""
    return {
        "1v1-normal-3": _pairs([3.0]),
        "1v1-normal-5": _pairs([5.0]),
        "1v1-half-cube-4": _curved,
        "1v1-additive-0.01": fixed(additive_noise(0.01)),
        "1v1-additive-0.002": fixed(additive_noise(0.002)),
        "1v1-letters-50": fixed(tied.channel(50, 0.02)),
        "2v2-normal-6": _pairs([4.0, 2.0]),
        "5v5-normal-5": _pairs([1.0] * 5),
        "5v5-normal-8": _pairs([4.0, 2.0, 1.0, 0.5, 0.5]),
        "5v5-additive-0.1": fixed(additive_noise([0.1] * 5)),
        "5v5-student-2": fixed(student(sparse(5, 5, 7.0), 5, df=2)),
        "10v10-normal-10": _pairs([1.0] * 10),
        "20v20-normal-9": _pairs([3.0, 3.0, 3.0], 20),
        "3v3-views": lambda rng: noisy_views(3, 3, 0.1, rng),
        "2v10-views": lambda rng: noisy_views(2, 10, 0.2, rng),
        "1v20-views": lambda rng: noisy_views(1, 20, 0.05, rng),
        "12v3-views": lambda rng: swapped(noisy_views(3, 12, 0.3, rng)),
    }


def _pairs(nats: list[float], d: int | None = None) -> Callable[[Generator], Law]:
    return lambda rng: normal_pairs(nats, d or len(nats), d or len(nats), rng)


def _curved(rng: Generator) -> Law:
    return mapped(normal_pairs(np.array([4.0]), 1, 1, rng), maps.half_cube, maps.asinh, "normal, mapped")
