from itertools import permutations

import numpy as np
import pytest
import torch

from mist.statistics import matching
from mist.statistics.matching import FEATURES, LAWS, permanent


def coupled(rng, tables, n, d, nats, share=1.0, extra=0):
    """Columns that are coupled one to one in an unknown order, each couple of so many nats."""
    rho = np.sqrt(-np.expm1(-2 * nats)) * (rng.uniform(size=(tables, 1, d)) < share)
    u = rng.standard_normal((tables, n, d))
    v = rho * u + np.sqrt(1 - rho**2) * rng.standard_normal((tables, n, d))
    v = np.concatenate([v, rng.standard_normal((tables, n, extra))], axis=2)[:, :, rng.permutation(d + extra)]
    return torch.from_numpy(u), torch.from_numpy(v), nats * (rho > 0).sum((1, 2))


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_the_permanent_lies_within_its_proven_bounds(size):
    logs = 3 * torch.from_numpy(np.random.default_rng(size).standard_normal((6, size, size)))
    orders = torch.tensor(list(permutations(range(size))))
    exact = logs[:, torch.arange(size), orders].sum(-1).logsumexp(-1)  # (6,)
    bethe, share = permanent(logs)
    assert (bethe <= exact + 1e-3).all()  # Gurvits 2011
    assert (bethe >= exact - size / 2 * np.log(2) - 1e-3).all()  # Anari and Rezaei 2019
    torch.testing.assert_close(share.sum(-1), torch.ones(6, size).double(), atol=0.03, rtol=0)


def test_one_match_that_stands_out_is_found():
    order = torch.from_numpy(np.random.default_rng(0).permutation(20))
    logs = torch.full((20, 20), -9.0, dtype=torch.float64)
    logs[torch.arange(20), order] = 30.0
    total, share = permanent(logs)
    assert float(total) == pytest.approx(600, abs=1e-6)
    assert (share[torch.arange(20), order] > 1 - 1e-6).all()


@pytest.mark.parametrize("shape", [(8, 1, 1), (10, 30, 30), (40, 3, 17), (100, 12, 5)])
def test_neither_order_of_columns_nor_sides_matter(shape):
    n, d_x, d_y = shape
    rng = np.random.default_rng(n)
    u, v = (torch.from_numpy(rng.standard_normal((3, n, d))) for d in (d_x, d_y))
    v[:, :, 0] += 3 * u[:, :, 0]
    one = matching.matching(u, v)
    two = matching.matching(v[:, :, rng.permutation(d_y)], u[:, :, rng.permutation(d_x)])
    assert one.tokens.shape == (3, 1, FEATURES)
    assert one.tokens.isfinite().all()
    torch.testing.assert_close(one.tokens, two.tokens, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize(("n", "d", "extra"), [(10, 6, 0), (10, 25, 0), (10, 12, 8), (40, 12, 8)])
def test_over_its_own_laws_the_estimate_is_right_on_average(n, d, extra):
    rng = np.random.default_rng(d)
    errors, truths = [], []
    for share in matching.SHARES:
        for nats in matching.NATS:
            u, v, truth = coupled(rng, 20, n, d, nats, share, extra)
            errors.append(matching.matching(u, v).nats.numpy() - truth)
            truths.append(truth)
    error, truth = np.concatenate(errors), np.concatenate(truths)
    assert abs(error.mean()) < 4 * error.std() / np.sqrt(len(error)) + 0.02 * truth.mean()
    assert error.std() < 0.2 * truth.std()


def test_independence_and_certain_couples_are_told_apart():
    rng = np.random.default_rng(4)
    u, v, _ = coupled(rng, 80, 10, 20, 1.3)
    alone = torch.from_numpy(rng.standard_normal((80, 10, 20)))
    assert matching.matching(u, v).nats.mean() > 6 * matching.matching(u, alone).nats.mean()
    u, v, truth = coupled(rng, 40, 100, 10, 0.8, share=0.5)
    found = matching.matching(u, v).nats.numpy()
    assert np.abs(found - truth).mean() < 0.5


def test_there_is_no_such_token_with_more_rows_or_columns():
    u = torch.zeros(2, matching.ROWS + 1, 2, dtype=torch.float64)
    wide = torch.zeros(2, 10, matching.COLUMNS + 1, dtype=torch.float64)
    for side in (u, wide):
        found = matching.matching(side, side)
        assert not found.masks.any()
        assert (found.tokens == 0).all()
        assert (found.nats == 0).all()


def test_constant_columns_carry_nothing():
    found = matching.matching(torch.zeros(1, 20, 3).double(), torch.randn(1, 20, 3).double())
    assert float(found.nats) == 0
    assert found.tokens[0, 0, :LAWS].abs().max() < 0.1


def test_the_estimate_has_a_gradient():
    rng = np.random.default_rng(0)
    u, v, _ = coupled(rng, 1, 12, 4, 0.8)
    u.requires_grad_()
    matching.matching(u, v).nats.sum().backward()
    assert u.grad.isfinite().all()
    assert u.grad.abs().max() > 0
