"""The truths of tied laws are those of the mean log probability ratio of their own draws, written down once more."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm, poisson

import data_gen.spec  # noqa: F401  (fills the registries)
from data_gen.registry import FAMILIES
from eval.suites import SuiteOptions, discrete, suite
from eval.suites import tied_laws as tied

ROWS = 20_000
Ratios = Callable[[np.ndarray, np.ndarray], np.ndarray]  # x (n, d_x), y (n, d_y) -> log p(x, y) - log p(x) p(y), (n,)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def clouds(centres: np.ndarray) -> Ratios:
    """x a class, y a normal row around its centre, (classes, d)."""

    def ratios(x, y):
        logs = norm.logpdf(y[:, None] - centres).sum(axis=2)  # (n, classes)
        own = np.take_along_axis(logs, x[:, :1].astype(int), axis=1)[:, 0]
        return own - np.log(np.exp(logs).mean(axis=1))

    return ratios


def circle(classes: int, radius: float) -> np.ndarray:
    turns = np.exp(2j * np.pi * np.arange(classes) / classes)
    return radius * np.stack([turns.real, turns.imag], axis=1)


def one_hot(x: np.ndarray) -> np.ndarray:
    return x.argmax(axis=1)[:, None]


def cells(cuts: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper end of the cell with this number."""
    edges = np.concatenate([[-np.inf], cuts, [np.inf]])
    return edges[v.astype(int)], edges[v.astype(int) + 1]


def cut_once(rho: float, cuts: np.ndarray) -> Ratios:
    def ratios(x, y):
        low, high = cells(cuts, y[:, 0])
        scale = math.sqrt(1 - rho**2)
        given = norm.cdf(high, rho * x[:, 0], scale) - norm.cdf(low, rho * x[:, 0], scale)
        return np.log(given / (norm.cdf(high) - norm.cdf(low)))

    return ratios


def cut_twice(rho: float, x_cuts: np.ndarray, y_cuts: np.ndarray) -> Ratios:
    def joint_of(pair):
        (a, b), (c, d) = (cells(cuts, np.array([v])) for cuts, v in zip((x_cuts, y_cuts), pair, strict=True))
        corners = np.clip([[b[0], d[0]], [a[0], d[0]], [b[0], c[0]], [a[0], c[0]]], -9, 9)
        p = multivariate_normal(cov=[[1, rho], [rho, 1]]).cdf(corners) @ [1, -1, -1, 1]
        return np.log(p / ((norm.cdf(b) - norm.cdf(a)) * (norm.cdf(d) - norm.cdf(c))))[0]

    def ratios(x, y):
        pairs, place = np.unique(np.hstack([x, y]), axis=0, return_inverse=True)
        return np.array([joint_of(pair) for pair in pairs])[place.ravel()]

    return ratios


def sent(letters: int, error: float) -> Ratios:
    return lambda x, y: np.log(letters * np.where(x == y, 1 - error, error / (letters - 1))).sum(axis=1)


def spread(letters: int) -> Ratios:
    def ratios(x, y):
        near = (np.abs(y - np.arange(letters) - 1) < 1).sum(axis=1)
        return np.log(letters / near)

    return ratios


def additive(letters: np.ndarray, eps: float) -> Ratios:
    return lambda x, y: np.log(letters.size / (np.abs(y - letters) < eps).sum(axis=1))


def inflated(rate: float, zeros: float) -> Ratios:
    def log_ratio(x, y):
        given = zeros * (y == 0) + (1 - zeros) * poisson.pmf(y, rate * x)
        plain = zeros * (y == 0) + (1 - zeros) * (rate / (1 + rate)) ** y / (1 + rate)  # Poisson of Exp: geometric
        return np.log(given / plain)

    return lambda x, y: log_ratio(x, y).sum(axis=1)


def common(own: float, shared: float) -> Ratios:
    def ratios(x, y):
        c = np.arange(60)
        joint = (poisson.pmf(c, shared) * poisson.pmf(x - c, own) * poisson.pmf(y - c, own)).sum(axis=1)
        return np.log(joint / (poisson.pmf(x, own + shared) * poisson.pmf(y, own + shared))[:, 0])

    return ratios


def shown_together(d: int, present: float, rho: float) -> Ratios:
    def ratios(x, y):
        normal = multivariate_normal(cov=[[1, rho], [rho, 1]]).logpdf(np.stack([x, y], axis=-1))
        both = (normal.reshape(len(x), d) - norm.logpdf(x) - norm.logpdf(y)).sum(axis=1)
        return np.where(x[:, 0] == 0, -math.log(1 - present), both - math.log(present))

    return ratios


EVEN = {levels: norm.ppf(np.arange(1, levels) / levels) for levels in (2, 4, 5, 7)}
HALVES = np.arange(-12, 12) / 2 + 0.25
ORACLES: dict[str, Ratios] = {
    "label-3-line": clouds(1.5 * np.arange(3)[:, None]),
    "label-5-line": clouds(3.0 * np.arange(5)[:, None]),
    "label-6-circle": clouds(circle(6, 2.5)),
    "label-6-circle-one-hot": lambda x, y: clouds(circle(6, 2.5))(one_hot(x), y),
    "label-2-clouds-1": clouds(np.array([[0.0], [1.0]])),
    "label-2-clouds-8": clouds(np.outer([0, 1], np.full(8, 2.5 / math.sqrt(8)))),
    "quantised-2-one": cut_once(0.6, EVEN[2]),
    "quantised-5-one": cut_once(0.9, EVEN[5]),
    "rounded-one": cut_once(0.75, HALVES),
    "spread-letter-5": spread(5),
    "spread-letter-20": spread(20),
    "rounded-additive": additive(np.arange(10) / 10, 0.2),
    "poisson": inflated(1.0, 0.0),
    "poisson-inflated": inflated(5.0, 0.3),
    "poisson-3": inflated(2.0, 0.15),
    "channel-2": sent(2, 0.2),
    "channel-2-clean": lambda x, y: np.where((x == y)[:, 0], math.log(2), np.nan),
    "channel-4": sent(4, 0.1),
    "channel-10": sent(10, 0.4),
    "channel-3-3": sent(3, 0.15),
    "quantised-2-2": cut_twice(0.75, EVEN[2], EVEN[2]),
    "quantised-4-7": cut_twice(0.9, EVEN[4], EVEN[7]),
    "rounded-both": cut_twice(0.75, HALVES, HALVES),
    "shared-counts": common(2.0, 3.0),
    "zeros-together": shown_together(1, 0.6, 0.8),
    "zeros-together-3": shown_together(3, 0.5, 0.5),
}
WITHOUT = {"rounded-finely"}  # the same function as rounded-both; its thousands of cells would take the test too long


def test_every_dependent_law_has_an_oracle():
    assert {name for name, law in discrete.tasks().items() if law.mi_nats > 0} == set(ORACLES) | WITHOUT


@pytest.mark.parametrize("name", ORACLES)
def test_truth_is_the_mean_log_ratio_of_the_laws_own_draws(name, rng):
    law = discrete.tasks()[name]
    ratios = ORACLES[name](*law.draw(rng, ROWS))
    assert law.mi_nats == pytest.approx(ratios.mean(), abs=4 * ratios.std() / math.sqrt(ROWS) + 1e-9)


def test_fine_rounding_loses_little():
    assert tied.quantised_both(0.9, np.arange(-60, 60) / 10, np.arange(-60, 60) / 10).mi_nats == pytest.approx(
        -0.5 * math.log(1 - 0.9**2), abs=0.005
    )


def test_poisson_counts_have_the_published_value():
    assert tied.zero_inflated_poisson(1.0, 0.0).mi_nats == pytest.approx(0.3012, abs=5e-5)


TWINS = {
    "discrete_channel": ({"letters": 4, "keep": 1 - 0.1 * 4 / 3}, tied.channel(4, 0.1)),
    "discrete_gao": ({"letters": 5}, tied.spread_letter(5)),
    "discrete_poisson": ({"rate": 5.0, "zeros": 0.3}, tied.zero_inflated_poisson(5.0, 0.3)),
    "discrete_quantised": (
        {"rho": 0.9, "levels_x": 4, "levels_y": 7},
        tied.quantised_both(0.9, EVEN[4], EVEN[7]),
    ),
}


@pytest.mark.parametrize("name", TWINS)
def test_laws_written_twice_have_one_truth(name):
    parameters, law = TWINS[name]
    twin = FAMILIES.get(name).from_params({"d_x": 1, "d_y": 1, **parameters})
    assert twin.truth().nats == pytest.approx(law.mi_nats, rel=1e-4)


def test_the_cuts_hold_what_they_say():
    for case in suite("discrete", SuiteOptions(n=(200,), repeats=1)):
        ties = [any(len(np.unique(column)) < 200 for column in side.T) for side in (case.x, case.y)]
        if case.group == "one side tied":
            assert ties in ([True, False], [False, True]), case.task
        elif case.group == "both sides tied":
            assert all(ties), case.task
        else:
            assert case.mi_nats == 0
            assert any(ties), case.task


def test_the_default_has_the_known_table_of_442_patients():
    plans = suite("discrete").plans
    assert {plan.n for plan in plans} == {100, 442, 2000}
    case = next(case for case in suite("discrete", SuiteOptions(n=(442,))) if "binary-integers" in case.task)
    assert set(np.unique(case.x)) == {0, 1}
    assert case.y.min() >= 25
    assert case.y.max() <= 346
    assert (case.y == case.y.round()).all()
