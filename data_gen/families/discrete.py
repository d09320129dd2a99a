"""Discrete columns, and discrete columns beside continuous ones."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from scipy.special import digamma, gammaln, log_ndtr, ndtr, ndtri, xlogy

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails, Truth, correlation_of, log_uniform, noise_for, padded
from data_gen.quadrature import lattice, legendre
from data_gen.registry import FAMILIES


def table_nats(joint: np.ndarray) -> float:
    """Return the MI of a table of joint probabilities."""
    rows, columns = joint.sum(axis=1), joint.sum(axis=0)
    return max(float(xlogy(joint, joint).sum() - xlogy(rows, rows).sum() - xlogy(columns, columns).sum()), 0.0)


@FAMILIES.register("discrete_channel")
@dataclass(frozen=True)
class DiscreteChannel(Family):
    """X uniform on 0..letters - 1, Y = X with probability `keep` and any letter otherwise; the rest is normal noise.

    I = log m + a log a + (1 - a) log((1 - a) / (m - 1)) for m letters and a = keep + (1 - keep) / m.
    """

    letters: int
    keep: float
    tails: ClassVar[Tails] = "light"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.letters < 2 or not 0 <= self.keep <= 1:
            raise DataGenError(f"discrete_channel needs letters >= 2 and 0 <= keep <= 1, got {self}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw 2 to 12 letters, enough for the aim, and how often they are kept."""
        letters = int(rng.integers(2, 13))
        if aim is None:
            return cls(d_x, d_y, letters, float(rng.uniform()))
        letters = max(letters, min(int(np.exp(aim)) + 2, 40))
        grid = np.linspace(0.0, 1.0, 200)
        return cls(d_x, d_y, letters, float(np.interp(aim, _channel_nats(letters, grid), grid)))

    @property
    def tied(self) -> bool:
        """Always."""
        return True

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Send the letters."""
        sent, other = rng.integers(self.letters, size=(2, n))
        received = np.where(rng.uniform(size=n) < self.keep, sent, other)
        x, y = (side[:, None].astype(float) for side in (sent, received))
        return padded(rng, x, self.d_x), padded(rng, y, self.d_y)

    def truth(self) -> Truth:
        """Closed form."""
        return Truth(float(_channel_nats(self.letters, np.array(self.keep))))


def _channel_nats(letters: int, keep: np.ndarray) -> np.ndarray:
    right = keep + (1 - keep) / letters
    return np.log(letters) + xlogy(right, right) + xlogy(1 - right, (1 - right) / (letters - 1))


@FAMILIES.register("discrete_quantised")
@dataclass(frozen=True)
class DiscreteQuantised(Family):
    """A bivariate normal pair of which x, or both, are cut into equally likely levels; the rest is normal noise.

    I of the levels of x and a continuous y is H(levels) - E[H(levels | y)], by quadrature over y; with y cut too it is
    that of the table of probabilities.

    Attributes:
        rho: Correlation before the cut.
        levels_x: Levels of x.
        levels_y: Levels of y; 0 leaves y continuous.
    """

    rho: float
    levels_x: int
    levels_y: int
    tails: ClassVar[Tails] = "light"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not -1 < self.rho < 1 or self.levels_x < 2 or self.levels_y not in {0, *range(2, 1000)}:
            raise DataGenError(f"discrete_quantised needs -1 < rho < 1 and 2 levels or more (y: or 0), got {self}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw 2 to 10 levels and a correlation for U(0, 1.5) nats before the cut, or what the aim asks."""
        levels_x, levels_y = int(rng.integers(2, 11)), int(rng.integers(2, 11)) * int(rng.integers(2))
        sign = float(rng.choice([-1.0, 1.0]))
        if aim is None:
            return cls(d_x, d_y, sign * float(correlation_of(rng.uniform(0.0, 1.5))), levels_x, levels_y)

        def nats(scale: float) -> float:
            return _quantised_nats(1 / np.sqrt(1 + scale**2), levels_x, levels_y, 128)

        return cls(d_x, d_y, sign / np.sqrt(1 + noise_for(nats, aim, 0.03, 30.0) ** 2), levels_x, levels_y)

    @property
    def tied(self) -> bool:
        """Always."""
        return True

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw the pair and cut it."""
        x = rng.standard_normal(n)
        y = self.rho * x + np.sqrt(1 - self.rho**2) * rng.standard_normal(n)
        x = np.floor(ndtr(x) * self.levels_x)
        y = np.floor(ndtr(y) * self.levels_y) if self.levels_y else y
        return padded(rng, x[:, None], self.d_x), padded(rng, y[:, None], self.d_y)

    def truth(self) -> Truth:
        """Quadrature."""
        return Truth(_quantised_nats(self.rho, self.levels_x, self.levels_y, 4096))


def _quantised_nats(rho: float, levels_x: int, levels_y: int, points: int) -> float:
    """Integrate over equally likely y, which the levels of y, if any, gather into cells."""
    per_level = -(-points // levels_y) if levels_y else points
    unit = lattice(per_level * max(levels_y, 1), 1)[:, 0]
    cuts = ndtri(np.arange(1, levels_x) / levels_x)
    below = ndtr((cuts - rho * ndtri(unit)[:, None]) / np.sqrt(1 - rho**2))  # (points, levels_x - 1)
    table = np.diff(below, axis=1, prepend=0.0, append=1.0) / len(unit)
    return table_nats(table.reshape(levels_y, per_level, levels_x).sum(axis=1) if levels_y else table)


@FAMILIES.register("discrete_gao")
@dataclass(frozen=True)
class DiscreteGao(Family):
    """X uniform on 0..letters - 1 and Y ~ U(X, X + 2); I = log m - (m - 1) / m log 2. The rest is normal noise.

    Reference: Gao, Kannan, Oh and Viswanath (2017), "Estimating mutual information for discrete-continuous mixtures".
    """

    letters: int
    tails: ClassVar[Tails] = "light"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.letters < 2:
            raise DataGenError(f"discrete_gao needs letters >= 2, got {self.letters}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw 2 to 20 letters, or those whose MI is nearest to the aim."""
        letters = rng.integers(2, 21) if aim is None else np.clip(2 * np.exp(aim) - 1, 2, 100)
        return cls(d_x, d_y, int(letters))

    @property
    def tied(self) -> bool:
        """Always."""
        return True

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw letters, then points of their intervals."""
        x = rng.integers(self.letters, size=(n, 1)).astype(float)
        return padded(rng, x, self.d_x), padded(rng, x + rng.uniform(0.0, 2.0, size=(n, 1)), self.d_y)

    def truth(self) -> Truth:
        """Closed form."""
        return Truth(float(np.log(self.letters) - (self.letters - 1) / self.letters * np.log(2)))


@FAMILIES.register("discrete_poisson")
@dataclass(frozen=True)
class DiscretePoisson(Family):
    """X ~ Exp(1) and Y Poisson with mean `rate` X, but 0 with probability `zeros` whatever X; the rest is normal noise.

    Y without the inflation is geometric. I = H(Y) - E[H(Y | X)], by sums over y and a quadrature for y = 0.

    Reference: Gao, Kannan, Oh and Viswanath (2017), who have rate 1 and I = .3012 without inflation. Their
    (1 - zeros) .3012 with it would hold if the blotted counts were marked; a plain 0 tells less.
    """

    rate: float
    zeros: float
    tails: ClassVar[Tails] = "light"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.rate <= 20 or not 0 <= self.zeros < 1:
            raise DataGenError(f"discrete_poisson needs 0 < rate <= 20 and 0 <= zeros < 1, got {self}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw the rate, log-uniform on .3..20, and no zeros or U(0, .7); the aim is reached by zeros alone."""
        rate, zeros = log_uniform(rng, 0.3, 20.0), float(rng.choice([0.0, rng.uniform(0.0, 0.7)]))
        if aim is not None:
            zeros = float(np.clip(1 - aim / max(_poisson_nats(rate, 0.0), 1e-6), 0.0, 0.98))
        return cls(d_x, d_y, rate, zeros)

    @property
    def tied(self) -> bool:
        """Always."""
        return True

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw counts and blot some out."""
        x = rng.standard_exponential((n, 1))
        y = np.where(rng.uniform(size=(n, 1)) < self.zeros, 0.0, rng.poisson(self.rate * x))
        return padded(rng, x, self.d_x), padded(rng, y, self.d_y)

    def truth(self) -> Truth:
        """Sums and quadrature."""
        return Truth(_poisson_nats(self.rate, self.zeros))


def _poisson_nats(rate: float, zeros: float) -> float:
    """Return H(Y) - H(Y | X), every expectation over X ~ Exp(1) in closed form but that of p log p at Y = 0."""
    y = np.arange(int(45 * (1 + rate)))
    counts = np.exp(y * np.log(rate / (1 + rate))) / (1 + rate)  # geometric
    log_given = rate * (np.log(rate) + digamma(2)) - rate - counts @ gammaln(y + 1)  # E log p(Y | X), not inflated
    positive = log_given + rate / (1 + rate) ** 2  # its part with Y > 0: less E[exp(-rate X) (-rate X)]
    nodes, weights = legendre(128)
    zero = zeros + (1 - zeros) * (0.5 * (nodes + 1)) ** rate  # p(Y = 0 | X) at exp(-X), which is uniform
    given = 0.5 * weights @ xlogy(zero, zero) + (1 - zeros) * (np.log1p(-zeros) * (1 - counts[0]) + positive)
    inflated = (1 - zeros) * counts
    inflated[0] += zeros
    return float(given - xlogy(inflated, inflated).sum())


@FAMILIES.register("discrete_binomial")
@dataclass(frozen=True)
class DiscreteBinomial(Family):
    """X normal and Y the successes in `trials` trials, each of chance Phi(slope X); the rest is normal noise.

    I = H(Y) - E[H(Y | X)], by quadrature over equally likely x.
    """

    trials: int
    slope: float
    tails: ClassVar[Tails] = "light"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.trials <= 200 or self.slope <= 0:
            raise DataGenError(f"discrete_binomial needs 1 <= trials <= 200 and slope > 0, got {self}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw 2 to 20 trials and a slope, log-uniform on .1..5 or found for the MI aimed at."""
        trials, slope = int(rng.integers(2, 21)), log_uniform(rng, 0.1, 5.0)
        if aim is not None:
            slope = 1 / noise_for(lambda s: _binomial_nats(trials, 1 / s, 256), aim, 0.03, 50.0)
        return cls(d_x, d_y, trials, slope)

    @property
    def tied(self) -> bool:
        """Always."""
        return True

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw x and count."""
        x = rng.standard_normal((n, 1))
        y = rng.binomial(self.trials, ndtr(self.slope * x)).astype(float)
        return padded(rng, x, self.d_x), padded(rng, y, self.d_y)

    def truth(self) -> Truth:
        """Quadrature."""
        return Truth(_binomial_nats(self.trials, self.slope, 8192))


def _binomial_nats(trials: int, slope: float, points: int) -> float:
    x, y = slope * ndtri(lattice(points, 1)), np.arange(trials + 1)
    log_ways = gammaln(trials + 1) - gammaln(y + 1) - gammaln(trials - y + 1)
    given = np.exp(log_ways + y * log_ndtr(x) + (trials - y) * log_ndtr(-x))  # (points, trials + 1)
    return table_nats(given / given.sum())
