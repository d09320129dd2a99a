"""The truths of laws with ties against their mean pointwise information, computed independently."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import gammaln, logsumexp, ndtr

from data_gen.errors import DataGenError
from data_gen.families.base import Family
from data_gen.margins import cut, cuts_of, draw_margin
from data_gen.registry import FAMILIES
from data_gen.rng import seeded


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
        fresh = (np.arange(200)[:, None] + 0.5) / 200
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


def zeros_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x, y = x[:, : family.pairs], y[:, : family.pairs]
    cov = [[1.0, family.rho], [family.rho, 1.0]]
    apart = stats.norm.logpdf(x) + stats.norm.logpdf(y)
    values = (stats.multivariate_normal(cov=cov).logpdf(np.stack([x, y], axis=-1)).reshape(x.shape) - apart).sum(axis=1)
    return np.where(x[:, 0] == 0, -np.log(1 - family.shown), values - np.log(family.shown))


def binomial_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    fresh = stats.norm.ppf((np.arange(20_000)[:, None] + 0.3) / 20_000)
    chance, fresh_chance = (np.clip(ndtr(family.slope * side), 1e-9, 1 - 1e-9) for side in (x[:, 0], fresh))
    given = stats.binom.logpmf(y[:, 0], family.trials, chance)
    counts = stats.binom.pmf(np.arange(family.trials + 1), family.trials, fresh_chance).mean(axis=0)
    return given - np.log(counts)[y[:, 0].astype(int)]


def sum_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """By how many values of the first die each sum leaves possible."""
    sums = y[:, 0].astype(int)
    low, high = np.maximum(sums - family.others + 1, 0), np.minimum(sums, family.letters - 1)
    return np.log(family.letters / (high - low + 1))


def modulo_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A geometric number given that it is small is what is added."""
    added = np.array([(b - family.factor * a) % family.letters for a, b in zip(x[:, 0], y[:, 0], strict=True)])
    law = stats.geom(1 - family.decay, loc=-1)
    return law.logpmf(added) - law.logcdf(family.letters - 1) + np.log(family.letters)


def thinned_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    whole, kept = (y[:, 0], x[:, 0]) if family.swapped else (x[:, 0], y[:, 0])
    return stats.binom.logpmf(kept, whole, family.keep) - stats.poisson.logpmf(kept, family.mean * family.keep)


def maximum_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """By the chance of every value of the maximum given each value of the first number."""
    z, first, last = stats.geom(1 / (1 + max(family.mean, 1e-9)), loc=-1), np.arange(family.letters)[:, None], y[:, 0]
    given = np.where(last > first, z.pmf(last), np.where(last == first, z.cdf(first), 0.0))  # (letters, n)
    return np.log(given[x[:, 0].astype(int), np.arange(len(last))] / given.mean(axis=0))


MARKS = {"exponential": stats.expon(), "half_normal": stats.halfnorm(), "triangular": stats.triang(0.5, -1.0, 2.0)}


def marks_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    label, mark = (y[:, 0].astype(int), x[:, 0]) if family.swapped else (x[:, 0].astype(int), y[:, 0])
    places, weights, factors = family._classes()
    scales = family.scale * factors
    densities = MARKS[family.noise].pdf((mark[:, None] - places) / scales) / scales
    return np.log(densities[np.arange(len(mark)), label]) - np.log(densities @ weights)


POINTWISE: dict[str, Callable[[Family, np.ndarray, np.ndarray], np.ndarray]] = {
    "discrete_binomial": binomial_pointwise,
    "discrete_channel": channel_pointwise,
    "discrete_classes": classes_pointwise,
    "discrete_cut": cut_pointwise,
    "discrete_label": label_pointwise,
    "discrete_marks": marks_pointwise,
    "discrete_maximum": maximum_pointwise,
    "discrete_modulo": modulo_pointwise,
    "discrete_sum": sum_pointwise,
    "discrete_quantised": quantised_pointwise,
    "discrete_gao": gao_pointwise,
    "discrete_poisson": poisson_pointwise,
    "discrete_thinned": thinned_pointwise,
    "zero_inflated": inflated_pointwise,
    "zero_inflated_pairs": zeros_pointwise,
}
ROWS = {quantised_pointwise: 1500, cut_pointwise: 1500}


def test_no_family_is_left_out() -> None:
    assert {name for name in FAMILIES.names() if name.startswith("discrete_")} < set(POINTWISE)


@pytest.mark.parametrize("name", sorted(POINTWISE))
def test_truth_is_the_mean_pointwise_information(name: str, agree: Callable[..., None]) -> None:
    agree(name, POINTWISE[name], ROWS.get(POINTWISE[name], 20_000))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(POINTWISE))
def test_truth_at_many_fresh_parameters(name: str, agree_often: Callable[..., None]) -> None:
    agree_often(name, POINTWISE[name], ROWS.get(POINTWISE[name], 20_000))


@pytest.mark.parametrize("name", sorted(POINTWISE))
def test_columns_have_ties(name: str, drawn: Callable[..., Family]) -> None:
    family = drawn(name, 1, 1, 0.3)
    assert family.tied
    assert min(len(np.unique(side)) for side in family.sample(seeded(0), 2000)) < 1990


MARGINS = {
    "classes": ((0.2, 0.5, 0.3), lambda k: stats.rv_discrete(values=([0, 1, 2], [0.2, 0.5, 0.3])).cdf(k)),
    "poisson": ((3.0,), lambda k: stats.poisson.cdf(k, 3.0)),
    "geometric": ((2.0,), lambda k: stats.geom.cdf(k + 1, 1 / 3)),
    "uniform": ((7.0,), lambda k: np.minimum((k + 1) / 7, 1.0)),
}


@pytest.mark.parametrize("kind", sorted(MARGINS))
def test_margins_have_their_law(kind: str) -> None:
    values, cdf = MARGINS[kind]
    levels = cut(seeded(3).standard_normal(50_000), cuts_of((kind, values)))
    for k in range(6):
        assert (levels <= k).mean() == pytest.approx(cdf(k), abs=4 * 0.5 / np.sqrt(50_000))


def test_margins_have_two_to_hundreds_of_levels() -> None:
    rng = seeded(4)
    margins = [draw_margin(rng) for _ in range(400)]
    sizes = np.array([len(cuts_of(margin)) + 1 for margin in margins])
    assert sizes.min() == 2
    assert 300 < sizes.max() < 900
    assert all((np.diff(cuts_of(margin)) > 0).all() for margin in margins)


def test_weak_dependence_between_levels_is_reached() -> None:
    nats = [FAMILIES.get("discrete_cut").draw(seeded(seed), 1, 1, 0.005).truth().nats for seed in range(30)]
    assert 0.002 < min(nats) <= np.median(nats) < 0.008
    assert max(nats) < 0.03


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.95])
def test_thinning_of_a_large_count_is_a_normal_channel(keep: float) -> None:
    """A Poisson entropy is log(2 pi e mean) / 2 - 1 / (12 mean) but for terms of its square."""
    mean = 2000.0
    family = FAMILIES.get("discrete_thinned").from_params(
        {"d_x": 1, "d_y": 1, "mean": mean, "keep": keep, "swapped": False}
    )
    normal = -0.5 * np.log1p(-keep) + (1 / (1 - keep) - 1) / (12 * mean)
    assert family.truth().nats == pytest.approx(normal, abs=1e-5)


def test_two_delayed_classes_have_a_closed_form() -> None:
    """Of exponential marks the earlier class's tail alone leaves a doubt, always of the same size."""
    family = FAMILIES.get("discrete_marks").from_params(
        {"d_x": 1, "d_y": 1, "classes": 2, "noise": "exponential", "scale": 0.7, "ordered": True}
        | {"unequal": False, "seed": 5, "swapped": False}
    )
    first, second = family._classes()[0]
    overlap = np.exp(-(second - first) / 0.7)  # mass of the earlier class above the later one's edge
    doubt = (1 + overlap) / 2 * stats.bernoulli(1 / (1 + overlap)).entropy()
    assert family.truth().nats == pytest.approx(np.log(2) - doubt, abs=1e-9)


def test_a_count_that_is_kept_whole_tells_its_entropy() -> None:
    family = FAMILIES.get("discrete_thinned").from_params(
        {"d_x": 1, "d_y": 2, "mean": 3.7, "keep": 1.0, "swapped": True}
    )
    assert family.truth().nats == pytest.approx(stats.poisson.entropy(3.7), abs=1e-9)


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("discrete_cut", {"rho": 1.0, "x_margin": ["uniform", [3.0]], "y_margin": None, "swapped": False}, "-1 < rho"),
        (
            "discrete_cut",
            {"rho": 0.5, "x_margin": ["normal", []], "y_margin": None, "swapped": False},
            "unknown margin",
        ),
        ("discrete_maximum", {"letters": 6, "mean": -0.5}, "0 <= mean"),
        ("discrete_modulo", {"letters": 6, "factor": 4, "decay": 0.5}, "prime to factor"),
        ("discrete_thinned", {"mean": 4.0, "keep": 1.1, "swapped": False}, "0 <= keep <= 1"),
        ("discrete_classes", {"classes_x": 1, "classes_y": 2, "strength": 1.0, "seed": 1}, "2 classes or more"),
        ("zero_inflated", {"rho": 0.5, "bound": 0.0, "blanks": 1.0, "swapped": False}, "0 <= blanks < 1"),
        ("zero_inflated_pairs", {"pairs": 2, "rho": 0.5, "shown": 0.5}, "1 <= pairs <= columns"),
    ],
)
def test_impossible_fields_are_refused(name: str, params: dict, message: str) -> None:
    with pytest.raises(DataGenError, match=message):
        FAMILIES.get(name).from_params({"d_x": 1, "d_y": 1, **params})
