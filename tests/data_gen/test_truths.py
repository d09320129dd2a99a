"""The truths of continuous laws against their mean pointwise information, computed independently."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from scipy.special import entr, logsumexp, ndtr, polygamma

from data_gen.errors import DataGenError
from data_gen.families.base import Family
from data_gen.families.discrete import table_nats
from data_gen.registry import FAMILIES
from data_gen.rng import seeded


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
        total += LOG_COPULA[family.name](u, 1 - v if family.turned else v, t)
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


def log_both_tails(u: np.ndarray, v: np.ndarray, t: float) -> np.ndarray:
    """The mixed derivative of 1 / (1 + s), s^t = (1 / u - 1)^t + (1 / v - 1)^t."""
    log_a, log_b = np.log1p(-u) - np.log(u), np.log1p(-v) - np.log(v)
    log_s = np.logaddexp(t * log_a, t * log_b) / t
    s = np.exp(log_s)
    bracket = np.log(2 * s + (t - 1) * (1 + s))
    return (t - 1) * (log_a + log_b) + (1 - 2 * t) * log_s - 2 * np.log(u * v) - 3 * np.log1p(s) + bracket


def plackett_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """By the density as Plackett's equation gives it: (u, v) on both sides of any cut have odds in one ratio."""
    total = np.zeros(len(x))
    for i, odds in enumerate(family.odds):
        u, v = ndtr(x[:, i]), ndtr(-y[:, i] if family.turned else y[:, i])
        s = 1 + (odds - 1) * (u + v)
        square = s**2 - 4 * odds * (odds - 1) * u * v
        total += np.log(odds * (1 + (odds - 1) * (u + v - 2 * u * v))) - 1.5 * np.log(square)
    return total


def exponential_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    u, out = (y[:, 0], x[:, 0]) if family.swapped else (x[:, 0], y[:, 0])
    given = stats.expon.logpdf(out - u, scale=family.scale)
    return given - stats.exponnorm.logpdf(out, family.scale)


def log_circula(u: np.ndarray, v: np.ndarray, t: float) -> np.ndarray:
    return stats.vonmises.logpdf(2 * np.pi * (v - u), t) + np.log(2 * np.pi)


def log_khoudraji(u: np.ndarray, v: np.ndarray, t: float) -> np.ndarray:
    """The mixed derivative of v^(1 - b) K(u, v^b) by those of Clayton's K."""
    b, log_u, log_w = 0.7, np.log(u), 0.7 * np.log(v)
    top = -t * np.minimum(log_u, log_w)
    log_s = top + np.log(np.exp(-t * log_u - top) + np.exp(-t * log_w - top) - np.exp(-top))
    slope = -(t + 1) * log_u - (1 + 1 / t) * log_s
    both = np.log1p(t) - (t + 1) * (log_u + log_w) - (2 + 1 / t) * log_s
    return np.logaddexp(np.log(1 - b) - log_w + slope, np.log(b) + both)


def log_raftery(u: np.ndarray, v: np.ndarray, t: float) -> np.ndarray:
    """The mixed derivative of s + (1 - r) / (1 + r) (u v)^a (1 - m^-b), a = 1 / (1 - r), b = (1 + r) / (1 - r)."""
    r = t / (1 + t)
    a, s, m = 1 / (1 - r), np.minimum(u, v), np.maximum(u, v)
    log_inner = np.logaddexp(np.log(a) + (a - 1) * np.log(m), np.log(a - 1) - a * np.log(m))
    return np.log((1 - r) / (1 + r) * a) + (a - 1) * np.log(s) + log_inner


LOG_COPULA = {
    "circula": log_circula,
    "clayton": log_clayton,
    "gumbel": log_gumbel,
    "frank": log_frank,
    "khoudraji": log_khoudraji,
    "joe": log_joe,
    "raftery": log_raftery,
    "both_tails": log_both_tails,
}


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


def clouds_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """By the density of each cloud and the whole table of labels, a sum over pairs of them."""
    x, y = x[:, : family.k_x], y[:, : family.k_y]
    given_x, given_y = (
        [
            stats.multivariate_normal(mean, factor @ factor.T).logpdf(rows)
            for mean, factor in zip(law.means, law.factors, strict=True)
        ]
        for law, rows in zip(family.clouds, (x, y), strict=True)
    )
    with np.errstate(divide="ignore"):
        logs = np.log(family.table)[:, :, None] + np.array(given_x)[:, None] + np.array(given_y)[None]  # (i, j, n)
    margins = [
        logsumexp(np.log(family.table.sum(axis=1 - side))[:, None] + np.array(given), axis=0)
        for side, given in enumerate((given_x, given_y))
    ]
    return logsumexp(logs, axis=(0, 1)) - margins[0] - margins[1]


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


def cauchy_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    u, v = (side[:, 0] for side in ((y, x) if family.swapped else (x, y)))
    low, high = (stats.cauchy.cdf(v, loc=end, scale=family.scale) for end in (1.0, -1.0))
    direct = np.log(np.maximum(high - low, 1e-300) / 2)
    far = stats.cauchy.logpdf(v, scale=family.scale)  # where the difference would cancel, u hardly matters
    return stats.cauchy.logpdf(v, loc=u, scale=family.scale) - np.where(np.abs(v) < 1e3, direct, far)


def speckle_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """By the densities of y itself, not of its logarithm: a gamma law's given u, and a mean over fresh noise."""
    u, out = (y[:, 0], x[:, 0]) if family.swapped else (x[:, 0], y[:, 0])
    fresh = stats.gamma.ppf((np.arange(5000)[:, None] + 0.5) / 5000, family.looks, scale=1 / family.looks)
    margin = averaged(stats.lognorm.logpdf(out, family.spread, scale=fresh))
    return stats.gamma.logpdf(out, family.looks, scale=u / family.looks) - margin


def bursts_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    u, out = (y[:, 0], x[:, 0]) if family.swapped else (x[:, 0], y[:, 0])
    small, large = family.scale, family.scale * family.burst

    def log_mean(u: np.ndarray, small: float, large: float) -> np.ndarray:
        return np.log((1 - family.share) * stats.norm.pdf(out, u, small) + family.share * stats.norm.pdf(out, u, large))

    return log_mean(u, small, large) - log_mean(np.zeros_like(u), np.hypot(1, small), np.hypot(1, large))


def beta_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    u, out = (y[:, 0], x[:, 0]) if family.swapped else (x[:, 0], y[:, 0])
    fresh = stats.beta.ppf(evenly(1), family.p, family.q)
    margin = averaged(stats.norm.logpdf(out, loc=family.scale * fresh))
    return stats.beta.logpdf((out - u) / family.scale, family.p, family.q) - np.log(family.scale) - margin


def extreme_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    u, out = (y[:, 0], x[:, 0]) if family.swapped else (x[:, 0], y[:, 0])
    fresh = stats.gumbel_r.ppf(evenly(1))
    margin = averaged(stats.norm.logpdf(out, loc=family.scale * fresh))
    return stats.gumbel_r.logpdf(out - u, scale=family.scale) - margin


def hum_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    u, out = (y[:, 0], x[:, 0]) if family.swapped else (x[:, 0], y[:, 0])
    margin = averaged(stats.norm.logpdf(out, loc=family.scale * np.cos(2 * np.pi * evenly(1))))
    return stats.arcsine.logpdf(out - u, loc=-family.scale, scale=2 * family.scale) - margin


def latent_pointwise(log_x: np.ndarray, log_y: np.ndarray) -> np.ndarray:
    return averaged(log_x + log_y) - averaged(log_x) - averaged(log_y)


def curve_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    points = family.curve(evenly(1)[:, 0], family.shape)
    sides = (
        stats.norm.logpdf(side[:, 0], loc=centre[:, None], scale=family.scale)
        for side, centre in zip((x, y), points, strict=True)
    )
    return latent_pointwise(*sides)


def torus_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """By the points of the tube, which lie evenly in angle."""
    height, plane = (x, y) if family.swapped else (y, x)
    v = np.log(np.expm1(np.linalg.norm(plane[:, : family.k], axis=1))) - 2
    angle = 2 * np.pi * evenly(1)
    log_height = stats.norm.logpdf(height[:, 0], loc=np.cos(angle), scale=family.scale)
    return latent_pointwise(log_height, stats.norm.logpdf(v, loc=family.shape * np.sin(angle), scale=family.scale))


def knot_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """By the points of the knot, both angles being wrapped normal numbers about each; radii are left out."""
    t = np.linspace(0.0, 2 * np.pi, 8192, endpoint=False)[:, None]

    def log_given(side: np.ndarray, k: int, turns: int) -> np.ndarray:
        angle = np.pi * side[:, 0] if k == 1 else np.arctan2(side[:, 1], side[:, 0])
        away = (angle - turns * t + np.pi) % (2 * np.pi) - np.pi
        wraps = [stats.norm.logpdf(away + 2 * np.pi * wrap, scale=family.scale) for wrap in (-1, 0, 1)]
        return np.logaddexp.reduce(wraps)

    return latent_pointwise(log_given(x, family.k_x, family.turns_x), log_given(y, family.k_y, family.turns_y))


def sphere_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """By heights and, where one column shows the plane, by angles: Rice's law takes the place of these for two."""
    top, plane = (x, y) if family.swapped else (y, x)
    height = 2 * evenly(1) - 1
    radius = np.sqrt(1 - height**2)
    if family.k == 2:
        log_plane = stats.rice.logpdf(np.linalg.norm(plane[:, :2], axis=1), radius / family.scale, scale=family.scale)
    else:
        turns = np.cos(np.pi * (np.arange(300) + 0.5) / 300)[:, None]
        log_plane = np.stack([averaged(stats.norm.logpdf(plane[:, 0], r * turns, family.scale)) for r in radius])
    return latent_pointwise(stats.norm.logpdf(top[:, 0], loc=height, scale=family.scale), log_plane)


def shells_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    shell = np.arange(family.shells)[:, None] * 0.5 * np.log(2)
    radii = [np.log(np.linalg.norm(side[:, :k], axis=1)) for side, k in ((x, family.k_x), (y, family.k_y))]
    logs = [stats.norm.logpdf(radius, loc=shell, scale=family.scale) for radius in radii]
    return latent_pointwise(logs[0], logs[1][::-1] if family.reversed_y else logs[1])


def checkerboard_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    black = (np.floor(x[:, 0] * family.cells) + np.floor(y[:, 0] * family.cells)) % 2 == 0
    return np.log(np.where(black, 1 + family.contrast, 1 - family.contrast))


FUNCTIONS = (
    *("linear", "parabola", "sinusoid", "waves", "ripples", "zigzag", "beats", "octaves", "pulses"),
    *("comb", "sawtooth", "chirp", "wavelet", "target", "steps", "product"),
)
MIXTURES = ("clusters", "outliers", "scales", "signs", "slopes", "chain", "bands", "gate", "islands")
POINTWISE: dict[str, Callable[[Family, np.ndarray, np.ndarray], np.ndarray]] = {
    "gamma_exponential": gamma_exponential_pointwise,
    **dict.fromkeys(LOG_COPULA, copula_pointwise),
    **{f"mixture_{name}": mixture_pointwise for name in MIXTURES},
    "student_mixture": mixture_pointwise,
    "mixture_labelled": labelled_pointwise,
    "mixture_clouds": clouds_pointwise,
    "mixture_pictures": clouds_pointwise,
    **{f"noisy_{name}": function_pointwise for name in FUNCTIONS},
    "noisy_scale": scale_pointwise,
    "noisy_cauchy": cauchy_pointwise,
    **{
        f"noisy_{name}": curve_pointwise
        for name in ("circle", "cross", "lissajous", "archimedes", "rose", "hypocycloid")
    },
    "noisy_beta": beta_pointwise,
    "noisy_bursts": bursts_pointwise,
    "noisy_exponential": exponential_pointwise,
    "noisy_extreme": extreme_pointwise,
    "noisy_hum": hum_pointwise,
    "noisy_knot": knot_pointwise,
    "noisy_speckle": speckle_pointwise,
    "noisy_sphere": sphere_pointwise,
    "noisy_torus": torus_pointwise,
    "plackett": plackett_pointwise,
    "noisy_shells": shells_pointwise,
    "checkerboard": checkerboard_pointwise,
}
# Nested averages over thousands of points cost time, so their rows are few.
ROWS = dict.fromkeys((function_pointwise, scale_pointwise, curve_pointwise, torus_pointwise), 800)
ROWS |= dict.fromkeys((speckle_pointwise, knot_pointwise), 200) | {
    beta_pointwise: 2000,
    extreme_pointwise: 2000,
    hum_pointwise: 2000,
    sphere_pointwise: 100,
}
# Discrete laws and normal ones have files of their own; the rest is below.
ELSEWHERE = ("discrete_", "gaussian_", "student_", "additive_noise", "independence", "product", "zero_inflated")


def test_no_family_is_left_out() -> None:
    assert all(name in POINTWISE or name.startswith(ELSEWHERE) for name in FAMILIES.names())


@pytest.mark.parametrize("name", sorted(POINTWISE))
def test_truth_is_the_mean_pointwise_information(name: str, agree: Callable[..., None]) -> None:
    agree(name, POINTWISE[name], ROWS.get(POINTWISE[name], 20_000))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(POINTWISE))
def test_truth_at_many_fresh_parameters(name: str, agree_often: Callable[..., None]) -> None:
    agree_often(name, POINTWISE[name], ROWS.get(POINTWISE[name], 20_000))


@pytest.mark.parametrize("concentrated", [0.5, 3.0, 40.0])
def test_circula_has_the_entropy_of_its_angle(concentrated: float) -> None:
    family = FAMILIES.get("circula").from_params({"d_x": 1, "d_y": 1, "theta": [concentrated], "turned": False})
    assert family.truth().nats == pytest.approx(np.log(2 * np.pi) - stats.vonmises(concentrated).entropy(), abs=1e-9)


def test_speckle_of_many_looks_is_a_normal_channel() -> None:
    """The logarithm of a gamma number of shape k is nearly normal, of variance psi'(k)."""
    params = {"d_x": 1, "d_y": 1, "spread": 0.7, "looks": 4e4, "swapped": False}
    normal = 0.5 * np.log1p(0.7**2 / float(polygamma(1, 4e4)))
    assert FAMILIES.get("noisy_speckle").from_params(params).truth().nats == pytest.approx(normal, abs=1e-4)


@pytest.mark.parametrize("nats", [0.05, 0.5, 2.0])
def test_bands_are_as_narrow_as_the_strength_asks(nats: float) -> None:
    for seed in range(4):
        params = {"d_x": 2, "d_y": 3, "k_x": 1 + seed % 2, "k_y": 3 - seed % 2, "strength": nats, "seed": seed}
        truth = FAMILIES.get("mixture_bands").from_params(params).truth()
        assert truth.nats == pytest.approx(nats, abs=4 * truth.stderr + 0.05 * nats)


@pytest.mark.parametrize("matched", [True, False])
def test_clouds_tell_no_more_than_their_labels(matched: bool) -> None:
    labels = {"classes_x": 4, "classes_y": 4, "matched": matched, "strength": 3.0, "seed": 5}
    wide, narrow = (
        FAMILIES.get("mixture_clouds").from_params({"d_x": k, "d_y": k, "k_x": k, "k_y": k, **labels}) for k in (40, 1)
    )
    told = table_nats(wide.table)
    if matched:  # a symmetric channel
        error = 3 / (3 + np.exp(3.0))
        channel = np.log(4) + (1 - error) * np.log(1 - error) + error * np.log(error / 3)
        assert told == pytest.approx(channel)
    assert wide.truth().nats == pytest.approx(told, abs=0.05 + 4 * wide.truth().stderr)
    assert narrow.truth().nats < told - 0.1


@pytest.mark.parametrize("theta", [0.8, 6.0, 100.0])
def test_khoudraji_draws_have_its_distribution_function(theta: float) -> None:
    """As Khoudraji's device gives it, v^(1 - b) K(u, v^b): not the same with u and v exchanged."""
    n, family = 100_000, FAMILIES.get("khoudraji")
    x, y = family.from_params({"d_x": 1, "d_y": 1, "theta": [theta], "turned": False}).sample(seeded(6), n)
    for u, v in ((0.1, 0.1), (0.3, 0.6), (0.6, 0.3), (0.8, 0.9)):
        below = v**0.3 * (u**-theta + v ** (-0.7 * theta) - 1) ** (-1 / theta)
        share = np.mean((ndtr(x) < u) & (ndtr(y) < v))
        assert share == pytest.approx(below, abs=4 * np.sqrt(below * (1 - below) / n))


def test_khoudraji_that_takes_all_is_clayton(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FAMILIES.get("khoudraji"), "share", 1 - 1e-10)
    for theta in (0.2, 1.0, 30.0):
        whole, clayton = (FAMILIES.get(name).pair_nats(theta) for name in ("khoudraji", "clayton"))
        assert whole == pytest.approx(clayton, abs=1e-6)


@pytest.mark.parametrize("theta", [0.1, 1.0, 20.0])
def test_raftery_draws_have_its_distribution_function(theta: float) -> None:
    n, r = 100_000, theta / (1 + theta)
    family = FAMILIES.get("raftery").from_params({"d_x": 1, "d_y": 1, "theta": [theta], "turned": False})
    x, y = family.sample(seeded(6), n)
    for u, v in ((0.1, 0.1), (0.3, 0.6), (0.6, 0.3), (0.8, 0.9)):
        rest = (u * v) ** (1 / (1 - r)) * (1 - max(u, v) ** (-(1 + r) / (1 - r)))
        below = min(u, v) + (1 - r) / (1 + r) * rest
        share = np.mean((ndtr(x) < u) & (ndtr(y) < v))
        assert share == pytest.approx(below, abs=4 * np.sqrt(below * (1 - below) / n))


def test_a_small_hum_leaves_the_entropy_of_the_signal() -> None:
    """y is then nearly normal, of variance 1 + scale^2 / 2, and the hum's own entropy is log(pi scale / 2)."""
    family = FAMILIES.get("noisy_hum").from_params({"d_x": 1, "d_y": 1, "scale": 0.02, "swapped": False})
    entropy = 0.5 * np.log(2 * np.pi * np.e * (1 + 0.02**2 / 2))
    assert family.truth().nats == pytest.approx(entropy - np.log(np.pi * 0.02 / 2), abs=1e-7)


@pytest.mark.parametrize("width", [0.01, 0.5, 8.0, 60.0])
def test_even_noise_between_edges_has_a_closed_density(width: float) -> None:
    """Of y: the chance of a normal number to lie within the width below it."""
    family = FAMILIES.get("noisy_beta").from_params(
        {"d_x": 1, "d_y": 1, "p": 1.0, "q": 1.0, "scale": width, "swapped": False}
    )
    y, step = np.linspace(-9.0, width + 9.0, 200_001, retstep=True)
    entropy = entr((ndtr(y) - ndtr(y - width)) / width).sum() * step
    assert family.truth().nats == pytest.approx(entropy - np.log(width), abs=1e-6)


@pytest.mark.parametrize(("k", "scale"), [(1, 0.05), (2, 0.05), (2, 0.3)])
def test_a_sphere_tells_more_the_less_noise_there_is(k: int, scale: float) -> None:
    """The whole of the plane more than one column of it; and that at most 1 - log(pi / 2), of no noise at all."""
    params = {"d_x": 2, "d_y": 1, "swapped": False}
    nats, less = (
        FAMILIES.get("noisy_sphere").from_params({**params, "k": k, "scale": s}).truth().nats
        for s in (scale, 2 * scale)
    )
    assert nats > 1.5 * less > 0
    if k == 1:
        whole = FAMILIES.get("noisy_sphere").from_params({**params, "k": 2, "scale": scale}).truth().nats
        assert nats < min(whole, 1 - np.log(np.pi / 2))


@pytest.mark.parametrize("scale", [0.01, 0.3, 5.0])
def test_bursts_lie_between_what_telling_them_and_not_can_change(scale: float) -> None:
    def nats(burst: float, share: float) -> float:
        params = {"d_x": 1, "d_y": 1, "scale": scale, "burst": burst, "share": share, "swapped": False}
        return FAMILIES.get("noisy_bursts").from_params(params).truth().nats

    one, other = (0.5 * np.log1p((size * scale) ** -2) for size in (1.0, 20.0))
    assert nats(1.0, 0.3) == pytest.approx(one, abs=1e-9)
    told = 0.9 * one + 0.1 * other
    assert told - stats.entropy([0.9, 0.1]) < nats(20.0, 0.1) < told


@pytest.mark.parametrize("spread", [0.05, 0.299, 0.301, 1.0, 2.5])
def test_knot_has_the_entropy_of_its_phase(spread: float) -> None:
    """By the wraps of the normal law, not by its Fourier series."""
    params = {"d_x": 2, "d_y": 2, "turns_x": 2, "turns_y": 3, "k_x": 2, "k_y": 2, "scale": spread / np.sqrt(13)}
    phase = np.linspace(-np.pi, np.pi, 20_000, endpoint=False)
    density = stats.norm.pdf(phase + 2 * np.pi * np.arange(-5, 6)[:, None], scale=spread).sum(axis=0)
    entropy = entr(density).mean() * 2 * np.pi
    assert FAMILIES.get("noisy_knot").from_params(params).truth().nats == pytest.approx(
        np.log(2 * np.pi) - entropy, abs=1e-9
    )


@pytest.mark.parametrize("nats", [0.05, 0.5, 2.0, 4.0])
def test_gate_lets_through_about_what_the_strength_asks(nats: float) -> None:
    for seed in range(4):
        params = {"d_x": 3, "d_y": 3, "k_x": 1 + seed % 3, "k_y": 3 - seed % 2, "strength": nats, "seed": seed}
        truth = FAMILIES.get("mixture_gate").from_params(params).truth()
        assert truth.nats == pytest.approx(nats, abs=4 * truth.stderr + 0.15 * nats)


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("khoudraji", {"theta": [0.0], "turned": False}, "theta > 0"),
        ("noisy_bursts", {"scale": 0.1, "burst": 0.5, "share": 0.1, "swapped": False}, "1 <= burst"),
        ("noisy_knot", {"turns_x": 2, "turns_y": 4, "k_x": 1, "k_y": 1, "scale": 0.1}, "common divisor"),
        ("noisy_knot", {"turns_x": 2, "turns_y": 3, "k_x": 2, "k_y": 1, "scale": 0.1}, "1 or 2 columns"),
        ("noisy_beta", {"p": 0.2, "q": 0.5, "scale": 1.0, "swapped": False}, "p and q in"),
        ("noisy_hum", {"scale": 100.0, "swapped": False}, "scale <= 50"),
        ("noisy_extreme", {"scale": 20.0, "swapped": False}, "scale <= 10"),
        ("noisy_sphere", {"k": 2, "scale": 0.1, "swapped": False}, "1 or 2 columns"),
        ("noisy_sphere", {"k": 1, "scale": 0.001, "swapped": False}, ".015 <= scale"),
        ("raftery", {"theta": [1.0, 1.0], "turned": False}, "1..min"),
        (
            "mixture_clouds",
            {"k_x": 1, "k_y": 1, "classes_x": 3, "classes_y": 2, "matched": True, "strength": 1.0, "seed": 1},
            "as many classes",
        ),
        ("mixture_gate", {"k_x": 1, "k_y": 2, "strength": 1.0, "seed": 1}, "k_y <= d_y"),
    ],
)
def test_impossible_fields_are_refused(name: str, params: dict, message: str) -> None:
    with pytest.raises(DataGenError, match=message):
        FAMILIES.get(name).from_params({"d_x": 1, "d_y": 1, **params})


def test_independent_sides_are_uncorrelated(shape: tuple[int, int], drawn: Callable[..., Family]) -> None:
    n = 20_000
    for seed in range(6):
        family = drawn("independence", *shape, None, seed)
        assert family.truth().nats == 0
        x, y = (stats.rankdata(side, axis=0) / n - 0.5 for side in family.sample(seeded(seed), n))
        cross = np.corrcoef(np.concatenate([x, y], axis=1).T)[: shape[0], shape[0] :]
        assert np.abs(cross).max() < 5 / np.sqrt(n)


def test_product_adds_its_blocks(drawn: Callable[..., Family]) -> None:
    product = drawn("product", 6, 5, 2.0)
    parts = [FAMILIES.get(name).from_params(params).truth().nats for name, params in product.blocks]
    assert len(parts) > 1
    assert product.truth().nats == pytest.approx(sum(parts))


def test_signs_multiply_to_what_no_pair_of_columns_tells() -> None:
    """XOR: all columns together tell the value, while every column of the inputs is independent of it."""
    params = {"inputs": 3, "normal_inputs": False, "noise": "normal", "scale": 0.3, "shape": 0.0, "swapped": False}
    family = FAMILIES.get("noisy_product").from_params({"d_x": 3, "d_y": 1, **params})
    assert family.truth().nats > 0.6
    x, y = family.sample(seeded(0), 40_000)
    for column in x.T:
        cells = np.histogram2d(stats.rankdata(column), stats.rankdata(y[:, 0]), bins=6)[0]
        assert stats.chi2_contingency(cells).pvalue > 1e-4
