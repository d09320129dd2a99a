"""The truth of every family against an independent computation."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import gammaln, logsumexp, ndtr

from data_gen.families.base import Family
from data_gen.margins import cuts_of
from data_gen.registry import FAMILIES
from data_gen.rng import seeded

SHAPES = ((1, 1), (1, 3), (4, 2), (9, 9))
AIMS = (None, 0.05, 0.8, 3.0)


def drawn(name: str, d_x: int, d_y: int, aim: float | None, seed: int = 0) -> Family:
    return FAMILIES.get(name).draw(seeded(1000 * seed + 10 * d_x + d_y), d_x, d_y, aim)


def gamma_exponential_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    total = np.zeros(len(x))
    for i, theta in enumerate(family.theta):
        log_x, log_y = x[:, i], y[:, i]
        given = log_x - np.exp(log_x + log_y)  # of Exp(rate x) at y
        margin = np.log(theta) - (theta + 1) * np.logaddexp(0, log_y)  # Lomax
        total += given - margin
    return total


def copula_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    total = np.zeros(len(x))
    for i, t in enumerate(family.theta):
        u, v = np.clip(ndtr(x[:, i]), 1e-12, 1 - 1e-12), np.clip(ndtr(y[:, i]), 1e-12, 1 - 1e-12)
        total += LOG_COPULA[family.name](1 - v if family.turned else v, u, t)
    return total


def log_clayton(u: np.ndarray, v: np.ndarray, t: float) -> np.ndarray:
    return np.log1p(t) - (1 + t) * np.log(u * v) - (2 + 1 / t) * np.log(u**-t + v**-t - 1)


def log_gumbel(u: np.ndarray, v: np.ndarray, t: float) -> np.ndarray:
    a, b = -np.log(u), -np.log(v)
    s = (a**t + b**t) ** (1 / t)
    return -s + (t - 1) * np.log(a * b) + (1 - 2 * t) * np.log(s) + np.log(s + t - 1) + a + b


def log_frank(u: np.ndarray, v: np.ndarray, t: float) -> np.ndarray:
    rest = np.logaddexp(np.log(-np.expm1(-t * v)) - t * u, np.log(-np.expm1(-t * (1 - v))) - t * v)
    return np.log(-t * np.expm1(-t)) - t * (u + v) - 2 * rest


def log_joe(u: np.ndarray, v: np.ndarray, t: float) -> np.ndarray:
    a, b = (1 - u) ** t, (1 - v) ** t
    s = a + b - a * b
    return (1 / t - 2) * np.log(s) + (t - 1) * np.log((1 - u) * (1 - v)) + np.log(t - 1 + s)


LOG_COPULA = {"clayton": log_clayton, "gumbel": log_gumbel, "frank": log_frank, "joe": log_joe}


def mixture_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    law, k = family.components(), family.k_x
    rows = np.concatenate([x[:, :k], y[:, : family.k_y]], axis=1)
    covs = law.factors @ law.factors.transpose(0, 2, 1)

    def log_density(columns: slice) -> np.ndarray:
        logs = []
        for weight, mean, cov in zip(law.weights, law.means, covs, strict=True):
            if np.isfinite(law.df):
                part = stats.multivariate_t(mean[columns], cov[columns, columns], df=law.df)
            else:
                part = stats.multivariate_normal(mean[columns], cov[columns, columns])
            logs.append(np.log(weight) + part.logpdf(rows[:, columns]))
        return logsumexp(logs, axis=0)

    return log_density(slice(None)) - log_density(slice(None, k)) - log_density(slice(k, None))


def labelled_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """By the joint density of label and clusters, each component on its own."""
    x, y = (y, x) if family.swapped else (x, y)
    mixture = FAMILIES.get("mixture_clusters").from_params(family.clusters)
    law, k, y = mixture.components(), mixture.k_x, y[:, : mixture.k_y]
    covs = law.factors @ law.factors.transpose(0, 2, 1)
    total = np.zeros(len(x))
    margin = logsumexp(
        [
            np.log(w) + stats.multivariate_normal(m[k:], c[k:, k:]).logpdf(y)
            for w, m, c in zip(law.weights, law.means, covs, strict=True)
        ],
        axis=0,
    )
    for component, (mean, cov) in enumerate(zip(law.means, covs, strict=True)):
        rows = x[:, 0] == component
        if family.shared:
            both = np.concatenate([x[rows, 1 : 1 + k], y[rows]], axis=1)
            given = stats.multivariate_normal(mean, cov).logpdf(both)
            given = given - stats.multivariate_normal(mean[:k], cov[:k, :k]).logpdf(x[rows, 1 : 1 + k])
        else:
            given = stats.multivariate_normal(mean[k:], cov[k:, k:]).logpdf(y[rows])
        total[rows] = given - margin[rows]
    return total


def evenly(d: int) -> np.ndarray:
    """Return scrambled Sobol points, (2048, d), which no family uses."""
    return stats.qmc.Sobol(d, rng=seeded(9)).random(2048)


def averaged(log_given: np.ndarray) -> np.ndarray:
    """Return the log of the mean over fresh latent points (points, n)."""
    return logsumexp(log_given, axis=0) - np.log(len(log_given))


def function_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    inputs, value = (y, x) if family.swapped else (x, y)
    x0, v = inputs[:, : family.inputs], value[:, 0]
    fresh = evenly(family.inputs)
    fresh = 0.5 * stats.norm.ppf(fresh) if family.normal_inputs else 2 * fresh - 1
    law = stats.laplace if family.noise == "laplace" else stats.norm
    summary = {
        "sum": lambda u: sum(u.T) / np.sqrt(len(u.T)),
        "norm": lambda u: np.sqrt(sum(u.T**2)),
        "product": lambda u: np.exp(sum(np.log(np.abs(2 * u.T)))) * np.prod(np.sign(u.T), axis=0),
    }[family.summary]

    def scale(s: np.ndarray) -> np.ndarray:
        size = 0.25 + 0.55 * (np.abs(s) > 0.5)  # the four bands of heteroscedastic noise
        return family.scale * np.exp(np.where(s > 0, size, -size) * (family.noise == "heteroscedastic"))

    s, fresh = summary(x0), summary(fresh)[:, None]
    margin = averaged(law.logpdf(v, loc=family.f(fresh, family.shape), scale=scale(fresh)))
    return law.logpdf(v, loc=family.f(s, family.shape), scale=scale(s)) - margin


def scale_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    u, v = (side[:, 0] for side in ((y, x) if family.swapped else (x, y)))

    def log_given(u: np.ndarray) -> np.ndarray:
        scale = np.exp(family.spread * np.sin(0.5 * np.pi * family.periods * u))
        return stats.norm.logpdf(v, loc=family.slope * u, scale=scale)

    return log_given(u) - averaged(log_given(2 * evenly(1) - 1))


def latent_pointwise(log_x: np.ndarray, log_y: np.ndarray) -> np.ndarray:
    return averaged(log_x + log_y) - averaged(log_x) - averaged(log_y)


def curve_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    points = family.curve(evenly(1)[:, 0], family.shape)
    sides = (
        stats.norm.logpdf(side[:, 0], loc=centre[:, None], scale=family.scale)
        for side, centre in zip((x, y), points, strict=True)
    )
    return latent_pointwise(*sides)


def shells_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    shell = np.arange(family.shells)[:, None] * 0.5 * np.log(2)
    radii = [np.log(np.linalg.norm(side[:, :k], axis=1)) for side, k in ((x, family.k_x), (y, family.k_y))]
    logs = [stats.norm.logpdf(radius, loc=shell, scale=family.scale) for radius in radii]
    return latent_pointwise(logs[0], logs[1][::-1] if family.reversed_y else logs[1])


def checkerboard_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    black = (np.floor(x[:, 0] * family.cells) + np.floor(y[:, 0] * family.cells)) % 2 == 0
    return np.log(np.where(black, 1 + family.contrast, 1 - family.contrast))


def channel_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    same = family.keep + (1 - family.keep) / family.letters
    other = (1 - family.keep) / family.letters
    return np.log(np.where(x[:, 0] == y[:, 0], same, other) * family.letters)


def label_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    label, cloud = (y, x) if family.swapped else (x, y)
    centres = family.apart * seeded(family.seed).standard_normal((family.classes, family.columns))
    logs = np.array([stats.norm.logpdf(cloud[:, : family.columns], loc=c).sum(axis=1) for c in centres])
    weights = family._weights()[:, None]
    return np.take_along_axis(logs, label[:, 0].astype(int)[None], axis=0)[0] - logsumexp(logs, axis=0, b=weights)


def quantised_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Average out what is cut away by fresh normals that keep to their level."""
    cuts = stats.norm.ppf(np.arange(family.levels_x + 1) / family.levels_x)
    level, spread = x[:, 0].astype(int), np.sqrt(1 - family.rho**2)

    def given(v: np.ndarray) -> np.ndarray:
        return ndtr((cuts[level + 1] - family.rho * v) / spread) - ndtr((cuts[level] - family.rho * v) / spread)

    if family.levels_y:
        fresh = (np.arange(500)[:, None] + 0.5) / 500
        chance = given(stats.norm.ppf((y[:, 0] + fresh) / family.levels_y)).mean(axis=0)
    else:
        chance = given(y[:, 0])
    return np.log(chance * family.levels_x)


def cut_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Bin probabilities by the bivariate normal distribution function, or by the univariate ones given y."""
    x, y = (y, x) if family.swapped else (x, y)
    cuts = np.concatenate([[-9.0], cuts_of(family.x_margin), [9.0]])
    i, spread = x[:, 0].astype(int), np.sqrt(1 - family.rho**2)
    p_x = (ndtr(cuts[1:]) - ndtr(cuts[:-1]))[i]
    if family.y_margin is None:
        ends = [ndtr((cuts[i + k] - family.rho * y[:, 0]) / spread) for k in (1, 0)]
        return np.log((ends[0] - ends[1]) / p_x)
    y_cuts = np.concatenate([[-9.0], cuts_of(family.y_margin), [9.0]])
    j = y[:, 0].astype(int)
    p_y = (ndtr(y_cuts[1:]) - ndtr(y_cuts[:-1]))[j]
    pairs, place = np.unique(np.stack([i, j]), axis=1, return_inverse=True)
    joint = np.array([_cell(family.rho, cuts[a : a + 2], y_cuts[b : b + 2]) for a, b in pairs.T])
    return np.log(joint[place.ravel()] / (p_x * p_y))


def _cell(rho: float, x_ends: np.ndarray, y_ends: np.ndarray) -> float:
    def slice_at(v: float) -> float:
        low, high = ndtr((y_ends - rho * v) / np.sqrt(1 - rho**2))
        return stats.norm.pdf(v) * (high - low)

    return integrate.quad(slice_at, *x_ends, points=[float(np.clip(0.0, *x_ends))], limit=200)[0]


def classes_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    table, i, j = family._table(), x[:, 0].astype(int), y[:, 0].astype(int)
    return np.log(table[i, j] / (table.sum(axis=1)[i] * table.sum(axis=0)[j]))


def inflated_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Above 0 the normal pair's pointwise information; at 0 that of the chance of a 0."""
    u, amount = ((y, x) if family.swapped else (x, y))[0][:, 0], (x if family.swapped else y)[:, 0]
    rho, bound, blanks = family.rho, family.bound, family.blanks
    v = np.log(amount + np.exp(bound))
    above = stats.norm.logpdf(v, loc=rho * u, scale=np.sqrt(1 - rho**2)) - stats.norm.logpdf(v)
    chance = blanks + (1 - blanks) * ndtr((bound - rho * u) / np.sqrt(1 - rho**2))
    return np.where(amount > 0, above, np.log(np.maximum(chance, 1e-300) / (blanks + (1 - blanks) * ndtr(bound))))


def gao_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    possible = sum((letter <= y[:, 0]) & (y[:, 0] < letter + 2) for letter in range(family.letters))
    return np.log(family.letters / possible)


def poisson_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    def chance(rate: np.ndarray | float, count: np.ndarray) -> np.ndarray:
        mass = np.exp(count * np.log(rate) - rate - gammaln(count + 1))
        return (1 - family.zeros) * mass + family.zeros * (count == 0)

    counts, place = np.unique(y[:, 0], return_inverse=True)
    margin = [
        integrate.quad(lambda v, c=c: chance(family.rate * v, c) * np.exp(-v), 1e-12, 60, limit=400)[0] for c in counts
    ]
    return np.log(chance(family.rate * x[:, 0], y[:, 0]) / np.array(margin)[place])


FUNCTIONS = ("linear", "parabola", "sinusoid", "waves", "ripples", "steps", "product")
POINTWISE: dict[str, Callable[[Family, np.ndarray, np.ndarray], np.ndarray]] = {
    "gamma_exponential": gamma_exponential_pointwise,
    **dict.fromkeys(LOG_COPULA, copula_pointwise),
    **{f"mixture_{name}": mixture_pointwise for name in ("clusters", "outliers", "scales", "signs")},
    "student_mixture": mixture_pointwise,
    "mixture_labelled": labelled_pointwise,
    **{f"noisy_{name}": function_pointwise for name in FUNCTIONS},
    "noisy_scale": scale_pointwise,
    **{f"noisy_{name}": curve_pointwise for name in ("circle", "cross", "lissajous", "archimedes")},
    "noisy_shells": shells_pointwise,
    "checkerboard": checkerboard_pointwise,
    "discrete_channel": channel_pointwise,
    "discrete_classes": classes_pointwise,
    "discrete_cut": cut_pointwise,
    "zero_inflated": inflated_pointwise,
    "discrete_label": label_pointwise,
    "discrete_quantised": quantised_pointwise,
    "discrete_gao": gao_pointwise,
    "discrete_poisson": poisson_pointwise,
}
# Nested averages over thousands of points cost time, so their rows are few.
ROWS = {
    function_pointwise: 800,
    scale_pointwise: 800,
    curve_pointwise: 800,
    quantised_pointwise: 4000,
    cut_pointwise: 2000,
}
ELSEWHERE = ("gaussian_", "student_", "additive_noise", "independence", "product")  # below or in test_normal_truths.py


def test_no_family_is_left_out() -> None:
    assert all(name in POINTWISE or name.startswith(ELSEWHERE) for name in FAMILIES.names())


CASES = [(name, shape) for name in sorted(POINTWISE) for shape in SHAPES[:: 2 if POINTWISE[name] in ROWS else 1]]


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_truth_is_the_mean_pointwise_information(name: str, shape: tuple[int, int]) -> None:
    pointwise = POINTWISE[name]
    for aim in AIMS:
        family = drawn(name, *shape, aim)
        values = pointwise(family, *family.sample(seeded(2), ROWS.get(pointwise, 20_000)))
        truth = family.truth()
        stderr = np.hypot(values.std() / np.sqrt(len(values)), truth.stderr)
        # 1e-3: for nested averages over points that are not random, where all rows have nearly one value
        assert values.mean() == pytest.approx(truth.nats, abs=4 * stderr + 1e-3), (aim, family)


@pytest.mark.parametrize("shape", SHAPES)
def test_independent_sides_are_uncorrelated(shape: tuple[int, int]) -> None:
    n = 20_000
    for seed in range(6):
        family = drawn("independence", *shape, None, seed)
        assert family.truth().nats == 0
        x, y = (stats.rankdata(side, axis=0) / n - 0.5 for side in family.sample(seeded(seed), n))
        cross = np.corrcoef(np.concatenate([x, y], axis=1).T)[: shape[0], shape[0] :]
        assert np.abs(cross).max() < 5 / np.sqrt(n)


def test_product_adds_its_blocks() -> None:
    product = drawn("product", 6, 5, 2.0)
    parts = [FAMILIES.get(name).from_params(params).truth().nats for name, params in product.blocks]
    assert len(parts) > 1
    assert product.truth().nats == pytest.approx(sum(parts))
