r"""Joint laws with ties on one or both sides, their mutual information in closed form or by quadrature.

They are written apart from the discrete laws that training tables are drawn from, and the truths are computed another
way; the tests hold both against each other. All columns are numbers, and all mutual information is in nats.
"""

import numpy as np
from numpy.random import Generator
from scipy.special import entr, gammaln, ndtr, xlogy

from eval.suites.laws import Draw, Floats, Law

_FINE = np.arange(-9, 9, 0.02)  # the trapezoid rule on smooth densities over this is exact to 1e-12
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)


def table_mi(joint: Floats) -> float:
    """MI of a table of joint probabilities, (r, c)."""
    return float(entr(joint.sum(axis=1)).sum() + entr(joint.sum(axis=0)).sum() - entr(joint).sum())


def channel(letters: int, error: float) -> Law:
    """X uniform on 0..letters - 1; Y = X, but with probability `error` any of the other letters."""

    def draw(rng: Generator, n: int) -> tuple[Floats, Floats]:
        sent = rng.integers(letters, size=(n, 1))
        shift = rng.integers(1, letters, size=(n, 1)) * (rng.random((n, 1)) < error)
        return sent.astype(float), ((sent + shift) % letters).astype(float)

    lost = entr(error) + entr(1 - error) + error * np.log(letters - 1)
    return Law("channel", float(np.log(letters) - lost), draw)


def label_line(classes: int, apart: float) -> Law:
    """X a class, all equally likely, and Y its place on a line, `apart` between neighbours, plus a standard normal."""
    places = apart * np.arange(classes)

    def draw(rng: Generator, n: int) -> tuple[Floats, Floats]:
        label = rng.integers(classes, size=(n, 1))
        return label.astype(float), places[label] + rng.standard_normal((n, 1))

    grid = np.arange(-9, places[-1] + 9, 0.02)
    return Law("label", _mixture_mi(_normal_density(grid - places[:, None]), 0.02), draw)


def label_circle(classes: int, radius: float, one_hot: bool = False) -> Law:
    """X a class, as one number or as a 0-1 column for each class, and Y its point on a circle plus a normal row."""
    angles = 2 * np.pi * np.arange(classes) / classes
    centres = radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)

    def draw(rng: Generator, n: int) -> tuple[Floats, Floats]:
        label = rng.integers(classes, size=n)
        x = np.eye(classes)[label] if one_hot else label[:, None].astype(float)
        return x, centres[label] + rng.standard_normal((n, 2))

    step = 0.2
    line = np.arange(-radius - 7, radius + 7, step)
    along = [_normal_density(line - centres[:, axis, None]) for axis in (0, 1)]  # (classes, g) each
    density = (along[0][:, :, None] * along[1][:, None, :]).reshape(classes, -1)
    return Law("label", _mixture_mi(density, step**2), draw)


def two_clouds(d: int, apart: float) -> Law:
    """X one of two classes and Y a normal row of d columns, the means `apart` in a direction that all columns share."""
    shift = apart / np.sqrt(d)

    def draw(rng: Generator, n: int) -> tuple[Floats, Floats]:
        label = rng.integers(2, size=(n, 1)).astype(float)
        return label, shift * label + rng.standard_normal((n, d))

    grid = np.arange(-9, apart + 9, 0.02)  # along the direction; across it both classes have one law
    return Law("label", _mixture_mi(_normal_density(grid - np.array([[0.0], [apart]])), 0.02), draw)


def quantised_both(rho: float, x_cuts: Floats, y_cuts: Floats) -> Law:
    """A normal pair of correlation rho, each side replaced by the number of its cuts below it."""
    corners = np.pad(_quadrants(rho, x_cuts, y_cuts), ((1, 0), (1, 0)))
    joint = np.maximum(np.diff(np.diff(corners, axis=0), axis=1), 0.0)
    return Law("quantised", table_mi(joint), _cut_pair(rho, x_cuts, y_cuts))


def quantised_one(rho: float, y_cuts: Floats) -> Law:
    """A normal pair of correlation rho, y replaced by the number of its cuts below it."""
    below = ndtr((y_cuts[:, None] - rho * _FINE) / np.sqrt(1 - rho**2))  # (cuts, g)
    cells = np.diff(below, axis=0, prepend=0.0, append=1.0)
    weights = 0.02 * _normal_density(_FINE)
    nats = entr(cells @ weights).sum() - entr(cells).sum(axis=0) @ weights
    return Law("quantised", float(nats), _cut_pair(rho, None, y_cuts))


def spread_letter(letters: int) -> Law:
    """X uniform on 0..letters - 1 and Y ~ U(X, X + 2).

    Reference: Gao, Kannan, Oh and Viswanath (NeurIPS 2017), Estimating Mutual Information for Discrete-Continuous
    Mixtures; as is the law of `zero_inflated_poisson`.
    """

    def draw(rng: Generator, n: int) -> tuple[Floats, Floats]:
        x = rng.integers(letters, size=(n, 1)).astype(float)
        return x, x + rng.uniform(0, 2, (n, 1))

    return Law("discrete-continuous", float(np.log(letters) - (letters - 1) / letters * np.log(2)), draw)


def zero_inflated_poisson(rate: float, zeros: float) -> Law:
    """X ~ Exp(1); Y is 0 with probability `zeros`, else Poisson with mean rate X.

    The (1 - zeros) .3012 that is quoted for rate 1 holds only where inflated zeros can be told from others. Here they
    cannot, so the truth is H(Y) - E[H(Y | X)] with Y's own zeros among them.
    """

    def draw(rng: Generator, n: int) -> tuple[Floats, Floats]:
        x = rng.exponential(size=(n, 1))
        return x, np.where(rng.random((n, 1)) < zeros, 0, rng.poisson(rate * x)).astype(float)

    t = np.arange(-4, 4.5, 0.05)  # double-exponential rule for a half line
    x = np.exp(t - np.exp(-t))
    weights = 0.05 * (1 + np.exp(-t)) * x * np.exp(-x)
    y = np.arange(int(60 * (1 + rate)))
    given = (1 - zeros) * np.exp(xlogy(y, rate * x[:, None]) - rate * x[:, None] - gammaln(y + 1))  # (g, counts)
    given[:, 0] += zeros
    nats = entr(weights @ given).sum() - weights @ entr(given).sum(axis=1)
    return Law("counts", float(nats), draw)


def shared_counts(own: float, shared: float) -> Law:
    """X = A + C and Y = B + C of Poisson counts, A and B of mean `own`, C of mean `shared`."""

    def draw(rng: Generator, n: int) -> tuple[Floats, Floats]:
        c = rng.poisson(shared, (n, 1))
        return (c + rng.poisson(own, (n, 1))).astype(float), (c + rng.poisson(own, (n, 1))).astype(float)

    counts = np.arange(80)
    alone = np.exp(xlogy(counts, own) - own - gammaln(counts + 1))
    given = np.array([np.pad(alone, (int(c), 0))[:80] for c in counts])  # (c, x): law of x given the shared count
    weights = np.exp(xlogy(counts, shared) - shared - gammaln(counts + 1))
    return Law("counts", table_mi((weights[:, None] * given).T @ given), draw)


def zeros_together(d: int, present: float, rho: float) -> Law:
    """Both sides are 0 at once, or d pairs of normals of correlation rho; I = H(present) + present I(normals)."""

    def draw(rng: Generator, n: int) -> tuple[Floats, Floats]:
        shown = rng.random((n, 1)) < present
        x = rng.standard_normal((n, d))
        y = rho * x + np.sqrt(1 - rho**2) * rng.standard_normal((n, d))
        return x * shown, y * shown

    nats = entr(present) + entr(1 - present) - present * d / 2 * np.log1p(-(rho**2))
    return Law("zero-inflated", float(nats), draw)


def side_by_side(*laws: Law) -> Law:
    """Independent laws, their columns side by side: the MI adds up."""

    def draw(rng: Generator, n: int) -> tuple[Floats, Floats]:
        drawn = [law.draw(rng, n) for law in laws]
        return np.hstack([x for x, _ in drawn]), np.hstack([y for _, y in drawn])

    return Law(laws[0].family, sum(law.mi_nats for law in laws), draw)


def rounded_additive(eps: float, digits: int) -> Law:
    """X uniform on the decimals of (0, 1) with so many digits; Y = X + U(-eps, eps), not rounded.

    With eps a multiple of half a step, Y falls on an even spread over every interval between half steps, and the MI is
    that of a table of letters against cells of half a step.
    """
    letters = 10**digits
    width = round(4 * eps * letters)  # cells of half a step that a letter reaches
    joint = np.array([np.pad(np.ones(width), (2 * k, 2 * (letters - 1 - k))) for k in range(letters)])

    def draw(rng: Generator, n: int) -> tuple[Floats, Floats]:
        x = rng.integers(letters, size=(n, 1)) / letters
        return x, x + rng.uniform(-eps, eps, (n, 1))

    return Law("discrete-continuous", table_mi(joint / joint.sum()), draw)


def _normal_density(v: Floats) -> Floats:
    return np.exp(-(v**2) / 2) / np.sqrt(2 * np.pi)


def _mixture_mi(density: Floats, cell: float) -> float:
    """MI of an evenly drawn class with a point whose density given the class is known on a grid, (classes, g)."""
    return float(entr(density.mean(axis=0)).sum() - entr(density).sum(axis=1).mean()) * cell


def _quadrants(rho: float, x_cuts: Floats, y_cuts: Floats) -> Floats:
    """P(X <= h, Y <= k) of a normal pair at all cuts and at infinity, (x_cuts + 1, y_cuts + 1).

    Reference: Plackett (1954), Biometrika 41: the derivative of this probability by rho is the density at (h, k).
    """
    h, k = x_cuts[:, None, None], y_cuts[None, :, None]
    angle = np.arcsin(rho) * (_NODES + 1) / 2
    density = np.exp(-(h**2 + k**2 - 2 * h * k * np.sin(angle)) / (2 * np.cos(angle) ** 2)) / (2 * np.pi)
    known = np.outer(ndtr(x_cuts), ndtr(y_cuts)) + np.arcsin(rho) / 2 * (density @ _WEIGHTS)
    return np.block([[known, ndtr(x_cuts)[:, None]], [ndtr(y_cuts)[None, :], np.ones((1, 1))]])


def _cut_pair(rho: float, x_cuts: Floats | None, y_cuts: Floats) -> Draw:
    def draw(rng: Generator, n: int) -> tuple[Floats, Floats]:
        x = rng.standard_normal((n, 1))
        y = rho * x + np.sqrt(1 - rho**2) * rng.standard_normal((n, 1))
        return (x if x_cuts is None else _levels(x_cuts, x)), _levels(y_cuts, y)

    return draw


def _levels(cuts: Floats, v: Floats) -> Floats:
    return np.searchsorted(cuts, v).astype(np.float64)
