"""Functions of one to three columns seen through additive noise: y = f(x) + e."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Self

import numpy as np
from scipy.special import ndtri

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails, Truth, log_uniform, noise_for, padded
from data_gen.quadrature import channel_nats, lattice
from data_gen.registry import FAMILIES

NOISES = {"normal": 0.5, "laplace": 0.2, "heteroscedastic": 0.3}  # shares (guess)
_POINTS = 1 << 18  # of the lattice behind the values of a summary
_GROUPS = (
    (1, 512),
    (8, 4096),
    (64, 0),
)  # values are means of so many neighbours, the first up to that rank from an end
_BANDS = (-0.5, 0.0, 0.5)  # where the summary passes from one size of heteroscedastic noise to the next
_FACTORS = np.exp([-0.8, -0.25, 0.25, 0.8])  # sizes relative to scale (guess)
_LOW, _HIGH = 0.02, 30.0  # noise scales relative to the range of f, which is about 1


@dataclass(frozen=True)
class NoisyFunction(Family, ABC):
    """y = f(x) + scale g(x) e for one column of one side and `inputs` columns of the other; the rest is normal noise.

    I = h(f(x) + scale g(x) e) - E log(scale g(x)) - h(e), by quadrature (channel_nats).

    Attributes:
        inputs: Columns that f depends on, independent of each other.
        normal_inputs: Inputs are normal with standard deviation 1/2; otherwise uniform on -1..1.
        noise: normal, laplace or heteroscedastic: normal, in four sizes g(x) that grow with the inputs' summary; g = 1
            for the others.
        scale: Standard deviation of normal noise, scale of Laplace noise.
        shape: The parameter of the function: periods, steps or a power.
        swapped: f takes columns of y and its value is in x.
    """

    tails: ClassVar[Tails] = "light"
    most_inputs: ClassVar[int] = 1
    summary: ClassVar[str] = "sum"  # what f sees of its inputs; one of _SUMMARIES
    inputs: int
    normal_inputs: bool
    noise: str
    scale: float
    shape: float
    swapped: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.inputs <= (self.d_y if self.swapped else self.d_x):
            raise DataGenError(f"{self.name} needs 1 <= inputs <= columns of the input side, got {self.inputs}")
        if self.scale <= 0 or self.noise not in NOISES:
            raise DataGenError(f"{self.name} needs scale > 0 and a noise of {', '.join(NOISES)}; got {self}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw the function and the noise; its scale is log-uniform on .03..3 or found for the MI aimed at."""
        swapped = bool(rng.uniform() < 0.5)
        inputs = int(rng.integers(1, min(cls.most_inputs, d_y if swapped else d_x) + 1))
        normal_inputs, noise = bool(rng.uniform() < 0.4), str(rng.choice(list(NOISES), p=list(NOISES.values())))
        scale, shape = log_uniform(rng, 0.03, 3.0), cls.draw_shape(rng)
        if aim is not None:
            scale = noise_for(lambda s: cls._nats(inputs, normal_inputs, noise, s, shape, 4), aim, _LOW, _HIGH)
        return cls(d_x, d_y, inputs, normal_inputs, noise, scale, shape, swapped)

    @classmethod
    def _nats(cls, inputs: int, normal_inputs: bool, noise: str, scale: float, shape: float, stride: int) -> float:
        """Return the MI by every stride-th value of the summary."""
        summary, weights = (part[::stride] for part in _summary_values(cls.summary, inputs, normal_inputs))
        varying = noise == "heteroscedastic"
        factors = _FACTORS[np.searchsorted(_BANDS, summary)] if varying else None
        return channel_nats(cls.f(summary, shape), scale, "normal" if varying else noise, weights, factors)

    @classmethod
    @abstractmethod
    def draw_shape(cls, rng: np.random.Generator) -> float:
        """Draw the parameter of the function."""

    @staticmethod
    @abstractmethod
    def f(s: np.ndarray, shape: float) -> np.ndarray:
        """Return the function of the inputs' summary (n,), with values of spread about 1, (n,)."""

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw inputs and noise; padding comes last."""
        size = (n, self.inputs)
        u = 0.5 * rng.standard_normal(size) if self.normal_inputs else rng.uniform(-1.0, 1.0, size)
        e = rng.laplace(size=n) if self.noise == "laplace" else rng.standard_normal(n)
        summary = _SUMMARIES[self.summary](u)
        if self.noise == "heteroscedastic":
            e *= _FACTORS[np.searchsorted(_BANDS, summary)]
        out = (self.f(summary, self.shape) + self.scale * e)[:, None]
        x, y = (out, u) if self.swapped else (u, out)
        return padded(rng, x, self.d_x), padded(rng, y, self.d_y)

    def truth(self) -> Truth:
        """Quadrature."""
        return Truth(max(self._nats(self.inputs, self.normal_inputs, self.noise, self.scale, self.shape, 1), 0.0))


_SUMMARIES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sum": lambda u: u.sum(axis=1) / np.sqrt(u.shape[1]),
    "norm": lambda u: np.linalg.norm(u, axis=1),
    "product": lambda u: np.prod(2 * u, axis=1),
}


@cache
def _summary_values(summary: str, inputs: int, normal_inputs: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return values of a summary in increasing order and their probabilities; kept, for they cost 30 ms.

    They are finer towards the ends, for the far tails of normal inputs would leave gaps wider than a small noise.
    """
    unit = lattice(_POINTS, inputs)
    values = np.sort(_SUMMARIES[summary](0.5 * ndtri(unit) if normal_inputs else 2 * unit - 1))
    ends: list[int] = []
    start = 0
    for size, stop in _GROUPS:
        stop = stop or _POINTS // 2
        ends.extend(range(start, stop, size))
        start = stop
    starts = np.array([*ends, *(_POINTS - np.array([*ends[1:], _POINTS // 2])[::-1])])
    counts = np.diff(starts, append=_POINTS)
    return np.add.reduceat(values, starts) / counts, counts / _POINTS


@FAMILIES.register("noisy_linear")
@dataclass(frozen=True)
class NoisyLinear(NoisyFunction):
    """The inputs' sum, or its square with the sum's sign: monotone dependence of a law that is not normal."""

    most_inputs = 3

    @classmethod
    def draw_shape(cls, rng: np.random.Generator) -> float:
        """Draw the power, 1 or 2."""
        return float(rng.integers(1, 3))

    @staticmethod
    def f(s: np.ndarray, shape: float) -> np.ndarray:
        """Return the signed power."""
        return np.sign(s) * np.abs(s) ** shape


@FAMILIES.register("noisy_parabola")
@dataclass(frozen=True)
class NoisyParabola(NoisyFunction):
    """The squared distance of the inputs' sum from a point: even or nearly even dependence."""

    most_inputs = 3

    @classmethod
    def draw_shape(cls, rng: np.random.Generator) -> float:
        """Draw the vertex."""
        return float(rng.choice([0.0, rng.uniform(-0.6, 0.6)]))

    @staticmethod
    def f(s: np.ndarray, shape: float) -> np.ndarray:
        """Return the squared distance."""
        return 2 * np.square(s - shape)


@FAMILIES.register("noisy_sinusoid")
@dataclass(frozen=True)
class NoisySinusoid(NoisyFunction):
    """A sinusoid of half a period to 4 periods over -1..1."""

    most_inputs = 3

    @classmethod
    def draw_shape(cls, rng: np.random.Generator) -> float:
        """Draw the number of periods."""
        return log_uniform(rng, 0.5, 4.0)

    def rows_needed(self) -> float:
        """Eight rows for each half period in every input (guess)."""
        return 8.0 * max(2 * self.shape, 1.0) ** self.inputs

    @staticmethod
    def f(s: np.ndarray, shape: float) -> np.ndarray:
        """Return the sine of the sum of the inputs."""
        return np.sin(np.pi * shape * s)


@FAMILIES.register("noisy_steps")
@dataclass(frozen=True)
class NoisySteps(NoisyFunction):
    """A staircase of 2 to 6 steps over -1..1, of the sum of the inputs."""

    most_inputs = 3

    @classmethod
    def draw_shape(cls, rng: np.random.Generator) -> float:
        """Draw the number of steps."""
        return float(rng.integers(2, 7))

    @staticmethod
    def f(s: np.ndarray, shape: float) -> np.ndarray:
        """Return the step."""
        return np.clip(np.floor((s + 1) / 2 * shape), 0, shape - 1) / shape * 2


@FAMILIES.register("noisy_product")
@dataclass(frozen=True)
class NoisyProduct(NoisyFunction):
    """A product of powers of the inputs that keeps their signs: XOR-like, as no input alone tells the sign of y.

    With two inputs or more no single column of the input side depends on the sign of the value; at power 0 no single
    pair of columns depends at all.
    """

    most_inputs = 3
    summary = "product"

    @classmethod
    def draw_shape(cls, rng: np.random.Generator) -> float:
        """Draw the power: 0 (signs alone), 1/2 or 1."""
        return float(rng.choice([0.0, 0.5, 1.0]))

    def rows_needed(self) -> float:
        """Eight rows for each orthant of the inputs (guess)."""
        return 8.0 * 2.0**self.inputs

    @staticmethod
    def f(s: np.ndarray, shape: float) -> np.ndarray:
        """Return the product of sign(u) |2 u|^power over the inputs."""
        return np.sign(s) * np.abs(s) ** shape
