"""Mixtures of normal or Student laws in the joint space of both sides."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
from scipy.special import gammaln

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails, Truth, correlation_of, log_uniform, padded
from data_gen.families.student import common_scale_nats
from data_gen.record import canonical
from data_gen.registry import FAMILIES
from data_gen.rng import draw_seed, from_text, seeded

_PILOT, _MOST = 768, 60_000  # rows of the first and of the largest Monte-Carlo batch
_STDERR = 0.009  # nats at which the Monte-Carlo truth stops; the promise is .01


@dataclass(frozen=True)
class Components:
    """The parameters of a mixture; c components of k = k_x + k_y columns, those of x first.

    Attributes:
        weights: Probabilities, (c,).
        means: Centres, (c, k).
        factors: Lower triangular factors of the dispersions, (c, k, k).
        df: Degrees of freedom; infinite for normal components.
    """

    weights: np.ndarray
    means: np.ndarray
    factors: np.ndarray
    df: float

    def draw(self, rng: np.random.Generator, counts: np.ndarray, dtype: type = np.float64) -> np.ndarray:
        """Draw so many rows from each component (c,), one component after another, columns first, (k, n)."""
        columns = rng.standard_normal((self.means.shape[1], counts.sum()), dtype=dtype)
        if np.isfinite(self.df):
            columns *= np.sqrt(self.df / rng.chisquare(self.df, size=columns.shape[1]))
        for part, factor, mean in zip(_parts(counts), self.factors, self.means, strict=True):
            columns[:, part] = factor.astype(dtype) @ columns[:, part] + mean.astype(dtype)[:, None]
        return columns

    def side(self, columns: slice) -> "Components":
        """Return the law of some of the columns."""
        rows = self.factors[:, columns]
        factors = np.linalg.cholesky(rows @ rows.transpose(0, 2, 1))
        return Components(self.weights, self.means[:, columns], factors, self.df)

    def log_densities(self, columns: np.ndarray) -> np.ndarray:
        """Return the log density of each component at rows given columns first (k, n), (c, n), in their precision."""
        k, inverse = len(columns), np.linalg.inv(self.factors)
        offset = -np.log(np.diagonal(self.factors, axis1=1, axis2=2)).sum(axis=1)  # (c,)
        white = inverse.astype(columns.dtype) @ columns  # (c, k, n)
        white -= (inverse @ self.means[:, :, None]).astype(columns.dtype)
        square = np.einsum("ckn,ckn->cn", white, white)
        if np.isfinite(self.df):
            half = 0.5 * (self.df + k)
            offset += gammaln(half) - gammaln(0.5 * self.df) - 0.5 * k * np.log(self.df * np.pi)
            logs = np.log1p(square / float(self.df)) * float(-half)
        else:
            offset -= 0.5 * k * np.log(2 * np.pi)
            logs = -0.5 * square
        return logs + offset.astype(columns.dtype)[:, None]

    def log_mean(self, logs: np.ndarray) -> np.ndarray:
        """Return the log density of the mixture from those of the components (c, n), (n,)."""
        top = logs.max(axis=0)
        return top + np.log(self.weights.astype(logs.dtype) @ np.exp(logs - top))


def _parts(counts: np.ndarray) -> list[slice]:
    """Return where rows lie that come so many from each component (c,), one component after another."""
    ends = np.cumsum(counts)
    return [slice(end - count, end) for end, count in zip(ends.tolist(), counts.tolist(), strict=True)]


@dataclass(frozen=True)
class Mixture(Family, ABC):
    """A mixture of normal or Student components in the first k_x columns of x and k_y of y; the rest is normal noise.

    I = E[log p(x, y) - log p(x) - log p(y)] with the exact densities, by Monte Carlo whose stream is a function of the
    fields alone. The MI of the component that a row comes from is known and serves as a control variate.

    Attributes:
        k_x: Columns of x in the mixture.
        k_y: Columns of y in the mixture.
        strength: What sets the MI; the meaning is the subclass's.
        seed: Seed of the other parameters.
    """

    tails: ClassVar[Tails] = "light"
    monte_carlo: ClassVar[bool] = True
    most_columns: ClassVar[int] = 3
    k_x: int
    k_y: int
    strength: float
    seed: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (1 <= self.k_x <= self.d_x and 1 <= self.k_y <= self.d_y):
            raise DataGenError(f"{self.name} needs 1 <= k_x <= d_x and 1 <= k_y <= d_y, got {self}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw the columns of the mixture and its strength, the aim in nats itself where there is one."""
        k_x, k_y = (int(rng.integers(1, min(d, cls.most_columns) + 1)) for d in (d_x, d_y))
        strength = log_uniform(rng, 0.05, 3.0) if aim is None else aim
        return cls(d_x, d_y, k_x, k_y, strength, draw_seed(rng))

    @abstractmethod
    def components(self) -> Components:
        """Return the mixture's parameters."""

    @cached_property
    def _law(self) -> Components:
        return self.components()

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw from the mixture; padding comes last."""
        law = self._law
        rows = rng.permutation(np.ascontiguousarray(law.draw(rng, rng.multinomial(n, law.weights)).T))
        return padded(rng, rows[:, : self.k_x], self.d_x), padded(rng, rows[:, self.k_x :], self.d_y)

    def truth(self) -> Truth:
        """Monte Carlo with exact densities, stratified by component, as long as the error needs.

        After the first batch every component gets rows in proportion to its share of the error (Neyman 1934).
        """
        rng, both = from_text(self.name + canonical(self.params())), self._law
        strata = [np.zeros(0)] * len(both.weights)
        needed, shares = _PILOT, both.weights
        for _ in range(4):
            counts = np.ceil(needed * shares).astype(int) + 2
            fresh = _excess(both, self.k_x, rng, counts)
            strata = [np.append(old, fresh[part]) for old, part in zip(strata, _parts(counts), strict=True)]
            drawn, spreads = np.array([len(stratum) for stratum in strata]), np.array([s.std() for s in strata])
            stderr = float(np.linalg.norm(both.weights * spreads / np.sqrt(drawn)))
            if stderr < _STDERR:
                break
            parts = both.weights * spreads + 1e-3 * both.weights  # a component that has not varied yet is not left out
            total = 1.1 * parts.sum() ** 2 / _STDERR**2
            missing = np.maximum(total * parts / parts.sum() - drawn, 0.0)
            needed = int(min(missing.sum(), _MOST)) + 64
            shares = (missing + 1e-3) / (missing + 1e-3).sum()
        nats = both.weights @ [stratum.mean() for stratum in strata]
        return Truth(max(float(nats + both.weights @ inner_nats(both, self.k_x)), 0.0), stderr)


def _excess(both: Components, k_x: int, rng: np.random.Generator, counts: np.ndarray) -> np.ndarray:
    """Return the pointwise MI of the mixture less that of each row's own component, at fresh rows in its order, (n,).

    The own component's pointwise MI has a known mean (inner_nats) and most of the variance. Single precision is a
    thousand times finer than the standard error that is wanted.
    """
    columns = both.draw(rng, counts, np.float32)
    x, y = both.side(slice(None, k_x)), both.side(slice(k_x, None))
    excess = np.zeros(columns.shape[1])
    for sign, law, seen in ((1, both, columns), (-1, x, columns[:k_x]), (-1, y, columns[k_x:])):
        logs = law.log_densities(seen)  # (c, n)
        own = np.concatenate([of_all[part] for of_all, part in zip(logs, _parts(counts), strict=True)])
        excess += sign * (law.log_mean(logs) - own)
    return excess


def inner_nats(both: Components, k_x: int) -> np.ndarray:
    """Return the MI of each component in closed form, (c,)."""
    k = both.means.shape[1]
    volumes = [
        np.log(np.diagonal(law.factors, axis1=1, axis2=2)).sum(axis=1)
        for law in (both.side(slice(None, k_x)), both.side(slice(k_x, None)), both)
    ]
    scale = float(common_scale_nats(both.df, k_x, k - k_x)) if np.isfinite(both.df) else 0.0
    return volumes[0] + volumes[1] - volumes[2] + scale


def paired(k_x: int, k_y: int, rho: np.ndarray) -> np.ndarray:
    """Return factors of unit dispersions in which columns i of x and y correlate by rho (c, min(k_x, k_y))."""
    factors = np.tile(np.eye(k_x + k_y), (len(rho), 1, 1))
    for i in range(rho.shape[1]):
        factors[:, k_x + i, i] = rho[:, i]
        factors[:, k_x + i, k_x + i] = np.sqrt(1 - rho[:, i] ** 2)
    return factors


def even_weights(law: np.random.Generator, count: int) -> np.ndarray:
    """Draw probabilities of components that do not differ much, (count,)."""
    return law.dirichlet(np.full(count, 5.0))


def _clusters(mixture: Mixture, df: float) -> Components:
    """Draw 2 to 8 clusters whose distances and inner correlations share the strength at random."""
    law = seeded(mixture.seed)
    part = law.uniform(0.2, 1.0)
    count = int(np.clip(law.integers(2, 7), np.ceil(np.exp(part * mixture.strength)), 8))
    # The label carries about log(count) nats when clusters stand apart by several deviations, less in proportion.
    apart = 3.5 * np.sqrt(min(part * mixture.strength / np.log(count), 1.5)) / min(mixture.k_x, mixture.k_y) ** 0.5
    means = apart * law.standard_normal((count, mixture.k_x + mixture.k_y))
    inner = (1 - part) * mixture.strength / min(mixture.k_x, mixture.k_y)
    rho = correlation_of(inner) * law.choice([-1.0, 1.0], size=(count, min(mixture.k_x, mixture.k_y)))
    factors = paired(mixture.k_x, mixture.k_y, rho) * law.uniform(0.6, 1.5, size=(count, 1, 1))
    return Components(even_weights(law, count), means, factors, df)


@FAMILIES.register("mixture_clusters")
@dataclass(frozen=True)
class MixtureClusters(Mixture):
    """Normal clusters in the joint space, correlated within and told apart by both sides."""

    def components(self) -> Components:
        """Return the clusters."""
        return _clusters(self, np.inf)


@FAMILIES.register("student_mixture")
@dataclass(frozen=True)
class StudentMixture(Mixture):
    """Student clusters, with 2 to 8 degrees of freedom, in the joint space."""

    tails: ClassVar[Tails] = "heavy"

    def components(self) -> Components:
        """Return the clusters."""
        return _clusters(self, float(np.exp(seeded(self.seed + 1).uniform(np.log(2), np.log(8)))))


@FAMILIES.register("mixture_outliers")
@dataclass(frozen=True)
class MixtureOutliers(Mixture):
    """Correlated inliers among 2 to 30 % outliers that are wider and independent; their scale tells them apart."""

    def components(self) -> Components:
        """Return inliers and outliers."""
        law = seeded(self.seed)
        share, width = np.exp(law.uniform(np.log(0.02), np.log(0.3))), law.uniform(1.0, 6.0)
        pairs = min(self.k_x, self.k_y)
        inliers = correlation_of(min(self.strength / (pairs * (1 - share)), 6.0)) * np.ones(pairs)
        factors = paired(self.k_x, self.k_y, np.stack([inliers, np.zeros(pairs)]))
        factors[1] *= width
        return Components(np.array([1 - share, share]), np.zeros((2, self.k_x + self.k_y)), factors, np.inf)


@FAMILIES.register("mixture_scales")
@dataclass(frozen=True)
class MixtureScales(Mixture):
    """Normal rows of one correlation and 2 or 3 scales, common to both sides."""

    def components(self) -> Components:
        """Return one component per scale."""
        law = seeded(self.seed)
        count, pairs = int(law.integers(2, 4)), min(self.k_x, self.k_y)
        scales = (1 + min(3 * self.strength, 5.0) * law.uniform(0.3, 1.0)) ** np.arange(count)
        rho = correlation_of(law.uniform(0.0, 0.8) * self.strength / pairs) * np.ones((count, pairs))
        factors = paired(self.k_x, self.k_y, rho) * scales[:, None, None]
        return Components(even_weights(law, count), np.zeros((count, self.k_x + self.k_y)), factors, np.inf)


@FAMILIES.register("mixture_signs")
@dataclass(frozen=True)
class MixtureSigns(Mixture):
    """Normal rows whose correlations are strong but of random sign: nearly uncorrelated, far from independent."""

    def components(self) -> Components:
        """Return one component per pattern of signs, with its mirror image."""
        law = seeded(self.seed)
        pairs = min(self.k_x, self.k_y)
        signs = law.choice([-1.0, 1.0], size=(int(law.integers(1, 3)), pairs))
        rho = correlation_of(min((self.strength + 0.5 * np.sqrt(self.strength)) / pairs, 5.0))
        factors = paired(self.k_x, self.k_y, rho * np.concatenate([signs, -signs]))
        return Components(
            np.full(len(factors), 1 / len(factors)), np.zeros((len(factors), self.k_x + self.k_y)), factors, np.inf
        )


@FAMILIES.register("mixture_slopes")
@dataclass(frozen=True)
class MixtureSlopes(Mixture):
    """Normal rows about one centre, each of 2 or 3 kinds with correlations of its own, of either sign."""

    def components(self) -> Components:
        """Return one component per kind."""
        law = seeded(self.seed)
        count, pairs = int(law.integers(2, 4)), min(self.k_x, self.k_y)
        nats = min(2.0 * self.strength / pairs, 5.0) * law.uniform(0.0, 1.0, size=(count, pairs))
        rho = correlation_of(nats) * law.choice([-1.0, 1.0], size=(count, pairs))
        factors = paired(self.k_x, self.k_y, rho)
        return Components(even_weights(law, count), np.zeros((count, self.k_x + self.k_y)), factors, np.inf)


@FAMILIES.register("mixture_chain")
@dataclass(frozen=True)
class MixtureChain(Mixture):
    """Normal clusters in a row along a bent line, neighbours overlapping: y rises and falls again as x grows."""

    def components(self) -> Components:
        """Return the clusters, as far apart as the strength asks."""
        law = seeded(self.seed)
        count = int(np.clip(law.integers(3, 7), np.ceil(np.exp(self.strength)), 8))
        along = np.linspace(-1.0, 1.0, count)
        reach = float(np.clip(3.0 * np.sqrt(self.strength), 0.2, 8.0))
        bend = law.uniform(0.5, 1.0)
        x = along[:, None] * law.choice([-1.0, 1.0], size=self.k_x) / np.sqrt(self.k_x)
        y = ((1 - bend) * along + bend * (2 * along**2 - 1))[:, None] * law.choice([-1.0, 1.0], size=self.k_y)
        means = reach * np.concatenate([x, y / np.sqrt(self.k_y)], axis=1)
        factors = np.tile(np.eye(self.k_x + self.k_y), (count, 1, 1))
        return Components(even_weights(law, count), means, factors, np.inf)
