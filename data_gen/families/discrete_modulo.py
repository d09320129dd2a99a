"""Whole numbers that wrap around."""

from dataclasses import dataclass
from math import gcd
from typing import ClassVar, Self

import numpy as np
from scipy.special import entr

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails, Truth, padded
from data_gen.registry import FAMILIES


@FAMILIES.register("discrete_modulo")
@dataclass(frozen=True)
class DiscreteModulo(Family):
    """X uniform on 0..letters - 1 and Y = factor X + Z modulo letters, Z in proportion to decay^z on 0..letters - 1.

    Both sides are uniform, so I = log letters - H(Z). Further columns are normal noise.

    Attributes:
        letters: Values of each side.
        factor: A number without a common divisor with `letters`.
        decay: 0 for a permutation, 1 for independence.
    """

    letters: int
    factor: int
    decay: float
    tails: ClassVar[Tails] = "light"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.letters < 2 or gcd(self.factor, self.letters) > 1 or not 0 <= self.decay <= 1:
            raise DataGenError(f"discrete_modulo needs letters >= 2 prime to factor and 0 <= decay <= 1, got {self}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw 4 to 16 letters, enough for the aim, a factor and the decay, U(0, 1) or found for the MI aimed at."""
        letters = int(rng.integers(4, 17))
        if aim is not None:
            letters = max(letters, min(int(np.exp(aim)) + 2, 40))
        factor = int(rng.choice([k for k in range(1, letters) if gcd(k, letters) == 1]))
        if aim is None:
            return cls(d_x, d_y, letters, factor, float(rng.uniform()))
        grid = 1 - np.linspace(0.0, 1.0, 200) ** 2  # finer towards 1, where I goes to 0 with the square of 1 - decay
        nats = [_modulo_nats(letters, decay) for decay in grid.tolist()]
        return cls(d_x, d_y, letters, factor, float(np.interp(aim, nats, grid)))

    @property
    def tied(self) -> bool:
        """Always."""
        return True

    def rows_needed(self) -> float:
        """Four rows for each letter (guess)."""
        return 4.0 * self.letters

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw letters and what is added."""
        x = rng.integers(self.letters, size=(n, 1))
        z = rng.choice(self.letters, size=(n, 1), p=_chances(self.letters, self.decay))
        y = (self.factor * x + z) % self.letters
        return padded(rng, x.astype(float), self.d_x), padded(rng, y.astype(float), self.d_y)

    def truth(self) -> Truth:
        """A finite sum."""
        return Truth(_modulo_nats(self.letters, self.decay))


def _chances(letters: int, decay: float) -> np.ndarray:
    powers = decay ** np.arange(letters)
    return powers / powers.sum()


def _modulo_nats(letters: int, decay: float) -> float:
    return max(float(np.log(letters) - entr(_chances(letters, decay)).sum()), 0.0)
