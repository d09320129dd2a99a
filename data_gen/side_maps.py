"""Draws the maps of one side of a table."""

from collections.abc import Mapping, Sequence

import numpy as np

from data_gen.draws import pick, pick_index
from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails
from data_gen.registry import TRANSFORMS
from data_gen.transforms.base import Transform
from data_gen.transforms.noise_columns import NoiseColumns
from data_gen.transforms.redundant import RedundantColumns
from data_gen.transforms.spiral import InPlane

MAP_COUNTS = (0.4, 0.3, 0.2, 0.1)  # probability of 0, 1, 2, 3 maps of a side
_MIXING = ("rotation", "linear", "spiral", "swirl", "flow")  # maps that hide ties
_MIST_MAPS = {"base": None, "asinh": "asinh", "half_cube": "half_cube", "wiggly": "wiggly"}


def draw_maps(
    rng: np.random.Generator,
    weights: Mapping[str, float],
    family: Family,
    widths: tuple[int, int, int],
    flow: bool,
    mixing: bool,
) -> tuple[Transform, ...]:
    """Draw the maps of one side; redundant and noise columns come last or, in a third of cases, first.

    Args:
        rng: Source of randomness.
        weights: Weight of each kind of map.
        family: The law.
        widths: Columns of the law, with the redundant ones, in all.
        flow: A flow is among the maps.
        mixing: Maps that mix columns are allowed.
    """
    count = pick_index(rng, MAP_COUNTS)
    d, _, d_out = widths
    added = added_columns(rng, widths, family.tied)
    early = bool(added) and rng.uniform() < 1 / 3
    steps = list(added) if early else []
    width, tails = (d_out if early else d), _tails_after(family.tails, steps)
    kinds = [pick(rng, weights) for _ in range(count)] if weights else []
    for name in dict.fromkeys([*kinds, *(["flow"] if flow else [])]):
        kind = TRANSFORMS.get(name)
        if name in _MIXING and not mixing:
            continue
        if tails not in kind.accepts:
            if name != "flow":
                continue
            steps.append(TRANSFORMS.get("asinh").draw(rng, width))
            tails = steps[-1].after(tails)
        steps.append(kind.draw(rng, width))
        tails = kind.after(tails)
    return tuple(steps) if early else (*steps, *added)


def added_columns(rng: np.random.Generator, widths: tuple[int, int, int], tied: bool) -> list[Transform]:
    """Draw maps that append columns which tell nothing new: redundant ones, then noise, with ties like the law's.

    Args:
        rng: Source of randomness.
        widths: Columns of a side, with the redundant ones, in all.
        tied: Equal values occur.
    """
    d, inner, d_out = widths
    added: list[Transform] = [RedundantColumns.of(rng, d, inner - d)] if inner > d else []
    if d_out > inner:
        added.append(NoiseColumns.of(rng, inner, d_out - inner, tied))
    return added


def draw_bend(rng: np.random.Generator, d: int) -> str | None:
    """Draw a map that bends a side of d columns in the end: none does for one, and a swiss roll has two."""
    bends = ("spiral", "swirl", "swiss_roll") if d == 2 else ("spiral", "swirl")
    return bends[int(rng.integers(len(bends)))] if d > 1 else None


def bending(rng: np.random.Generator, tails: Tails, bend: str | None, d: int) -> tuple[Transform, ...]:
    """Return maps of a side of d columns that tame its tails where that is needed, or sometimes, and then bend it.

    A plane that turns has one of the first two columns, on which sparse laws depend however many columns there are.
    """
    steps: list[Transform] = []
    if tails == "heavy" and (bend == "spiral" or rng.uniform() < 0.5):
        steps.append(TRANSFORMS.get("asinh").draw(rng, d))
    elif tails == "unit" and (bend == "swiss_roll" or rng.uniform() < 0.3):
        steps.append(TRANSFORMS.get("normal_cdf").draw(rng, d))
    if bend == "swiss_roll" and tails != "unit":
        steps = [TRANSFORMS.get("asinh").draw(rng, d), TRANSFORMS.get("squash").draw(rng, d)]
    if bend is None:
        return tuple(steps)
    last = TRANSFORMS.get(bend).draw(rng, d)
    return (*steps, last.with_leading(int(rng.integers(2))) if isinstance(last, InPlane) else last)


def mist_map(curve: str, side: str, d: int) -> tuple[Transform, ...]:
    """Return MIST's map of one side of d columns by its name there: base, asinh, half_cube or wiggly.

    Raises:
        DataGenError: The name is unknown.
    """
    if curve not in _MIST_MAPS:
        raise DataGenError(f"unknown map {curve!r} of MIST; known: {', '.join(_MIST_MAPS)}")
    if curve == "base":
        return ()
    return (TRANSFORMS.get(f"wiggly_{side}" if curve == "wiggly" else curve).from_params({"d_in": d}),)


def _tails_after(tails: Tails, steps: Sequence[Transform]) -> Tails:
    for step in steps:
        tails = step.after(tails)
    return tails
