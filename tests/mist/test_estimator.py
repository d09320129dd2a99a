"""Laws of the public contract, on a network with arbitrary weights."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

import mist
from mist.checkpoint import Checkpoint
from mist.estimator import CHUNK_TABLES, Estimate, Estimator
from mist.quantiles import LEVELS


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(120, 1))
    return z + rng.normal(size=(120, 3)), z + rng.normal(size=(120, 2))


@pytest.fixture(scope="module")
def answer(estimator, table):
    return estimator.estimate(*table)


def assert_same(one: Estimate, other: Estimate, tolerance: float = 1e-4) -> None:
    np.testing.assert_allclose(one.quantiles, other.quantiles, atol=tolerance)


def test_the_same_call_gives_the_same_answer(estimator, table, answer):
    assert estimator.estimate(*table) == answer


def test_order_of_rows_columns_and_sides_does_not_matter(estimator, table, answer):
    x, y = table
    order = np.random.default_rng(1).permutation(len(x))
    assert_same(estimator.estimate(x[order], y[order]), answer)
    assert_same(estimator.estimate(x[:, ::-1], y), answer)
    assert_same(estimator.estimate(y, x), answer)


def test_increasing_maps_of_columns_do_not_matter(estimator, table, answer):
    x, y = table
    assert_same(estimator.estimate(np.exp(x), 1e6 * y**3 - 5), answer)


def test_every_container_gives_the_same_answer(estimator, table, answer):
    x, y = table
    assert_same(estimator.estimate(pd.DataFrame(x), pd.DataFrame(y)), answer)
    assert_same(estimator.estimate(pl.DataFrame(x), pl.DataFrame(y)), answer)
    assert_same(estimator.estimate(torch.from_numpy(x), torch.from_numpy(y)), answer)


def test_a_batch_answers_as_one_by_one_in_the_order_given(estimator):
    rng = np.random.default_rng(2)
    sizes = rng.integers(8, 30, size=CHUNK_TABLES + 5)
    tables = [(rng.normal(size=n), rng.normal(size=(n, 1 + n % 3))) for n in sizes]
    answers = estimator.estimate_batch(tables)
    assert [r.n for r in answers] == sizes.tolist()
    for index in (0, 100, len(tables) - 1):
        assert_same(answers[index], estimator.estimate(*tables[index]))
    assert estimator.estimate_batch([]) == []


def test_of_several_pairs_the_refused_one_is_named(estimator, table):
    with pytest.raises(mist.InputError, match="pair 2 of 3: got 5 rows"):
        estimator.estimate_batch([table, (np.arange(5), np.arange(5)), table])


def test_what_is_no_batch_level_or_tau_is_refused(estimator, table, answer):
    with pytest.raises(mist.InputError, match=r"got ndarray as pair 1 of 2, wanted \(x, y\)"):
        estimator.estimate_batch(table)
    with pytest.raises(mist.InputError, match=r"got level = '0\.9'"):
        estimator.estimate(*table, level="0.9")
    with pytest.raises(mist.InputError, match="wanted one number"):
        answer.quantile([0.1, 0.5])
    assert (
        estimator.estimate(*table, level=np.float32(0.99)).interval == estimator.estimate(*table, level=0.99).interval
    )


def test_a_model_loaded_in_inference_mode_has_a_gradient(table):
    with torch.inference_mode():
        loaded = mist.load(mist.estimator.PACKAGED)
    x = torch.from_numpy(table[0]).requires_grad_()
    loaded.differentiable(x, torch.from_numpy(table[1])).backward()
    assert x.grad.abs().sum() > 0


def test_lower_precision_around_a_call_does_not_matter(estimator, table, answer):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert estimator.estimate(*table) == answer


def test_a_default_device_of_the_callers_does_not_matter(estimator, table, answer):
    torch.set_default_device("meta")
    try:
        found = estimator.estimate(*table)
        smooth = estimator.differentiable(*(torch.from_numpy(side) for side in table)).item()
    finally:
        torch.set_default_device(None)
    assert found == answer
    assert smooth == estimator.differentiable(*(torch.from_numpy(side) for side in table)).item()


def test_quantiles_increase_and_intervals_nest(answer):
    assert (np.diff(answer.quantiles) >= 0).all()
    assert answer.quantiles[0] >= 0
    low, high = answer.interval
    assert low <= answer.mi <= high
    assert low == pytest.approx(answer.quantile(0.05))
    assert float(answer) == answer.mi == answer.quantile(0.5)
    assert answer.quantile(0.05) <= answer.quantile(0.07) <= answer.quantile(0.1)


def test_a_wider_level_holds_a_narrower_one(estimator, table):
    intervals = [estimator.estimate(*table, level=level).interval for level in (0.5, 0.9, 0.99)]
    assert intervals[2][0] <= intervals[1][0] <= intervals[0][0]
    assert intervals[0][1] <= intervals[1][1] <= intervals[2][1]


def test_cautious_intervals_hold_the_default_ones(estimator, table, answer):
    cautious = estimator.estimate(*table, cautious=True)
    assert cautious.mi == answer.mi
    assert cautious.interval[0] <= answer.interval[0]
    assert answer.interval[1] <= cautious.interval[1]


def test_bits_are_nats_over_log_2(answer):
    bits = answer.to("bits")
    assert bits.mi == pytest.approx(answer.mi / np.log(2))
    assert bits.mean == pytest.approx(answer.mean / np.log(2))
    np.testing.assert_allclose(bits.to("nats").quantiles, answer.quantiles)
    assert "bits" in str(bits)


def test_an_estimate_prints_as_one_line():
    line = str(Estimate(tuple(0.1 * k for k in range(len(LEVELS))), 0.9, 500, 2, 1))
    assert line == "1.000 nats, 90% interval [0.300, 1.700] (n=500, 2+1)"


def test_the_mean_of_known_quantiles():
    assert Estimate(tuple(LEVELS), 0.9, 500, 2, 1).mean == pytest.approx(0.5)


def test_notices_reach_the_answer(estimator, table):
    x, y = table
    assert [notice.code for notice in estimator.estimate(np.c_[x, np.ones(len(x))], y).notices] == ["constant"]


def test_columns_that_never_vary_or_repeat_others_change_nothing(estimator, table):
    x, y = table
    constants = np.c_[x, np.full(len(x), 3.0)], np.c_[np.zeros(len(x)), y]
    copies = np.c_[x, np.exp(x[:, 1])], np.c_[y[:, 1] ** 3, y]
    plain, *wider = estimator.estimate_batch([(x, y), constants, copies])
    for answer in wider:
        assert answer.quantiles == pytest.approx(plain.quantiles, abs=1e-5)
        assert (answer.d_x, answer.d_y) == (plain.d_x + 1, plain.d_y + 1)


@pytest.mark.parametrize("sides", [(0, 1), (1, 0), (0, 0)])
def test_a_constant_side_tells_nothing(estimator, table, sides):
    x, y = (side if kept else np.ones((len(side), 2)) for side, kept in zip(table, sides, strict=True))
    answer = estimator.estimate(x, y, level=0.9)
    unseen = 1 - 0.05 ** (1 / len(x))  # the largest chance of another value that one sample in twenty would not show
    assert answer.mi == 0.0
    assert answer.interval == (0.0, pytest.approx(-unseen * np.log(unseen) - (1 - unseen) * np.log(1 - unseen)))
    assert answer.notices[0].code == "constant"


def test_a_checkpoint_without_calibration_says_so(trained, table):
    bare = Estimator(Checkpoint(trained.network, None, trained.limits, {}, ""), torch.device("cpu"))
    assert [notice.code for notice in bare.estimate(*table).notices] == ["uncalibrated"]
    with pytest.raises(mist.CheckpointError, match="never calibrated"):
        bare.estimate(*table, cautious=True)


def test_the_gradient_of_a_constant_is_zero(estimator, table):
    x, y = (torch.tensor(side, requires_grad=True) for side in table)
    constant = torch.ones(len(x), 1, dtype=torch.float64, requires_grad=True)
    both = torch.cat([x, constant], dim=1)
    assert estimator.differentiable(both, y).item() == pytest.approx(estimator.differentiable(x, y).item())
    estimator.differentiable(both, y).backward()
    assert x.grad.isfinite().all()
    assert (x.grad != 0).any()
    x.grad = None
    estimator.differentiable(constant, x).backward()
    assert (x.grad == 0).all()
    assert (constant.grad == 0).all()


def test_the_gradient_reaches_both_sides(estimator, table):
    x, y = (torch.tensor(side, requires_grad=True) for side in table)
    value = estimator.differentiable(x, y)
    assert value.shape == ()
    value.backward()
    for side in (x, y):
        assert side.grad is not None
        assert side.grad.isfinite().all()
        assert (side.grad != 0).any()
    assert value.item() == pytest.approx(estimator.estimate(x, y).mi, abs=0.1)  # smooth ranks are not ranks


def test_the_gradient_agrees_in_kind_and_device_with_its_input(estimator):
    x = torch.linspace(-1, 1, 20, dtype=torch.float32, requires_grad=True)
    assert estimator.differentiable(x, x.detach() ** 3 + torch.arange(20) % 3).dtype == torch.float32


def test_the_users_threads_and_random_state_are_left_alone(estimator, table):
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    estimator.estimate(*table)
    assert torch.get_num_threads() == threads
    assert torch.equal(state, torch.get_rng_state())


def test_errors_say_what_to_do(estimator, folder, table, answer):
    x, y = table
    for level in (0, -0.1, 0.995, 90):
        with pytest.raises(mist.InputError, match=r"wanted one above 0 and at most 0\.99"):
            estimator.estimate(x, y, level=level)
    with pytest.raises(mist.DimensionError, match="allow_untrained_dimensions=True"):
        estimator.estimate(np.tile(x, 3), y)
    with pytest.raises(mist.InputError, match=r"wanted one from 0\.005 to 0\.995"):
        answer.quantile(0.999)
    with pytest.raises(mist.InputError, match="wanted one of nats, bits"):
        answer.to("hartleys")
    with pytest.raises(mist.InputError, match="wanted a torch tensor"):
        estimator.differentiable(x, y)
    with pytest.raises(mist.InputError, match=r"got x of torch\.int64, wanted a floating-point"):
        estimator.differentiable(torch.arange(20), torch.randn(20))
    with pytest.raises(mist.InputError, match="draw a random minibatch"):
        estimator.differentiable(torch.randn(6000), torch.randn(6000))
    with pytest.raises(mist.InputError, match="got device 'abacus'"):
        mist.load(folder, device="abacus")
    with pytest.raises(mist.CheckpointError, match="does not exist"):
        mist.load("no/such/folder")


def test_untrained_dimensions_are_answered_when_asked_for(estimator, table):
    x, y = table
    r = estimator.estimate(
        np.c_[x, x[:, ::-1] ** 2 + y[:, :1], x + y[:, 1:], x * y[:, :1]], y, allow_untrained_dimensions=True
    )
    assert "untrained_dimensions" in [notice.code for notice in r.notices]
    assert np.isfinite(r.quantiles).all()


def test_repr_names_what_was_loaded(estimator):
    assert repr(estimator) == "Estimator(cpu, calibrated, n 10 to 5000, up to 8 columns per side)"


def test_unknown_names_of_the_package_are_errors():
    with pytest.raises(AttributeError, match="estimate_mi"):
        mist.estimate_entropy  # noqa: B018
