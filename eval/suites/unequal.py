"""Suite `unequal`: a few columns against many, with the dependence in one pair of columns, in all, or in none."""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from eval.suites import tied_laws as tied
from eval.suites.base import Plan, SuiteOptions, grid, register
from eval.suites.laws import Law, additive_noise, noisy_views, normal, normal_pairs, padded, student, swapped

_N = (100, 500, 2000)
_REPEATS = 2
_SHAPES = ((1, 5), (1, 20), (3, 30), (2, 64), (10, 40), (5, 1), (30, 3))


@register("unequal")
def plans(options: SuiteOptions) -> list[Plan]:
    """Plan every kind of dependence in every shape at 100, 500 and 2000 samples, two draws each."""
    return grid(tasks(), options.n or _N, options.repeats or _REPEATS, lambda task, n: task.split("-")[0])


def tasks() -> dict[str, Callable[[Generator], Law]]:
    """The laws by name: dimensions and the kind of dependence."""
    return {f"{d_x}v{d_y}-{name}": _turned(law, d_x, d_y) for d_x, d_y in _SHAPES for name, law in _KINDS.items()}


Kind = Callable[[int, int, Generator], Law]  # (columns of the smaller side, of the larger, rng) -> law


def _turned(law: Kind, d_x: int, d_y: int) -> Callable[[Generator], Law]:
    """Make the law with its smaller side first, and exchange the sides where x is the larger one."""
    if d_x <= d_y:
        return lambda rng: law(d_x, d_y, rng)
    return lambda rng: swapped(law(d_y, d_x, rng))


def _hidden(few: int, many: int, rng: Generator) -> Law:
    """One pair of .7 nats, mixed into all columns of both sides."""
    return normal_pairs([0.7], few, many, rng)


def _spread(few: int, many: int, rng: Generator) -> Law:
    """Each column of the larger side sees the smaller through much noise; about half a nat in all."""
    return noisy_views(few, many, float(np.sqrt(many / few / np.expm1(1 / few))), rng)


def _one_column(few: int, many: int, rng: Generator) -> Law:
    """One column of each side is tied to its partner, not linearly; all others are normal noise."""
    return padded(additive_noise(0.3), few - 1, many - 1)


def _scales(few: int, many: int, rng: Generator) -> Law:
    """A multivariate t law with no correlation: the sides share the size of their rows alone."""
    return student(np.eye(few + many), few, df=3)


def _label(few: int, many: int, rng: Generator) -> Law:
    """A class on the smaller side, two clouds on the larger."""
    return padded(tied.two_clouds(many, 2.0), few - 1, 0)


def _independent(few: int, many: int, rng: Generator) -> Law:
    return normal(np.eye(few + many), few, family="independence")


_KINDS: dict[str, Kind] = {
    "hidden": _hidden,
    "spread": _spread,
    "one-column": _one_column,
    "scales": _scales,
    "label": _label,
    "independent": _independent,
}
