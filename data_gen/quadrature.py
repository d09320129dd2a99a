"""Mutual information of noisy one-dimensional quantities, by quadrature."""

from functools import cache

import numpy as np

from data_gen.errors import DataGenError

_BINS = {"normal": 6.0, "laplace": 12.0}  # grid points per noise scale; more where the density has a kink
_REACH = {"normal": 8.0, "laplace": 25.0}  # the noise beyond so many scales has a mass below 1e-10
_ENTROPY = {"normal": 0.5 * np.log(2 * np.pi * np.e), "laplace": 1 + np.log(2)}  # at scale 1, in nats
NOISES = tuple(_BINS)
# Steps in standard deviations: for sums of normal densities the trapezoid rule is exact to 1e-15 and to 4e-5.
FINE, COARSE = 0.7, 1.4


def channel_nats(
    values: np.ndarray,
    scale: float,
    noise: str,
    weights: np.ndarray | None = None,
    factors: np.ndarray | None = None,
) -> float:
    """Return I(X; f(X) + scale g(X) e) = h(f(X) + scale g(X) e) - E log(scale g(X)) - h(e) in nats.

    The density of the sum is a convolution: the values are shared out to a grid by quadratic splines, which keep the
    first two moments of each, and the noise enters by its characteristic function, with the splines' divided out.

    Args:
        values: Values of f(X), (m,), dense enough that their gaps are below the scale.
        scale: Standard deviation of normal noise, or the scale of Laplace noise.
        noise: normal or laplace.
        weights: Probabilities of the values, (m,); by default equal.
        factors: g(X), (m,), with few different values; by default 1.
    """
    if noise not in NOISES:
        raise DataGenError(f"unknown noise {noise!r}; known: {', '.join(NOISES)}")
    weights = np.full(len(values), 1 / len(values)) if weights is None else weights / weights.sum()
    groups = {1.0: slice(None)} if factors is None else {float(g): factors == g for g in np.unique(factors)}
    step, reach = scale * min(groups) / _BINS[noise], scale * max(groups) * _REACH[noise]
    start = values.min() - reach
    size = 1 << int(np.ceil(np.log2((np.ptp(values) + 2 * reach) / step + 2)))
    omega = 2 * np.pi * np.fft.rfftfreq(size, step)
    spectrum = np.zeros(len(omega), complex)
    for factor, group in groups.items():
        square = (scale * factor * omega) ** 2
        characteristic = np.exp(-0.5 * square) if noise == "normal" else 1 / (1 + square)
        spectrum += np.fft.rfft(_spread((values[group] - start) / step, weights[group], size)) * characteristic
    density = np.maximum(np.fft.irfft(spectrum / np.sinc(omega * step / (2 * np.pi)) ** 3, size), 0.0)  # per cell
    density /= density.sum()
    positive = density[density > 0]
    entropy = np.log(step) - positive @ np.log(positive)
    stretch = 0.0 if factors is None else weights @ np.log(factors)
    return float(entropy - np.log(scale) - stretch - _ENTROPY[noise])


def _spread(position: np.ndarray, weights: np.ndarray, size: int) -> np.ndarray:
    """Share weights (m,) at positions (m,) in cells out by quadratic splines, which keep two moments, (size,)."""
    cell = np.rint(position).astype(np.int64)
    part = position - cell
    mass = np.bincount(cell, weights * (0.75 - part**2), size)
    mass += np.bincount(cell - 1, weights * (0.5 * (0.5 - part) ** 2), size)
    return mass + np.bincount(cell + 1, weights * (0.5 * (0.5 + part) ** 2), size)


def latent_nats(
    weights: np.ndarray, x: tuple[np.ndarray, np.ndarray], y: tuple[np.ndarray, np.ndarray], step: float = FINE
) -> float:
    """Return the MI of two numbers that are normal and independent given a latent point.

    Args:
        weights: Probabilities of the latent points, (k,).
        x: Means and standard deviations of x given the point, each (k,).
        y: The same of y.
        step: Steps of the grids in least standard deviations; FINE, or COARSE for a search.
    """
    p_x, p_y = (normal_cells(means, scales, step) for means, scales in (x, y))
    return cells_nats(weights, p_x, p_y)


def cells_nats(weights: np.ndarray, p_x: np.ndarray, p_y: np.ndarray) -> float:
    """Return the MI of two numbers that are independent given a latent point.

    Args:
        weights: Probabilities of the latent points, (k,).
        p_x: Masses of the cells of x given the point, (k, g_x).
        p_y: The same of y, (k, g_y).
    """
    joint = (weights[:, None] * p_x).T @ p_y  # (g_x, g_y)
    entropy_x, entropy_y, entropy = (_entropy(mass) for mass in (weights @ p_x, weights @ p_y, joint.ravel()))
    return entropy_x + entropy_y - entropy


def _entropy(mass: np.ndarray) -> float:
    """Return the entropy of cell masses (g,); cells of no mass count nothing."""
    return -float(mass @ np.log(np.maximum(mass, 1e-300)))


def label_nats(weights: np.ndarray, means: np.ndarray, scales: np.ndarray) -> float:
    """Return the MI of a label and a number that is normal given the label.

    Args:
        weights: Probabilities of the labels, (k,).
        means: Means given the label, (k,).
        scales: Standard deviations given the label, (k,).
    """
    p = normal_cells(means, scales)  # (k, g)
    ratio = np.divide(p, weights @ p, out=np.ones_like(p), where=p > 1e-300)  # a product of smaller ones is 0
    return max(float(weights @ (p * np.log(ratio)).sum(axis=1)), 0.0)


def normal_cells(means: np.ndarray, scales: np.ndarray, step: float = FINE) -> np.ndarray:
    """Return normal densities on a grid of so many least scales, each row scaled to sum 1, (k, g)."""
    grid = np.arange(np.min(means - 7 * scales), np.max(means + 7 * scales), step * scales.min())
    density = np.exp(-0.5 * ((grid - means[:, None]) / scales[:, None]) ** 2)
    return density / density.sum(axis=1, keepdims=True)


def lattice(count: int, d: int) -> np.ndarray:
    """Return evenly spread points of the unit cube, (count, d): midpoints for d = 1, else multiples of irrationals.

    Neither digital nets nor Roberts's sequence would do, for sums of their coordinates fall on few values; the square
    roots of primes have no such relation.

    Reference: Richtmyer (1951), "The evaluation of definite integrals, and a quasi-Monte-Carlo method".
    """
    steps = np.arange(count)[:, None]
    return (steps + 0.5) / count if d == 1 else (0.5 + (steps + 1) * np.sqrt([2.0, 3.0, 5.0])[:d]) % 1


@cache
def legendre(points: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the nodes and weights of Gauss and Legendre's rule on -1..1; kept, for they cost more than their use."""
    return np.polynomial.legendre.leggauss(points)
