"""Independent blocks of other families side by side."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails, Truth
from data_gen.registry import FAMILIES

_DEFAULT = {"gaussian_spectrum": 1.0, "gaussian_dense": 1.0, "student_spectrum": 1.0, "additive_noise": 1.0}


@FAMILIES.register("product")
@dataclass(frozen=True)
class Product(Family):
    """Blocks of columns that are independent of each other, each under a family of its own; MI adds.

    Attributes:
        blocks: Name and fields of each block's family, in the order of the columns.
    """

    tails: ClassVar[Tails] = "heavy"
    blocks: tuple[tuple[str, Mapping[str, Any]], ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        built = self._families
        got = sum(block.d_x for block in built), sum(block.d_y for block in built)
        if got != (self.d_x, self.d_y):
            raise DataGenError(f"the blocks have {got} columns, but the product {(self.d_x, self.d_y)}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw blocks of normal, Student and additive laws."""
        return cls.draw_from(rng, d_x, d_y, aim, _DEFAULT)

    @classmethod
    def draw_from(
        cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None, weights: Mapping[str, float]
    ) -> Self:
        """Draw 2 to 4 blocks, as far as there are columns, of families with these weights.

        After a block with a Monte-Carlo truth the others are exact, if they can be, for the errors would add up.
        """
        count = min(int(rng.integers(2, 5)), d_x, d_y)
        aims = [None] * count if aim is None else (aim * rng.dirichlet(np.ones(count))).tolist()
        names = [name for name in weights if name != cls.name]
        chances = np.array([weights[name] for name in names])
        exact = np.array([not FAMILIES.get(name).monte_carlo for name in names])
        blocks = []
        widths = zip(_parts(rng, d_x, count), _parts(rng, d_y, count), strict=True)
        for (k_x, k_y), share in zip(widths, aims, strict=True):
            pick = int(rng.choice(len(names), p=chances / chances.sum()))
            if not exact[pick] and exact.any():
                chances = chances * exact
            block = FAMILIES.get(names[pick]).draw(rng, k_x, k_y, share)
            blocks.append((block.name, block.params()))
        return cls(d_x, d_y, tuple(blocks))

    @cached_property
    def _families(self) -> list[Family]:
        return [FAMILIES.get(name).from_params(params) for name, params in self.blocks]

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw the blocks one after another."""
        sides = [block.sample(rng, n) for block in self._families]
        return np.concatenate([x for x, _ in sides], axis=1), np.concatenate([y for _, y in sides], axis=1)

    @property
    def tied(self) -> bool:
        """Whether a block has ties."""
        return any(block.tied for block in self._families)

    def rows_needed(self) -> float:
        """Those of the most detailed block."""
        return max(block.rows_needed() for block in self._families)

    def truth(self) -> Truth:
        """Sum over the blocks; their errors are independent."""
        truths = [block.truth() for block in self._families]
        return Truth(sum(truth.nats for truth in truths), float(np.sqrt(sum(truth.stderr**2 for truth in truths))))


def _parts(rng: np.random.Generator, d: int, count: int) -> list[int]:
    """Split d columns at random into positive parts."""
    cuts = np.sort(rng.choice(d - 1, size=count - 1, replace=False)) + 1 if count > 1 else np.zeros(0, int)
    return np.diff(np.concatenate([[0], cuts, [d]])).astype(int).tolist()
