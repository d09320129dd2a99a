"""Suite `discrete`: ties on one side or both, from a coin against a coin to counts beside continuous numbers.

A kNN estimate is thrown off by ties, and an estimate above the entropy of a discrete side is impossible. In the last
cut there is no dependence at all: two tied columns alone must not look dependent.
"""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from scipy.special import ndtri

from eval.suites import tied_laws as tied
from eval.suites.base import Plan, SuiteOptions, fixed, grid, register
from eval.suites.laws import Floats, Law

Side = Callable[[Generator, int], Floats]

_N = (100, 442, 2000)  # 442: the size of a well-known table of patients with a two-valued and a whole-numbered column
_REPEATS = 5


@register("discrete")
def plans(options: SuiteOptions) -> list[Plan]:
    """Plan every task at 100, 442 and 2000 samples, five draws each."""
    cuts = {"one side tied": _one_side(), "both sides tied": _both_sides(), "independent, tied": _independent()}
    cut_of = {task: cut for cut, laws in cuts.items() for task in laws}
    laws = {task: fixed(law) for laws in cuts.values() for task, law in laws.items()}
    return grid(laws, options.n or _N, options.repeats or _REPEATS, lambda task, n: cut_of[task])


def tasks() -> dict[str, Law]:
    """All laws by name."""
    return _one_side() | _both_sides() | _independent()


def _one_side() -> dict[str, Law]:
    return {
        "label-3-line": tied.label_line(3, 1.5),
        "label-5-line": tied.label_line(5, 3.0),
        "label-6-circle": tied.label_circle(6, 2.5),
        "label-6-circle-one-hot": tied.label_circle(6, 2.5, one_hot=True),
        "label-2-clouds-1": tied.two_clouds(1, 1.0),
        "label-2-clouds-8": tied.two_clouds(8, 2.5),
        "quantised-2-one": tied.quantised_one(0.6, _even(2)),
        "quantised-5-one": tied.quantised_one(0.9, _even(5)),
        "rounded-one": tied.quantised_one(0.75, _round(0.5)),
        "spread-letter-5": tied.spread_letter(5),
        "spread-letter-20": tied.spread_letter(20),
        "rounded-additive": tied.rounded_additive(0.2, 1),
        "poisson": tied.zero_inflated_poisson(1.0, 0.0),
        "poisson-inflated": tied.zero_inflated_poisson(5.0, 0.3),
        "poisson-3": tied.side_by_side(*[tied.zero_inflated_poisson(2.0, 0.15)] * 3),
    }


def _both_sides() -> dict[str, Law]:
    return {
        "channel-2": tied.channel(2, 0.2),
        "channel-2-clean": tied.channel(2, 0.0),
        "channel-4": tied.channel(4, 0.1),
        "channel-10": tied.channel(10, 0.4),
        "channel-3-3": tied.side_by_side(*[tied.channel(3, 0.15)] * 3),
        "quantised-2-2": tied.quantised_both(0.75, _even(2), _even(2)),
        "quantised-4-7": tied.quantised_both(0.9, _even(4), _even(7)),
        "rounded-both": tied.quantised_both(0.75, _round(0.5), _round(0.5)),
        "rounded-finely": tied.quantised_both(0.9, _round(0.1), _round(0.1)),
        "shared-counts": tied.shared_counts(2.0, 3.0),
        "zeros-together": tied.zeros_together(1, 0.6, 0.8),
        "zeros-together-3": tied.zeros_together(3, 0.5, 0.5),
    }


def _independent() -> dict[str, Law]:
    def law(x: Side, y: Side) -> Law:
        return Law("independent, tied", 0.0, lambda rng, n: (x(rng, n), y(rng, n)))

    return {
        "independent-binary-integers": law(_letters(0, 1), _letters(25, 346)),
        "independent-integers-integers": law(_letters(0, 59), _letters(0, 299)),
        "independent-binary-binary": law(_letters(0, 1), _letters(0, 1)),
        "independent-rare-binary": law(_rare, _letters(0, 1)),
        "independent-classes-normal": law(_letters(0, 4), _normal(1)),
        "independent-classes-normal-5": law(_letters(0, 4), _normal(5)),
        "independent-counts-counts": law(_counts, _counts),
        "independent-zeros-zeros": law(_spiked, _spiked),
    }


def _even(levels: int) -> Floats:
    """Cuts of a standard normal into equally likely levels."""
    return ndtri(np.arange(1, levels) / levels)


def _round(step: float) -> Floats:
    """Cuts of a standard normal that round it to a multiple of `step`."""
    return step * (np.arange(-round(6 / step), round(6 / step), dtype=np.float64) + 0.5)


def _letters(low: int, high: int) -> Side:
    """Whole numbers from low to high, all equally likely."""
    return lambda rng, n: rng.integers(low, high + 1, size=(n, 1)).astype(float)


def _normal(d: int) -> Side:
    return lambda rng, n: rng.standard_normal((n, d))


def _rare(rng: Generator, n: int) -> Floats:
    """A coin that shows 1 in a tenth of the rows."""
    return (rng.random((n, 1)) < 0.1).astype(float)


def _counts(rng: Generator, n: int) -> Floats:
    return rng.poisson(2.0, (n, 2)).astype(float)


def _spiked(rng: Generator, n: int) -> Floats:
    """Zero in half of the rows, continuous otherwise."""
    return rng.exponential(size=(n, 2)) * (rng.random((n, 2)) < 0.5)
