"""Suites of high MI, of many, few and superfluous columns, of few and many samples: shapes, cuts and truths."""

import math

import numpy as np
import pytest

from eval.suites import SuiteOptions, high_mi, laws, redundancy, suite, unequal


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def sample_mi(law: laws.Law, rng: np.random.Generator, n: int = 100_000) -> float:
    """MI of the normal law with the covariance of a large sample."""
    x, y = law.draw(rng, n)
    return laws.normal_mi(np.cov(np.hstack([x, y]), rowvar=False), x.shape[1])


@pytest.mark.parametrize(
    "make",
    [
        lambda rng: laws.normal_pairs([0.7, 0.1], 2, 5, rng),
        lambda rng: laws.normal_pairs([4.0, 2.0], 3, 2, rng),
        lambda rng: laws.noisy_views(2, 6, 0.3, rng),
        lambda rng: laws.swapped(laws.noisy_views(2, 4, 2.0, rng)),
        lambda rng: laws.padded(laws.noisy_views(2, 2, 1.0, rng), 2, 1),
    ],
)
def test_normal_truths_are_those_of_the_covariance_of_their_draws(make, rng):
    law = make(rng)
    # A sample's value is off by about d_x d_y / 2n, and varies by at most sqrt(min(d_x, d_y) / n).
    assert sample_mi(law, rng) == pytest.approx(law.mi_nats, abs=4 * math.sqrt(3 / 100_000))


def test_mixing_makes_another_law_of_every_table():
    cases = suite("high-mi", SuiteOptions(n=(64,), repeats=2))
    one, other = (case for case in cases if case.task == "3v3-views")
    assert one.mi_nats != other.mi_nats


def test_high_mi_is_high():
    for name, law in high_mi.tasks().items():
        for seed in range(5):
            assert 3 <= law(np.random.default_rng(seed)).mi_nats <= 10 + 1e-9, name


def test_high_mi_can_be_told_from_its_samples(rng):
    for name in ("2v2-normal-6", "10v10-normal-10", "2v10-views", "12v3-views"):
        law = high_mi.tasks()[name](rng)
        assert sample_mi(law, rng, 500) == pytest.approx(law.mi_nats, abs=0.3)


@pytest.mark.parametrize("name", unequal.tasks())
def test_unequal_tables_have_the_dimensions_of_their_name(name, rng):
    law = unequal.tasks()[name](rng)
    x, y = law.draw(rng, 10)
    d_x, d_y = name.split("-")[0].split("v")
    assert (x.shape, y.shape) == ((10, int(d_x)), (10, int(d_y)))
    assert (law.mi_nats == 0) == ("independent" in name)
    assert law.mi_nats < 1.2


@pytest.mark.parametrize("name", redundancy.tasks())
def test_redundant_columns_stand_beside_the_laws_own(name):
    plain = redundancy.tasks()[name.split("-plus-")[0] + "-plus-nothing"](np.random.default_rng(3))
    law = redundancy.tasks()[name](np.random.default_rng(3))
    x, y = law.draw(np.random.default_rng(4), 50)
    own_x, own_y = plain.draw(np.random.default_rng(4), 50)
    assert law.mi_nats == plain.mi_nats > 0
    assert (x[:, : own_x.shape[1]] == own_x).all()
    assert (y[:, : own_y.shape[1]] == own_y).all()
    assert (x.shape[1] > own_x.shape[1]) == ("nothing" not in name)
    assert (y.shape[1] > own_y.shape[1]) == name.endswith("both")


@pytest.mark.parametrize("name", ["copies", "sums", "functions"])
def test_what_is_made_of_a_side_is_a_function_of_it(name, rng):
    own = rng.normal(size=(30, 2))
    place = np.append(np.arange(30), np.arange(30))
    made = redundancy.ADDITIONS[name](rng, own[place])
    assert (made[:30] == made[30:]).all()


def test_noise_columns_are_noise(rng):
    own = rng.normal(size=(20_000, 2))
    made = redundancy.ADDITIONS["3 noise"](rng, own)
    assert np.abs(np.corrcoef(np.hstack([own, made]), rowvar=False) - np.eye(5)).max() < 4 / math.sqrt(20_000)


def test_small_tables_are_small_and_come_from_two_places():
    plans = suite("small-n").plans
    assert {plan.n for plan in plans} == {10, 12, 16, 24, 32, 48, 64}
    assert {plan.group for plan in plans} == {"drawn from a prior", "known laws"}


def test_large_tables_are_large():
    plans = suite("large-n").plans
    assert {plan.n for plan in plans} == {10_000, 30_000, 100_000}
    assert len(plans) == 3 * 14
    last = suite("large-n")[len(plans) - 1]
    assert len(last.x) == len(last.y) == 100_000


def test_bmi_has_five_draws_of_small_tables_and_one_of_large():
    plans = suite("bmi", SuiteOptions(n=(100, 500, 2000, 10_000))).plans
    assert [sum(plan.n == n for plan in plans) for n in (100, 500, 2000, 10_000)] == [200, 200, 200, 40]
    default = {plan.key for plan in suite("bmi").plans}
    assert default < {plan.key for plan in plans}
    assert {plan.key for plan in suite("bmi", SuiteOptions(n=(2000,), repeats=2)).plans} < default


@pytest.mark.parametrize(("name", "families"), [("mist-imd", 6), ("mist-oomd", 7)])
def test_mist_grids_show_the_published_bins(name, families):
    plans = suite(name).plans
    groups = {plan.group: [other.n for other in plans if other.group == plan.group] for plan in plans}
    assert list(groups) == ["n 1 to 100", "n 101 to 300", "n 301 to 500"]
    for n, low, high, cells in zip(groups.values(), (9, 100, 300), (100, 300, 500), (4, 8, 8), strict=True):
        assert low < min(n) <= max(n) <= high
        assert len(n) == families * 9 * cells


def test_null_shows_few_columns_and_ties_by_themselves():
    plans = suite("null", SuiteOptions(n=(500,))).plans
    few = [plan for plan in plans if plan.group.startswith("up to 5 + 5 columns")]
    assert {plan.group.split(", ")[1] for plan in few} == {"ties", "continuous"}
    assert {plan.task.split("-")[0] for plan in few} == {"1v1", "1v4", "2v2", "5v3", "5v5"}
    assert len(few) >= 100
