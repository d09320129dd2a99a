import numpy as np
import pytest
import torch
from scipy.special import ndtri
from scipy.stats import rankdata

from mist.copula import content_order, normal_scores, ranked, smooth_scores


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def test_midranks_agree_with_scipy_on_ties(rng):
    columns = rng.integers(0, 5, size=(6, 40)).astype(float)
    found = ranked(columns)
    np.testing.assert_array_equal(found.placed(np.arange(81)[:, None] / 2)[..., 0], rankdata(columns, axis=-1))
    np.testing.assert_allclose(found.ties, [1 - len(np.unique(column)) / 40 for column in columns])


def test_scores_are_normal_quantiles_of_ranks(rng):
    values = torch.from_numpy(rng.normal(size=(1, 50, 2)))
    expected = ndtri((rankdata(values[0].numpy(), axis=0) - 0.5) / 50)
    expected /= expected.std(axis=0)
    torch.testing.assert_close(normal_scores(values).normal[0], torch.from_numpy(expected))


def test_scores_do_not_see_increasing_maps(rng):
    values = torch.from_numpy(rng.normal(size=(2, 60, 3)))
    before, after = normal_scores(values), normal_scores(torch.exp(values))
    assert torch.equal(before.normal, after.normal)
    assert torch.equal(before.uniform, after.uniform)


def test_a_constant_column_becomes_zeros():
    values = torch.ones(1, 20, 1)
    assert torch.equal(normal_scores(values).normal, torch.zeros(1, 20, 1, dtype=torch.float64))


def test_smooth_scores_are_close_to_scores_and_have_a_gradient(rng):
    values = torch.from_numpy(rng.normal(size=(1, 400, 2))).requires_grad_()
    smooth, exact = smooth_scores(values), normal_scores(values)
    correlation = torch.corrcoef(torch.stack([smooth.normal.flatten(), exact.normal.flatten()]))[0, 1]
    assert correlation > 0.999
    smooth.normal.square().sum().backward()
    assert torch.isfinite(values.grad).all()


def test_content_order_tells_rows_apart_that_are_nearly_alike(rng):
    x = torch.from_numpy(rng.normal(size=(1, 100_000, 2)))  # so many that single precision would confuse some
    shuffle = torch.from_numpy(rng.permutation(100_000))
    first, second = (content_order(normal_scores(side).normal, (1, 1)) for side in (x, x[:, shuffle]))
    assert torch.equal(x[0, first[0]], x[0, shuffle][second[0]])


def test_content_order_follows_the_rows_and_not_their_places(rng):
    x, y = (torch.from_numpy(rng.normal(size=(1, 80, d))) for d in (2, 3))
    shuffle = torch.from_numpy(rng.permutation(80))
    swapped = torch.cat([y[:, :, [2, 0, 1]], x], dim=2)[:, shuffle]
    first = content_order(normal_scores(torch.cat([x, y], dim=2)).normal, (2, 3))
    second = content_order(normal_scores(swapped).normal, (3, 2))
    assert torch.equal(x[0, first[0]], x[0, shuffle][second[0]])
    assert sorted(first[0].tolist()) == list(range(80))
