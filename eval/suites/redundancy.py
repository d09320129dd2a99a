"""Suite `redundancy`: columns that add no information, put beside a law's own; the truth stays what it was.

Noise columns depend on nothing. Copies, sums and functions are made of their own side's columns, so that side knows no
more than before; its covariance becomes singular, or no longer looks like that of a normal law.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.random import Generator

from eval.suites import maps
from eval.suites.base import Plan, SuiteOptions, grid, register
from eval.suites.bmi import two_pair
from eval.suites.laws import Floats, Law, additive_noise, mapped, normal_pairs, student

Addition = Callable[[Generator, Floats], Floats]  # (rng, own columns (n, d)) -> further columns (n, k)

_N = (100, 500, 2000)
_REPEATS = 2


@register("redundancy")
def plans(options: SuiteOptions) -> list[Plan]:
    """Plan every law with every addition on x and on both sides at 100, 500 and 2000 samples, two draws each."""
    return grid(tasks(), options.n or _N, options.repeats or _REPEATS, lambda task, n: task.split("-plus-")[-1])


def tasks() -> dict[str, Callable[[Generator], Law]]:
    """The laws by name: of the law itself, of what was added, and of the sides to which it was added."""
    return {
        f"{name}-plus-{addition}{'' if addition == 'nothing' else f' on {sides}'}": _widened(law, add, sides)
        for name, law in _LAWS.items()
        for addition, add in ADDITIONS.items()
        for sides in (("both",) if addition == "nothing" else ("x", "both"))
    }


def _widened(law: Callable[[Generator], Law], add: Addition, sides: str) -> Callable[[Generator], Law]:
    def widened(rng: Generator) -> Law:
        plain = law(rng)

        def draw(rng: Generator, n: int) -> tuple[Floats, Floats]:
            x, y = plain.draw(rng, n)
            return np.hstack([x, add(rng, x)]), np.hstack([y, add(rng, y)]) if sides == "both" else y

        return replace(plain, draw=draw)

    return widened


def _nothing(rng: Generator, own: Floats) -> Floats:
    return own[:, :0]


def _noise(count: int) -> Addition:
    return lambda rng, own: rng.standard_normal((len(own), count))


def _copies(rng: Generator, own: Floats) -> Floats:
    return own.copy()


def _sums(rng: Generator, own: Floats) -> Floats:
    """Three weighted sums of columns; of a single column, multiples."""
    return own @ rng.standard_normal((own.shape[1], 3))


def _functions(rng: Generator, own: Floats) -> Floats:
    """Functions of the first and the last column that no line follows."""
    first, last = own[:, 0], own[:, -1]
    return np.stack([np.tanh(first), last**2, first * last, np.cos(3 * last)], axis=1)


ADDITIONS: dict[str, Addition] = {
    "nothing": _nothing,
    "3 noise": _noise(3),
    "12 noise": _noise(12),
    "copies": _copies,
    "sums": _sums,
    "functions": _functions,
}
_LAWS: dict[str, Callable[[Generator], Law]] = {
    "1v1-additive": lambda rng: additive_noise(0.3),
    "2v2-normal": lambda rng: normal_pairs([0.8, 0.4], 2, 2, rng),
    "2v2-student": lambda rng: student(np.eye(4), 2, df=1),
    "3v3-spiral": lambda rng: mapped(two_pair(3), maps.spiral_x, maps.spiral_y, "normal, spiral"),
}
