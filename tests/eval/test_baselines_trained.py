"""Estimators that train a network on each table: the closed form, the same answer every time, quiet at independence."""

import math

import numpy as np
import pytest
import torch

from eval.baselines import build
from eval.baselines.critic import log_mean_exp_apart
from eval.suites.laws import mapped, normal
from eval.suites.maps import half_cube

CRITICS = ("mine", "infonce", "nwj", "smile")
# They share all but their bound, so the rest is asked of one by default.
MOSTLY_ONE = ["mine", *(pytest.param(name, marks=pytest.mark.slow) for name in CRITICS[1:])]
BIVARIATE = normal([[1, 0.75], [0.75, 1]], 1)


@pytest.fixture
def rng():
    return np.random.default_rng(21)


@pytest.fixture
def short():
    return normal([[1, 0.9], [0.9, 1]], 1).draw(np.random.default_rng(22), 40)


@pytest.mark.parametrize("name", CRITICS)
def test_bivariate_normal_closed_form(name, rng):
    guess = build(name).estimate(*BIVARIATE.draw(rng, 2000))
    assert guess.failed is None
    assert guess.mi_nats == pytest.approx(BIVARIATE.mi_nats, abs=0.15)


@pytest.mark.parametrize("name", MOSTLY_ONE)
def test_two_columns_a_side_are_told_apart_from_their_neighbours(name, rng):
    # x's columns all but equal each other, y's too; who mixes up sides finds 1.96 nats
    own, across = np.full((2, 2), 0.99) + 0.01 * np.eye(2), np.full((2, 2), 0.5)
    law = normal(np.block([[own, across], [across, own]]), 2)
    guess = build(name).estimate(*law.draw(rng, 1000))
    assert guess.mi_nats == pytest.approx(law.mi_nats, abs=0.12)


@pytest.mark.parametrize("name", MOSTLY_ONE)
def test_the_same_table_gets_the_same_answer_and_units_change_nothing(name, short):
    x, y = short
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    answer = build(name).nats(x, y)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    assert build(name).nats(x, y) == answer
    assert build(name).nats(100 * x + 3, np.exp(y)) == answer


@pytest.mark.parametrize("name", MOSTLY_ONE)
def test_independence_is_about_0(name, rng):
    assert build(name).estimate(rng.normal(size=(300, 2)), rng.normal(size=(300, 1))).mi_nats < 0.06


@pytest.mark.parametrize("name", CRITICS)
def test_too_few_rows_are_a_counted_failure(name, rng):
    guess = build(name).estimate(rng.normal(size=(23, 1)), rng.normal(size=(23, 1)))
    assert guess.failed == "needs 24 samples or more"


def test_flows_on_the_half_cube_version(rng):
    law = mapped(BIVARIATE, half_cube, half_cube)
    guess = build("flows").estimate(*law.draw(rng, 2000))
    assert guess.failed is None
    assert guess.mi_nats == pytest.approx(law.mi_nats, abs=0.1)


@pytest.mark.slow
def test_flows_undo_a_bend_that_no_map_of_single_columns_undoes(rng):
    correlation = np.eye(4)
    correlation[1, 3] = correlation[3, 1] = 0.8

    def bend(v: np.ndarray) -> np.ndarray:
        return np.column_stack([v[:, 0], v[:, 1] + 1.5 * v[:, 0] ** 2])

    law = mapped(normal(correlation, 2), bend, bend)
    x, y = law.draw(rng, 600)
    assert build("flows").nats(x, y) == pytest.approx(law.mi_nats, abs=0.2)
    assert build("gcmi").nats(x, y) < law.mi_nats - 0.3


@pytest.mark.slow
def test_flows_give_the_same_answer_and_units_change_nothing(short):
    x, y = short
    answer = build("flows").nats(x, y)
    torch.manual_seed(2)
    assert build("flows").nats(100 * x + 3, np.exp(y)) == answer


def test_flows_need_rows(rng):
    guess = build("flows").estimate(rng.normal(size=(35, 2)), rng.normal(size=(35, 2)))
    assert guess.failed == "needs 36 samples or more with so many columns"


@pytest.mark.parametrize("name", CRITICS)
def test_bounds_of_the_true_log_ratio_are_the_truth(name, rng):
    """The bounds are tight at the law's own log density ratio, whatever a critic may learn."""
    rho, n = 0.75, 1500
    x, y = (v[:, 0] for v in BIVARIATE.draw(rng, n))
    exponent = (rho**2 * (x[:, None] ** 2 + y**2) - 2 * rho * np.outer(x, y)) / (2 * (1 - rho**2))
    ratio = torch.from_numpy(-exponent - 0.5 * math.log(1 - rho**2))
    if name == "nwj":
        assert float(log_mean_exp_apart(ratio)) == pytest.approx(0, abs=0.1)
    stderr = float(ratio.diagonal().std()) / math.sqrt(n)
    assert float(build(name).bound(ratio)) == pytest.approx(BIVARIATE.mi_nats, abs=0.01 + 4 * stderr)


def test_infonce_is_bounded_by_its_pairs():
    scores = 1000 * torch.eye(8)
    assert float(build("infonce").bound(scores)) == pytest.approx(math.log(8))


def test_smile_clips_what_others_exponentiate():
    scores = torch.zeros(4, 4)
    scores[0, 1] = 50.0
    assert float(build("smile").bound(scores)) > -3 > -40 > float(build("mine").bound(scores))
