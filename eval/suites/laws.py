r"""Joint laws with known MI for the benchmarks, written apart from the laws that training tables are drawn from.

A benchmark that shared its samplers with the training data would share their mistakes too, and see none of them. The
tests hold both against each other. All mutual information in nats, closed form.

References: Czyz et al., Beyond Normal (NeurIPS 2023), for the laws and maps; Arellano-Valle et al. (2013), Scandinavian
Journal of Statistics 40, for the multivariate t.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, psi

Floats = NDArray[np.float64]
Draw = Callable[[Generator, int], tuple[Floats, Floats]]
Map = Callable[[Floats], Floats]
Violation = Callable[[Sequence[float]], float]


@dataclass(frozen=True)
class Law:
    """A joint law of (x, y) with its mutual information.

    Attributes:
        family: Name by which results are grouped.
        mi_nats: True mutual information.
        draw: (rng, n) -> x (n, d_x), y (n, d_y), independent rows.
        stderr: Standard error of `mi_nats`, 0 for a closed form.
        others: (x, y) -> further tables made of the first, for a law without a truth.
        violation: Estimates of all tables -> the nats by which they contradict each other, whose truth is 0.
    """

    family: str
    mi_nats: float
    draw: Draw
    stderr: float = 0.0
    others: Callable[[Floats, Floats], list[tuple[Floats, Floats]]] | None = None
    violation: Violation | None = None

    def tables(self, rng: Generator, n: int) -> list[tuple[Floats, Floats]]:
        """Draw a table, and make of it the others that are held against it."""
        x, y = self.draw(rng, n)
        return [(x, y), *(self.others(x, y) if self.others else [])]


def mapped(law: Law, x_map: Map | None = None, y_map: Map | None = None, family: str | None = None) -> Law:
    """Pass each side through an injective map, which leaves the mutual information as it was."""

    def draw(rng: Generator, n: int) -> tuple[Floats, Floats]:
        x, y = law.draw(rng, n)
        return (x if x_map is None else x_map(x)), (y if y_map is None else y_map(y))

    return replace(law, draw=draw, family=family or law.family)


def normal(correlation: ArrayLike, d_x: int, family: str = "normal") -> Law:
    """Multivariate normal law with this correlation matrix, (d_x + d_y, d_x + d_y), x first."""
    correlation = np.asarray(correlation, np.float64)
    root = np.linalg.cholesky(correlation)

    def draw(rng: Generator, n: int) -> tuple[Floats, Floats]:
        rows = rng.standard_normal((n, len(correlation))) @ root.T
        return rows[:, :d_x], rows[:, d_x:]

    return Law(family, normal_mi(correlation, d_x), draw)


def normal_pairs(nats: ArrayLike, d_x: int, d_y: int, rng: Generator, family: str = "normal") -> Law:
    """Normal law of d_x + d_y columns: k pairs of hidden columns with these MIs (k,), mixed into all of their side.

    The mixing is drawn from `rng`. The truth is the sum of the pairs', also where a determinant would lose it.
    """
    nats = np.atleast_1d(np.asarray(nats, np.float64))
    noise = np.exp(-nats)  # sqrt(1 - rho^2)
    mixing = [_mixing(rng, d) for d in (d_x, d_y)]

    def draw(rng: Generator, n: int) -> tuple[Floats, Floats]:
        x, y = rng.standard_normal((n, d_x)), rng.standard_normal((n, d_y))
        y[:, : nats.size] = np.sqrt(1 - noise**2) * x[:, : nats.size] + noise * y[:, : nats.size]
        return x @ mixing[0], y @ mixing[1]

    return Law(family, float(nats.sum()), draw)


def noisy_views(d_x: int, d_y: int, noise: float, rng: Generator, family: str = "linear") -> Law:
    """Normal x, and y its linear image under a random matrix, each column with noise of its own."""
    matrix = rng.standard_normal((d_x, d_y)) / np.sqrt(d_x)
    gains = np.linalg.svd(matrix, compute_uv=False) / noise

    def draw(rng: Generator, n: int) -> tuple[Floats, Floats]:
        x = rng.standard_normal((n, d_x))
        return x, x @ matrix + noise * rng.standard_normal((n, d_y))

    return Law(family, float(np.log1p(gains**2).sum() / 2), draw)


def student(dispersion: ArrayLike, d_x: int, df: float, family: str = "student") -> Law:
    """Multivariate t law: a normal row over the square root of its own chi-squared draw over `df`."""
    dispersion = np.asarray(dispersion, np.float64)
    size = len(dispersion)
    root = np.linalg.cholesky(dispersion)

    def draw(rng: Generator, n: int) -> tuple[Floats, Floats]:
        rows = rng.standard_normal((n, size)) @ root.T
        rows /= np.sqrt(rng.chisquare(df, (n, 1)) / df)  # one divisor per row: that alone makes the sides dependent
        return rows[:, :d_x], rows[:, d_x:]

    return Law(family, normal_mi(dispersion, d_x) + student_excess(df, d_x, size - d_x), draw)


def additive_noise(eps: ArrayLike, family: str = "additive_noise") -> Law:
    """Independent pairs X_j ~ U(0, 1), Y_j = X_j + U(-eps_j, eps_j), with eps (d,)."""
    eps = np.atleast_1d(np.asarray(eps, np.float64))

    def draw(rng: Generator, n: int) -> tuple[Floats, Floats]:
        x = rng.random((n, eps.size))
        return x, x + eps * rng.uniform(-1, 1, (n, eps.size))

    small = np.minimum(eps, 0.5)
    return Law(family, float(np.where(eps > 0.5, 1 / (4 * eps), small - np.log(2 * small)).sum()), draw)


def padded(law: Law, x_columns: int, y_columns: int) -> Law:
    """Put standard normal columns that depend on nothing beside those of the law."""

    def draw(rng: Generator, n: int) -> tuple[Floats, Floats]:
        x, y = law.draw(rng, n)
        return (
            np.hstack([x, rng.standard_normal((n, x_columns))]),
            np.hstack([y, rng.standard_normal((n, y_columns))]),
        )

    return replace(law, draw=draw)


def swapped(law: Law) -> Law:
    """The same law with its sides exchanged."""
    return replace(law, draw=lambda rng, n: law.draw(rng, n)[::-1])


def normal_mi(covariance: Floats, d_x: int) -> float:
    """MI of a normal law: half the log of det S_x det S_y / det S."""
    log_dets = [np.linalg.slogdet(m)[1] for m in (covariance[:d_x, :d_x], covariance[d_x:, d_x:], covariance)]
    return float(log_dets[0] + log_dets[1] - log_dets[2]) / 2


def student_excess(df: float, d_x: int, d_y: int) -> float:
    """MI of a multivariate t law beyond that of the normal law with its dispersion."""

    def f(u: float) -> float:
        return float(gammaln(u / 2) - u / 2 * psi(u / 2))

    return f(df) + f(df + d_x + d_y) - f(df + d_x) - f(df + d_y)


def dense(d: int, rho: float = 0.5) -> Floats:
    """Correlation matrix of d + d columns, every two of which correlate by `rho`."""
    return np.full((2 * d, 2 * d), rho) + (1 - rho) * np.eye(2 * d)


def latent(
    d: int, pairs: int, strength: float, noise: float, shared: float = 0.0, shared_within: float = 0.0
) -> Floats:
    """Correlation matrix of d + d columns that see latent variables.

    Column i of a side is E_i + alpha U + beta U_side + (lambda Z_i if i <= K else eta V_i), where U is seen by all
    columns, U_side by all of one side, Z_i by the i-th of both sides, E_i and V_i by one column alone.

    Args:
        d: Columns per side.
        pairs: K, how many columns of a side have a partner on the other.
        strength: lambda, weight of what partners share.
        noise: eta, weight of further noise in a column without a partner.
        shared: alpha.
        shared_within: beta.
    """
    paired = (np.arange(d) < pairs).astype(float)
    own = np.diag(1 + paired * strength**2 + (1 - paired) * noise**2) + shared**2 + shared_within**2
    across = np.diag(paired * strength**2) + shared**2
    covariance = np.block([[own, across], [across, own]])
    scale = np.sqrt(np.diag(covariance))
    return covariance / np.outer(scale, scale)


def sparse(d: int, pairs: int, strength: float) -> Floats:
    """Correlation matrix of d + d columns where only the first `pairs` of x and y are tied, each to its partner."""
    return latent(d, pairs, strength, strength)


def _mixing(rng: Generator, d: int) -> Floats:
    """A random rotation times column scales within a factor of 10."""
    rotation, _ = np.linalg.qr(rng.standard_normal((d, d)))
    return rotation * 10 ** rng.uniform(-0.5, 0.5, d)
