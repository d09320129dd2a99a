"""Injective maps of one side, (n, d) -> (n, d'), as the Beyond Normal benchmark uses them."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]
Mixture = tuple[tuple[float, float], ...]  # (weight, mean) of normal parts with variance 1

X_MODES: Mixture = ((0.3, 0.0), (0.7, 5.0))
Y_MODES: Mixture = ((0.5, -1.0), (0.5, 3.0))


def normal_cdf(v: Floats) -> Floats:
    """Each coordinate through the standard normal's distribution function."""
    return ndtr(v)


def half_cube(v: Floats) -> Floats:
    """Each coordinate t to t sqrt|t|: heavier tails."""
    return v * np.sqrt(np.abs(v))


def asinh(v: Floats) -> Floats:
    """Each coordinate through asinh: lighter tails."""
    return np.arcsinh(v)


def wiggly_x(v: Floats) -> Floats:
    """Add three increasing-on-the-whole sines to each coordinate, as for side x."""
    return v + 0.4 * np.sin(v) + 0.2 * np.sin(1.7 * v + 1) + 0.03 * np.sin(3.3 * v - 2.5)


def wiggly_y(v: Floats) -> Floats:
    """The same for side y."""
    return v - 0.4 * np.sin(0.4 * v) + 0.17 * np.sin(1.3 * v + 3.5) + 0.02 * np.sin(4.3 * v - 2.5)


def mixture_quantile(u: Floats, mixture: Mixture) -> Floats:
    """Inverse distribution function of a mixture of unit normals, by bisection.

    60 halvings of an interval of length about 100 leave 1e-16: it ends at floating-point accuracy.
    """
    means = [mean for _, mean in mixture]
    low, high = np.full_like(u, min(means) - 45.0), np.full_like(u, max(means) + 45.0)
    for _ in range(60):
        middle = (low + high) / 2
        below = sum(weight * ndtr(middle - mean) for weight, mean in mixture) < u
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2


def bimodal_x(v: Floats) -> Floats:
    """A normal coordinate made bimodal, as for side x."""
    return mixture_quantile(ndtr(v), X_MODES)


def bimodal_y(v: Floats) -> Floats:
    """The same for side y."""
    return mixture_quantile(ndtr(v), Y_MODES)


def spiral_x(v: Floats) -> Floats:
    """Turn coordinates 1 and 2 by the angle |v|^2 / d: a rotation that keeps |v|, so injective."""
    return _spiral(v, 0, 1)


def spiral_y(v: Floats) -> Floats:
    """The same in coordinates 2 and 3."""
    return _spiral(v, 1, 2)


def swiss_roll(u: Floats) -> Floats:
    """A uniform column, (n, 1), rolled up in the plane, (n, 2)."""
    t = 1.5 * np.pi * (1 + 2 * u)
    return np.hstack([t * np.cos(t), t * np.sin(t)]) / 21


def _spiral(v: Floats, first: int, second: int) -> Floats:
    angle = (v**2).sum(axis=1) / v.shape[1]
    turned = v.copy()
    turned[:, first] = np.cos(angle) * v[:, first] - np.sin(angle) * v[:, second]
    turned[:, second] = np.sin(angle) * v[:, first] + np.cos(angle) * v[:, second]
    return turned
