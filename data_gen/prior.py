"""Meta-distributions: laws from which the specs of a meta-dataset are drawn."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from data_gen.draws import log_uniform_int, pick, pick_index
from data_gen.errors import DataGenError
from data_gen.families.base import Family, log_uniform
from data_gen.families.product import Product
from data_gen.registry import FAMILIES, TRANSFORMS
from data_gen.shares import (
    ADDED_FAMILIES,
    BENT_FAMILIES,
    BLIND,
    EDGED_FAMILIES,
    FIRST_FAMILIES,
    HELD_OUT,
    JUDGED_FAMILIES,
    LATE_FAMILIES,
    MAPS,
    MIST_BASE,
    MIST_IMD,
    MIST_OOMD,
    MIST_TRAIN,
    PICTURED_FAMILIES,
    ROUGH_FAMILIES,
    SHIFT,
    SPARSE_FAMILIES,
    TIED_FAMILIES,
    WIDE_FAMILIES,
)
from data_gen.side_maps import added_columns, bending, draw_bend, draw_maps, mist_map
from data_gen.spec import Spec

# Low and high in nats, share (guess).
STRATA = ((0.003, 0.05, 0.14), (0.05, 0.3, 0.18), (0.3, 1.0, 0.24), (1.0, 4.0, 0.31), (4.0, 10.0, 0.13))
_TRIES = 8  # draws of a family until its detail can be seen in n rows; the last stands
_TIED_PRODUCTS = 0.3  # share of products whose blocks all have ties (guess)
_MIXED_TIES = 0.15  # share of laws with ties that go through such maps all the same (guess)
MIST_SIZES, MIST_COLUMNS = (10, 500), (2, 32)  # MIST draws n and d uniformly, d_x = d_y


@dataclass(frozen=True)
class Shape:
    """The shape of a table.

    Attributes:
        n: Rows.
        d_x: Columns of x.
        d_y: Columns of y.
        mist: The table follows one of the prior's MIST laws, at MIST's own strength, instead of its families.
    """

    n: int
    d_x: int
    d_y: int
    mist: bool = False


@dataclass(frozen=True)
class Prior:
    """A law of joint distributions.

    Attributes:
        families: Weight of each family.
        maps: Weight of each kind of transform.
        n: Least and most rows; log-uniform.
        d: Least and most columns of a side; log-uniform.
        low_d: Most columns of a side in the low-dimensional share.
        low_share: Share of shapes whose sides have at most low_d columns.
        unequal_share: Share of shapes whose sides draw their columns separately.
        area: Most values of a table, n (d_x + d_y); more rows are not drawn.
        noise_share: Share of tables in which some columns of a side are pure noise.
        redundant_share: Share of tables in which some columns of a side are functions of others of that side.
        bent_share: Share of tables of at most bent_d columns per side that are normal or Student laws seen through a
            spiral, a swirl or a swiss roll on one side or both.
        bent_d: Most columns of a side of such a table.
        bent_added_share: Share of such tables in which some columns of a side, appended last, are noise, and likewise
            functions of others.
        flow_share: Share of tables with a random flow on one side.
        mist_share: Share of shapes (so of tables) that follow MIST's laws.
        mist_small_share: Share of MIST's shapes whose rows are log-uniform, so few rows often; MIST's are uniform.
        mist_laws: MIST's laws as (family, map of every column of both sides: base, asinh, half_cube or wiggly).
        tables_per_shape: Consecutive tables of one shape.
    """

    families: Mapping[str, float]
    maps: Mapping[str, float]
    n: tuple[int, int] = (16, 8192)
    d: tuple[int, int] = (1, 64)
    low_d: int = 5
    low_share: float = 0.45
    unequal_share: float = 0.5
    area: int = 200_000
    noise_share: float = 0.25
    redundant_share: float = 0.08
    bent_share: float = 0.12
    bent_d: int = 32
    bent_added_share: float = 0.0
    flow_share: float = 0.05
    mist_share: float = 0.25
    mist_small_share: float = 0.0
    mist_laws: tuple[tuple[str, str], ...] = ()
    tables_per_shape: int = 8

    def __post_init__(self) -> None:
        for name in (*self.families, *(family for family, _ in self.mist_laws)):
            FAMILIES.get(name)
        for name in self.maps:
            TRANSFORMS.get(name)
        if (self.mist_share < 1 and not self.families) or (self.mist_share > 0 and not self.mist_laws):
            raise DataGenError("the prior has no family left to draw from; keep one in each part that has a share")

    def without(self, *names: str) -> Self:
        """Return the prior without some families, which so stay unseen.

        Raises:
            DataGenError: A family is unknown, or none would be left.
        """
        for name in names:
            FAMILIES.get(name)
        families = {name: weight for name, weight in self.families.items() if name not in names}
        laws = tuple(law for law in self.mist_laws if law[0] not in names)
        return replace(self, families=families, mist_laws=laws)

    def draw_shape(self, rng: np.random.Generator) -> Shape:
        """Draw the shape of a group of tables."""
        if rng.uniform() < self.mist_share:
            d = int(rng.integers(MIST_COLUMNS[0], MIST_COLUMNS[1] + 1))
            n = int(rng.integers(MIST_SIZES[0], MIST_SIZES[1] + 1))
            if self.mist_small_share > 0 and rng.uniform() < self.mist_small_share:
                n = log_uniform_int(rng, *MIST_SIZES)
            return Shape(n, d, d, mist=True)
        high = min(self.low_d, self.d[1]) if rng.uniform() < self.low_share else self.d[1]
        d_x = log_uniform_int(rng, self.d[0], high)
        d_y = log_uniform_int(rng, self.d[0], high) if rng.uniform() < self.unequal_share else d_x
        if rng.uniform() < 0.5:
            d_x, d_y = d_y, d_x
        n = min(log_uniform_int(rng, *self.n), max(self.area // (d_x + d_y), self.n[0]))
        return Shape(n, d_x, d_y)

    def draw(self, rng: np.random.Generator, shape: Shape) -> Spec:
        """Draw a joint distribution whose sides have exactly shape.d_x and shape.d_y columns after the maps."""
        if shape.mist:
            return self._draw_mist(rng, shape)
        if max(shape.d_x, shape.d_y) <= self.bent_d and rng.uniform() < self.bent_share:
            bent = {name: weight for name, weight in BENT_FAMILIES.items() if name in self.families}
            if bent:
                return self._draw_bent(rng, shape, bent)
        noisy, redundant = rng.uniform() < self.noise_share, rng.uniform() < self.redundant_share
        sides = [_widths(rng, d, redundant, noisy) for d in (shape.d_x, shape.d_y)]
        family = self._draw_family(rng, shape.n, sides[0][0], sides[1][0])
        flows = rng.integers(2) if rng.uniform() < self.flow_share else None
        mixing = not family.tied or rng.uniform() < _MIXED_TIES
        x_maps, y_maps = (
            draw_maps(rng, self.maps, family, widths, flow=mixing and flows == side, mixing=mixing)
            for side, widths in enumerate(sides)
        )
        return Spec.of(family, x_maps, y_maps)

    def _draw_family(self, rng: np.random.Generator, n: int, d_x: int, d_y: int) -> Family:
        """Draw a family, again while it has more detail than n rows can show."""
        for _ in range(_TRIES):
            name, aim = pick(rng, self.families), draw_nats(rng, n)
            if name == Product.name:  # of this prior's families, so that those kept out stay unseen
                tied = {name: weight for name, weight in self.families.items() if name in TIED_FAMILIES}
                weights = tied if tied and rng.uniform() < _TIED_PRODUCTS else self.families
                family: Family = Product.draw_from(rng, d_x, d_y, aim, weights)
            else:
                family = FAMILIES.get(name).draw(rng, d_x, d_y, aim)
            if family.rows_needed() <= n:
                break
        return family

    def _draw_bent(self, rng: np.random.Generator, shape: Shape, families: Mapping[str, float]) -> Spec:
        """Draw a normal or Student law whose sides are bent, at least one of them where it has two columns or more."""
        widths = [_widths(rng, d, *self._added_to_bent(rng)) for d in (shape.d_x, shape.d_y)]
        first = int(rng.integers(2))
        bends = [
            draw_bend(rng, d) if side == first or rng.uniform() < 0.4 else None for side, (d, *_) in enumerate(widths)
        ]
        inner = [1 if bend == "swiss_roll" else d for bend, (d, *_) in zip(bends, widths, strict=True)]
        family = FAMILIES.get(pick(rng, families)).draw(rng, inner[0], inner[1], draw_nats(rng, shape.n))
        sides = (
            (*bending(rng, family.tails, bend, d), *added_columns(rng, of_side, tied=False))
            for bend, d, of_side in zip(bends, inner, widths, strict=True)
        )
        return Spec.of(family, *sides)

    def _added_to_bent(self, rng: np.random.Generator) -> tuple[bool, bool]:
        """Draw whether redundant columns are added to a bent side, and noise."""
        if self.bent_added_share == 0:
            return False, False
        return rng.uniform() < self.bent_added_share, rng.uniform() < self.bent_added_share

    def _draw_mist(self, rng: np.random.Generator, shape: Shape) -> Spec:
        name, curve = self.mist_laws[int(rng.integers(len(self.mist_laws)))]
        family = FAMILIES.get(name).draw(rng, shape.d_x, shape.d_y)
        return Spec.of(family, *(mist_map(curve, side, d) for side, d in (("x", shape.d_x), ("y", shape.d_y))))


def draw_nats(rng: np.random.Generator, n: int) -> float:
    """Draw the MI that a table aims at, in nats: a stratum of STRATA, log-uniform within.

    It is capped at 1 + log n, for a sample of n rows tells larger values apart hardly (guess: the kNN and the Gaussian
    estimate of n rows agree within a third of a nat up to about there).
    """
    low, high, _ = STRATA[pick_index(rng, (share for *_, share in STRATA))]
    return min(log_uniform(rng, low, high), (1.0 + np.log(n)) * rng.uniform(0.7, 1.0))


def _widths(rng: np.random.Generator, d: int, redundant: bool, noisy: bool) -> tuple[int, int, int]:
    """Draw a side's columns of the law, with the redundant ones, and in all, which are d."""
    inner = _core(rng, d, noisy)
    return _core(rng, inner, redundant), inner, d


def _core(rng: np.random.Generator, d: int, noisy: bool) -> int:
    """Draw how many of a side's d columns belong to the law; the others are noise."""
    return int(rng.integers(1, d + 1)) if noisy else d


@dataclass(frozen=True)
class Preset:
    """A prior and the size of the meta-dataset that is drawn from it.

    Attributes:
        prior: The law of the tables.
        tables: Number of tables per split.
        shard_tables: Tables per shard, a multiple of the prior's tables_per_shape.
    """

    prior: Prior
    tables: Mapping[str, int]
    shard_tables: int = 256


_NARROW = Prior(FIRST_FAMILIES, MAPS, n=(16, 512), d=(1, 8), mist_share=0.0)
_WIDE = Prior(WIDE_FAMILIES, MAPS, mist_laws=MIST_BASE)
# For training: more of what is hard to learn, few rows and bends.
_SEEN = replace(_WIDE.without(*HELD_OUT, *SHIFT), n=(8, 8192), mist_small_share=0.5, bent_share=0.18)
# Beside it, where a model is weak: very few rows, and laws of many periods, bends at many rows.
_FEW = replace(_SEEN, n=(8, 128), mist_share=0.6, mist_small_share=1.0)
_ROUGH = replace(
    _SEEN, families=ROUGH_FAMILIES, n=(128, 10_000), low_share=0.7, mist_share=0.0, mist_laws=(), bent_share=0.45
)
# Columns that tell nothing new beside a law's own, as data have them.
_ADDED = replace(
    replace(_SEEN, families=ADDED_FAMILIES).without(*HELD_OUT, *SHIFT),
    n=(32, 8192),
    noise_share=0.35,
    redundant_share=0.5,
    bent_added_share=0.5,
    mist_share=0.0,
    mist_laws=(),
)
_PICTURED = replace(
    _SEEN,
    families=PICTURED_FAMILIES,
    n=(32, 4096),
    low_share=0.3,
    redundant_share=0.3,
    mist_share=0.0,
    mist_laws=(),
    bent_share=0.0,
)
# Bends that hide all there is: a model that knows laws of much hidden information alone expects more of them.
_BENT = replace(
    _SEEN, families=SPARSE_FAMILIES, n=(64, 8192), d=(2, 16), mist_share=0.0, mist_laws=(), bent_share=1.0, bent_d=16
)
_LATE, _JUDGED, _EDGED = (
    replace(_SEEN, families=families, low_share=0.6, mist_share=0.0, mist_laws=(), bent_share=0.05)
    for families in (LATE_FAMILIES, JUDGED_FAMILIES, EDGED_FAMILIES)
)
_SHIFT, _UNSEEN, _BLIND = (
    replace(_WIDE, families=dict.fromkeys(names, 1.0), mist_share=0.0, mist_laws=())
    for names in (SHIFT, HELD_OUT, BLIND)
)
_NO_FAMILIES: dict[str, float] = {}
PRESETS: dict[str, Preset] = {
    "tiny": Preset(_NARROW, {"train": 4096, "validation": 512, "calibration": 1024, "test": 512}),
    "small": Preset(
        replace(_NARROW, n=(16, 2048), d=(1, 32), mist_share=0.25, mist_laws=MIST_BASE),
        {"train": 30_720, "validation": 1024, "calibration": 4096, "test": 1024},
    ),
    "wide": Preset(_WIDE, {"train": 200_704, "validation": 4096, "calibration": 16_384, "test": 4096}, 512),
    "wide-seen": Preset(
        _SEEN,
        {"train": 200_704, "validation": 4096, "calibration": 16_384, "test": 4096},
        512,
    ),
    # The same tables without any to train on: to calibrate and to measure.
    "wide-fresh": Preset(_SEEN, {"calibration": 16_384, "test": 16_384}, 512),
    "few-seen": Preset(_FEW, {"train": 65_536, "validation": 2048, "calibration": 4096, "test": 2048}, 512),
    "rough-seen": Preset(_ROUGH, {"train": 65_536, "validation": 2048, "calibration": 4096, "test": 2048}, 512),
    "added-seen": Preset(_ADDED, {"train": 65_536, "validation": 2048, "calibration": 4096, "test": 2048}, 512),
    "late-seen": Preset(_LATE, {"train": 65_536, "validation": 2048, "calibration": 4096, "test": 2048}, 512),
    "judged-seen": Preset(_JUDGED, {"train": 40_960, "validation": 2048, "calibration": 4096, "test": 2048}, 512),
    "edged-seen": Preset(_EDGED, {"train": 40_960, "validation": 2048, "calibration": 4096, "test": 2048}, 512),
    "pictured-seen": Preset(_PICTURED, {"train": 40_960, "validation": 2048, "calibration": 4096, "test": 2048}, 512),
    "bent-seen": Preset(_BENT, {"train": 32_768, "validation": 2048, "calibration": 4096, "test": 2048}, 512),
    "wide-shift": Preset(_SHIFT, {"validation": 2048, "calibration": 12_288, "test": 6144}, 512),
    "wide-unseen": Preset(_UNSEEN, {"validation": 2048, "calibration": 8192, "test": 8192}, 512),
    "wide-blind": Preset(_BLIND, {"test": 8192}, 512),
    **{
        name: Preset(Prior(_NO_FAMILIES, MAPS, mist_share=1.0, mist_laws=laws), tables, 512)
        for name, laws, tables in (
            ("mist-train", MIST_TRAIN, {"train": 100_352, "validation": 2048, "calibration": 8192, "test": 2048}),
            ("mist-imd", MIST_IMD, {"test": 4096}),
            ("mist-oomd", MIST_OOMD, {"test": 4096}),
        )
    },
}


def preset(name: str) -> Preset:
    """Return a preset by its name.

    Raises:
        DataGenError: The name is unknown.
    """
    if name not in PRESETS:
        raise DataGenError(f"unknown preset {name!r}; known: {', '.join(PRESETS)}")
    return PRESETS[name]
