"""Laws of quantile functions at fixed levels."""

import numpy as np
import pytest
import torch

from mist.quantiles import LEVELS, MEDIAN, interpolate, mean, pinball

TAUS = torch.tensor(LEVELS, dtype=torch.float64)


def test_levels_increase_and_mirror_around_the_median():
    assert len(LEVELS) == 21
    assert LEVELS[MEDIAN] == 0.5
    assert list(LEVELS) == sorted(set(LEVELS))
    np.testing.assert_allclose(np.array(LEVELS) + np.array(LEVELS)[::-1], 1.0)


def test_pinball_is_least_at_the_true_quantiles():
    truth = torch.from_numpy(np.random.default_rng(0).exponential(size=20_000))
    best = torch.quantile(truth, TAUS)
    losses = [pinball((best + shift).expand(len(truth), -1), TAUS, truth) for shift in (-0.2, 0.0, 0.2)]
    assert losses[1] < min(losses[0], losses[2])


def test_pinball_weighs_each_side_by_its_level():
    taus = torch.tensor([0.9])
    assert pinball(torch.tensor([[0.0]]), taus, torch.tensor([1.0])).item() == pytest.approx(0.9)
    assert pinball(torch.tensor([[1.0]]), taus, torch.tensor([0.0])).item() == pytest.approx(0.1)


def test_interpolate_meets_the_levels_is_linear_between_and_flat_outside():
    quantiles = torch.from_numpy(np.random.default_rng(1).exponential(size=(5, len(LEVELS)))).cumsum(1)
    for k, tau in enumerate(LEVELS):
        torch.testing.assert_close(interpolate(quantiles, LEVELS, tau), quantiles[:, k])
    torch.testing.assert_close(interpolate(quantiles, LEVELS, 0.45), quantiles[:, 9:11].mean(1))
    torch.testing.assert_close(interpolate(quantiles, LEVELS, 0.001), quantiles[:, 0])
    torch.testing.assert_close(interpolate(quantiles, LEVELS, 0.999), quantiles[:, -1])


def test_interpolate_increases_in_tau():
    quantiles = torch.from_numpy(np.random.default_rng(2).exponential(size=(4, len(LEVELS)))).cumsum(1)
    path = torch.stack([interpolate(quantiles, LEVELS, tau) for tau in np.linspace(0.001, 0.999, 301)])
    assert (path.diff(dim=0) >= 0).all()


def test_mean_of_a_uniform_law_is_its_middle_and_a_constant_its_value():
    assert mean(TAUS[None] * 2, TAUS).item() == pytest.approx(1.0)
    assert mean(torch.full((1, len(LEVELS)), 0.7, dtype=torch.float64), TAUS).item() == pytest.approx(0.7)
