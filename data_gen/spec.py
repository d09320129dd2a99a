"""Specs: one joint distribution as data."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

import data_gen.families
import data_gen.transforms  # noqa: F401  (with the line above: fill the registries)
from data_gen.errors import DataGenError
from data_gen.families.base import Family, Truth
from data_gen.record import canonical
from data_gen.registry import FAMILIES, TRANSFORMS
from data_gen.transforms.base import Transform

Maps = tuple[tuple[str, Mapping[str, Any]], ...]


@dataclass(frozen=True, eq=False)
class Spec:
    """One joint distribution: a family and the transforms of either side. Equal and hashed by its canonical JSON.

    Attributes:
        family: Registered name of the family.
        params: Its fields.
        x_transforms: Names and fields of the maps of x, the first applied first.
        y_transforms: Maps of y.
    """

    family: str
    params: Mapping[str, Any]
    x_transforms: Maps = ()
    y_transforms: Maps = ()
    _built: "Joint | None" = field(default=None, repr=False)

    @classmethod
    def of(
        cls, family: Family, x_transforms: tuple[Transform, ...] = (), y_transforms: tuple[Transform, ...] = ()
    ) -> Self:
        """Describe objects that were built already."""
        sides = [tuple((step.name, step.params()) for step in steps) for steps in (x_transforms, y_transforms)]
        return cls(family.name, family.params(), sides[0], sides[1], Joint(family, x_transforms, y_transforms))

    def to_json(self) -> str:
        """Write the spec as canonical JSON: equal specs give equal texts."""
        return canonical(
            {
                "family": self.family,
                "params": self.params,
                "x_transforms": self.x_transforms,
                "y_transforms": self.y_transforms,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a spec.

        Raises:
            DataGenError: The text is not the JSON of a spec.
        """
        try:
            value = json.loads(text)
            sides = [tuple((name, params) for name, params in value[key]) for key in ("x_transforms", "y_transforms")]
            return cls(value["family"], value["params"], sides[0], sides[1])
        except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise DataGenError(f"not the JSON of a spec ({error!r}): {text[:80]!r}; write one with to_json") from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spec) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.to_json())

    def build(self) -> "Joint":
        """Build the distribution; one described by `of` is there already.

        Raises:
            DataGenError: A name or field is unknown, or the columns of consecutive maps differ.
        """
        if self._built is not None:
            return self._built
        family = FAMILIES.get(self.family).from_params(self.params)
        x_steps = tuple(TRANSFORMS.get(name).from_params(params) for name, params in self.x_transforms)
        y_steps = tuple(TRANSFORMS.get(name).from_params(params) for name, params in self.y_transforms)
        return Joint(family, x_steps, y_steps)


@dataclass(frozen=True)
class Joint:
    """A joint distribution: a family seen through maps of either side.

    Attributes:
        family: The law before the maps.
        x_steps: Maps of x, the first applied first.
        y_steps: Maps of y.
        d_x: Columns of x after the maps.
        d_y: Columns of y after the maps.
    """

    family: Family
    x_steps: tuple[Transform, ...] = ()
    y_steps: tuple[Transform, ...] = ()
    d_x: int = field(init=False)
    d_y: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "d_x", _width("x", self.family.d_x, self.x_steps))
        object.__setattr__(self, "d_y", _width("y", self.family.d_y, self.y_steps))

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw n rows: x (n, d_x) and y (n, d_y), float64."""
        x, y = self.family.sample(rng, n)
        for step in self.x_steps:
            x = step.apply(rng, x)
        for step in self.y_steps:
            y = step.apply(rng, y)
        return x, y

    def truth(self) -> Truth:
        """Return the mutual information, which no map changes."""
        return self.family.truth()


def _width(side: str, d: int, steps: tuple[Transform, ...]) -> int:
    for step in steps:
        if step.d_in != d:
            raise DataGenError(f"transform {step.name!r} of {side} takes {step.d_in} columns but gets {d}")
        d = step.d_out
    return d
