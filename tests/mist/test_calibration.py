"""Calibration must turn an over-confident, an exact and a conservative predictor into one that covers as it says."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import ndtri

from mist.calibration import GAUSSIAN, SIZED, TURNED, Calibration, Outcomes, is_straight, scale
from mist.conformal import fit
from mist.errors import CheckpointError, InputError
from mist.quantiles import LEVELS, MEDIAN
from mist.statistics import summarise

# Width of the predictor's quantiles as a multiple of the true ones.
PREDICTORS = {"over-confident": 0.4, "exact": 1.0, "conservative": 2.5}


def simulate(width: float, count: int, seed: int, zeros: float = 0.0, bias: float = 0.0) -> Outcomes:
    """Tables whose true MI is normal about a known centre, clipped at 0; a predictor that knows all but the width."""
    rng = np.random.default_rng(seed)
    centre = rng.uniform(0.2, 3.0, size=count)
    spread = 0.05 + 0.1 * centre
    truth = np.maximum(centre + spread * rng.standard_normal(count) + bias * spread, 0.0)
    independent = rng.random(count) < zeros
    truth[independent] = 0.0
    centre = np.where(independent, 0.01, centre)
    quantiles = np.maximum(centre[:, None] + width * spread[:, None] * ndtri(np.array(LEVELS)), 0.0)
    n = torch.from_numpy(rng.integers(10, 1000, size=count))
    d = torch.from_numpy(rng.integers(2, 20, size=count))
    explained = torch.from_numpy(centre * (rng.random(count) < 0.5))  # half of the tables are straight
    return Outcomes(torch.from_numpy(quantiles), torch.from_numpy(truth), n, d, explained)


def covered(outcomes: Outcomes, quantiles: torch.Tensor) -> tuple[float, float]:
    """Share of tables inside the 90 % interval, and its standard error."""
    low, high = quantiles[:, LEVELS.index(0.05)], quantiles[:, LEVELS.index(0.95)]
    hits = ((low <= outcomes.mi_nats) & (outcomes.mi_nats <= high)).double()
    return hits.mean().item(), float((0.09 / len(hits)) ** 0.5)


@pytest.mark.parametrize("width", PREDICTORS.values(), ids=PREDICTORS.keys())
def test_fresh_tables_are_covered_after_fit(width):
    record = fit(simulate(width, 4000, seed=0))
    fresh = simulate(width, 4000, seed=1)
    before, error = covered(fresh, fresh.quantiles)
    share, _ = covered(fresh, record.apply(fresh.quantiles, fresh.n, fresh.d, fresh.explained))
    assert abs(share - 0.9) < 4 * 2**0.5 * error  # the fit's own sampling error and the fresh tables'
    if width != 1.0:
        assert abs(before - 0.9) > 0.05


@pytest.mark.parametrize("width", PREDICTORS.values(), ids=PREDICTORS.keys())
def test_each_level_holds_on_its_side_with_a_fifth_of_exact_zeros(width):
    record = fit(simulate(width, 4000, seed=2, zeros=0.2))
    fresh = simulate(width, 4000, seed=3, zeros=0.2)
    quantiles = record.apply(fresh.quantiles, fresh.n, fresh.d, fresh.explained)
    for k, tau in enumerate(LEVELS):
        slack = 4 * (2 * tau * (1 - tau) / 4000) ** 0.5
        if k < MEDIAN:
            assert (fresh.mi_nats < quantiles[:, k]).double().mean() <= tau + slack
        elif k > MEDIAN:
            assert (fresh.mi_nats <= quantiles[:, k]).double().mean() >= tau - slack


@pytest.mark.parametrize("tau", [0.025, 0.05, 0.1])
def test_straight_tables_miss_outer_levels_as_often_as_they_say(tau):
    """Without levels that move inwards, true zeros in intervals that begin at 0 leave lower ones missed too rarely."""
    record = fit(simulate(1.0, 8000, seed=4, zeros=0.2))
    fresh = simulate(1.0, 8000, seed=5, zeros=0.2)
    straight = fresh.where(torch.from_numpy(is_straight(fresh.quantiles[:, MEDIAN].numpy(), fresh.explained.numpy())))
    quantiles = record.apply(straight.quantiles, straight.n, straight.d, straight.explained)
    slack = 3 * (2 * tau * (1 - tau) / len(straight)) ** 0.5
    assert abs((straight.mi_nats < quantiles[:, LEVELS.index(tau)]).double().mean() - tau) < slack
    assert abs((straight.mi_nats > quantiles[:, LEVELS.index(1 - tau)]).double().mean() - tau) < slack


@pytest.mark.parametrize("level", [0.2, 0.5, 0.6])
def test_inner_intervals_cover_about_as_often_as_they_say_in_spite_of_zeros(level):
    record = fit(simulate(1.0, 4000, seed=2, zeros=0.2))
    fresh = simulate(1.0, 4000, seed=3, zeros=0.2)
    quantiles = record.apply(fresh.quantiles, fresh.n, fresh.d, fresh.explained)
    low, high = (quantiles[:, LEVELS.index(round(0.5 + sign * level / 2, 3))] for sign in (-1, 1))
    hits = ((low <= fresh.mi_nats) & (fresh.mi_nats <= high)).double()
    both = (hits.mean() + hits[fresh.mi_nats > 0].mean()) / 2
    assert abs(both - level) < 0.04  # without narrowing .06 to .1 above
    assert hits.mean() > level > hits[fresh.mi_nats > 0].mean()


@pytest.mark.parametrize("level", [0.2, 0.4, 0.5, 0.6])
def test_no_inner_interval_is_narrowed_by_a_wide_neighbour(level):
    """Narrowed from the outside, a level that its neighbour holds back moves on, and comes in with it: .40 for .5."""
    shifted = {str(seed): simulate(0.6, 4000, seed=seed) for seed in (5, 6)}
    record = fit(simulate(1.0, 4000, seed=2, zeros=0.2), shifted=shifted)
    fresh = simulate(1.0, 4000, seed=3, zeros=0.2)
    quantiles = record.apply(fresh.quantiles, fresh.n, fresh.d, fresh.explained)
    low, high = (quantiles[:, LEVELS.index(round(0.5 + sign * level / 2, 3))] for sign in (-1, 1))
    hits = ((low <= fresh.mi_nats) & (fresh.mi_nats <= high)).double()
    assert abs((hits.mean() + hits[fresh.mi_nats > 0].mean()) / 2 - level) < 0.04


def test_independent_tables_are_not_excluded_by_a_conservative_predictors_offsets():
    record = fit(simulate(2.5, 4000, seed=2, zeros=0.2))
    fresh = simulate(2.5, 4000, seed=3, zeros=0.2)
    low = record.apply(fresh.quantiles, fresh.n, fresh.d, fresh.explained)[:, LEVELS.index(0.05)]
    assert (low[fresh.mi_nats == 0] > 0).double().mean() < 0.05


@pytest.mark.parametrize("width", PREDICTORS.values(), ids=PREDICTORS.keys())
def test_quantiles_never_cross_stay_non_negative_and_keep_the_median(width):
    record = fit(simulate(width, 500, seed=4, zeros=0.1))
    rng = np.random.default_rng(5)
    wild = torch.from_numpy(rng.exponential(size=(300, len(LEVELS))) * rng.choice([0.0, 0.01, 1.0], size=(300, 1)))
    wild = wild.cumsum(1)
    answer = record.apply(wild, torch.full((300,), 50), torch.full((300,), 4), torch.zeros(300))
    assert (answer.diff(dim=1) >= 0).all()
    assert (answer >= 0).all()
    torch.testing.assert_close(answer[:, MEDIAN], wild[:, MEDIAN], rtol=0, atol=0)


def test_a_group_with_many_tables_gets_its_own_offsets():
    count = 8000
    honest, brash = simulate(1.0, count, seed=6), simulate(0.3, count, seed=7)
    parts = [(getattr(honest, name), getattr(brash, name)) for name in ("quantiles", "mi_nats", "d", "explained")]
    n = torch.cat([torch.full((count,), 500), torch.full((count,), 20)])
    quantiles, mi_nats, d, explained = (torch.cat(part) for part in parts)
    both = Outcomes(quantiles, mi_nats, n, d, explained)
    record = fit(both)
    for width, rows in ((1.0, 500), (0.3, 20)):
        fresh = simulate(width, count, seed=8)
        share, _ = covered(fresh, record.apply(fresh.quantiles, torch.full((count,), rows), fresh.d, fresh.explained))
        assert abs(share - 0.9) < 0.04  # marginal offsets alone give 1.00 and .81


def test_cautious_intervals_hold_the_default_ones_and_cover_the_shifted_set():
    record = fit(simulate(1.0, 2000, seed=9), shifted={"shifted": simulate(1.0, 2000, seed=10, bias=-1.5)})
    fresh = simulate(1.0, 2000, seed=11, bias=-1.5)
    default = record.apply(fresh.quantiles, fresh.n, fresh.d, fresh.explained)
    cautious = record.apply(fresh.quantiles, fresh.n, fresh.d, fresh.explained, cautious=True)
    assert (cautious[:, :MEDIAN] <= default[:, :MEDIAN]).all()
    assert (cautious[:, MEDIAN:] >= default[:, MEDIAN:]).all()
    assert covered(fresh, cautious)[0] > 0.9 > covered(fresh, default)[0]


def test_bent_tables_are_covered_as_laws_kept_out_need_and_straight_ones_as_the_prior_does():
    record = fit(simulate(1.0, 8000, seed=20), shifted={"shifted": simulate(0.4, 8000, seed=21)})
    fresh = simulate(1.0, 8000, seed=22)
    quantiles = record.apply(fresh.quantiles, fresh.n, fresh.d, fresh.explained)
    straight = fresh.explained > 0
    widths = [(quantiles[side, -2] - quantiles[side, 1]).mean() for side in (~straight, straight)]
    assert widths[0] > 1.2 * widths[1]
    share, error = covered(fresh.where(straight), quantiles[straight])
    assert abs(share - 0.9) < 6 * error


def test_cautious_intervals_cover_a_law_somewhat_further_off_than_those_fitted_on():
    record = fit(simulate(1.0, 4000, seed=30), shifted={"shifted": simulate(1.0, 4000, seed=31, bias=-1.0)})
    further = simulate(1.0, 4000, seed=32, bias=-1.7)
    quantiles = record.apply(further.quantiles, further.n, further.d, further.explained, cautious=True)
    assert covered(further, quantiles)[0] > 0.9


def test_straight_laws_kept_out_raise_upper_levels_and_lower_ones_pay():
    shifted = {"shifted": simulate(1.0, 8000, seed=24, bias=1.0)}
    fresh = simulate(1.0, 8000, seed=25)
    straight = fresh.where(fresh.explained > 0)
    lower, upper = [], []
    for record in (fit(simulate(1.0, 8000, seed=23)), fit(simulate(1.0, 8000, seed=23), shifted=shifted)):
        quantiles = record.apply(straight.quantiles, straight.n, straight.d, straight.explained)
        share, error = covered(straight, quantiles)
        assert abs(share - 0.9) < 6 * error
        lower.append(quantiles[:, LEVELS.index(0.05)].mean())
        upper.append(quantiles[:, LEVELS.index(0.95)].mean())
    assert lower[1] > lower[0]
    assert upper[1] > upper[0]


def test_what_few_rows_spare_is_not_spent_on_many():
    """True zeros are never below an interval that begins at 0; here they are all in tables of few rows."""

    def uneven(seed: int) -> Outcomes:
        """A third of the tables of few rows, all of the others of many, and half of the former without dependence."""
        both = simulate(1.0, 8000, seed, zeros=0.5), simulate(1.0, 16_000, seed + 1)
        few, many = (replace(part, n=torch.full_like(part.n, n)) for part, n in zip(both, (20, 2000), strict=True))
        return Outcomes.cat([few, replace(many, n=many.n + torch.arange(len(many)) % 2)])

    record, fresh = fit(uneven(26)), uneven(28)
    many = fresh.where((fresh.n > 20) & (fresh.explained > 0))
    share, error = covered(many, record.apply(many.quantiles, many.n, many.d, many.explained))
    assert abs(share - 0.9) < 4 * 2**0.5 * error


def test_the_record_survives_json():
    record = fit(simulate(0.4, 300, seed=12), shifted={"other": simulate(1.0, 300, seed=13)})
    assert Calibration.from_json(json.loads(json.dumps(record.to_json()))) == record


def test_errors_say_what_to_do():
    record = fit(simulate(1.0, 300, seed=14))
    with pytest.raises(CheckpointError, match="calibrate with shifted tables"):
        record.apply(torch.ones(1, len(LEVELS)), torch.ones(1), torch.ones(1), torch.ones(1), cautious=True)
    with pytest.raises(CheckpointError, match="calibrate this network again"):
        record.apply(torch.ones(1, 3), torch.ones(1), torch.ones(1), torch.ones(1))
    with pytest.raises(CheckpointError, match="wanted exactly"):
        Calibration.from_json({**record.to_json(), "extra": 1})
    with pytest.raises(InputError, match="wanted at least 200"):
        fit(simulate(1.0, 199, seed=15))
    broken = simulate(1.0, 300, seed=16)
    with pytest.raises(InputError, match="not finite"):
        fit(Outcomes(broken.quantiles, broken.mi_nats * torch.nan, broken.n, broken.d, broken.explained))
    with pytest.raises(InputError, match="got shapes"):
        fit(Outcomes(broken.quantiles, broken.mi_nats, broken.n[:5], broken.d, broken.explained))


def test_no_interval_is_narrower_than_a_bivariate_normal_allows():
    from mist.calibration import _at_least_normal

    n, rho = 400, 0.8
    median = -0.5 * np.log(1 - rho**2)
    spread = np.linspace(-1.0, 1.0, len(LEVELS))
    narrow, wide = (median + width * spread for width in (1e-4, 5.0))
    found = _at_least_normal(np.stack([narrow, wide]).clip(min=0.0), np.array([n, n]), LEVELS)
    scores = np.random.default_rng(0).multivariate_normal([0, 0], [[1, rho], [rho, 1]], size=(4000, n))
    fitted = [-0.5 * np.log(1 - np.corrcoef(table.T)[0, 1] ** 2) for table in scores]
    low, high = (float(found[0, LEVELS.index(tau)]) for tau in (0.05, 0.95))
    np.testing.assert_allclose([low, high], np.quantile(fitted, [0.05, 0.95]), atol=0.012)
    np.testing.assert_allclose(found[1], wide.clip(min=0.0))
    assert (np.diff(found[0]) >= 0).all()


def test_a_record_of_an_older_calibration_is_read_as_it_was_meant():
    record = fit(simulate(1.0, 400, seed=0)).to_json()
    assert (Calibration.from_json(record).explained_by, Calibration.from_json(record).sized) == (TURNED, SIZED)
    del record["explained_by"], record["sized"]
    assert (Calibration.from_json(record).explained_by, Calibration.from_json(record).sized) == (GAUSSIAN, 0.0)


def test_the_scale_lies_between_what_is_expected_and_what_goes_with_the_median():
    quantiles = np.linspace(1.0, 1.002, len(LEVELS))[None]  # sure of 1 nat
    ends = [scale(quantiles, LEVELS, sized)[0] for sized in (0.0, 1.0)]
    assert ends[0] == pytest.approx(0.021, abs=1e-3)
    assert ends[1] == pytest.approx(0.15, abs=1e-3)
    assert scale(quantiles, LEVELS)[0] == pytest.approx((ends[0] * ends[1]) ** 0.5)


def test_what_is_explained_holds_what_a_spiral_hides_from_a_gaussian_copula():
    rng = np.random.default_rng(3)
    x = rng.standard_normal((2000, 2))
    y = x + 0.3 * rng.standard_normal((2000, 2))
    angle = 2.0 * np.log1p(np.square(x).sum(axis=1) / 2)
    turned = np.stack(
        [x[:, 0] * np.cos(angle) - x[:, 1] * np.sin(angle), x[:, 0] * np.sin(angle) + x[:, 1] * np.cos(angle)], axis=1
    )
    plain, spiral = (
        summarise(torch.from_numpy(side)[None], torch.from_numpy(y)[None]).anchors[0] for side in (x, turned)
    )
    truth = np.log(1 + 0.3**-2.0)
    assert plain[GAUSSIAN] == pytest.approx(truth, abs=0.15)
    assert plain[TURNED] >= plain[GAUSSIAN]
    assert spiral[GAUSSIAN] < 0.3 * truth
    assert spiral[TURNED] > 0.5 * truth
