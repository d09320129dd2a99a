"""Statistics against independent computations, and the laws of invariance."""

import shutil
import sysconfig
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import digamma

from mist import forward
from mist.copula import normal_scores
from mist.statistics import ANCHORS, GROUPS, canonical, compiled, counting, neighbours, pairs, summarise, summary
from mist.statistics.anchors import gaussian_bias
from mist.statistics.neighbours import NEIGHBOURS, ksg, ksg_leading
from mist.statistics.ripples import ripples, surprising
from mist.statistics.swirl import Swirl

SHAPES = [(8, 1, 1), (16, 40, 3), (60, 1, 4), (300, 1, 1), (300, 2, 3), (400, 6, 6)]


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def gaussian_table(rng, n, d_x, d_y, rho=0.6):
    shared = min(d_x, d_y)
    x, y = rng.normal(size=(n, d_x)), rng.normal(size=(n, d_y))
    y[:, :shared] = rho * x[:, :shared] + np.sqrt(1 - rho**2) * y[:, :shared]
    return x, y


def tensors(x, y):
    return torch.from_numpy(x)[None], torch.from_numpy(y)[None]


def plain_ksg(s, t):
    """KSG-1 by the book, one row and one k at a time."""
    n = len(s)
    d_s, d_t = (np.abs(side[:, None] - side[None]).max(-1) for side in (s, t))
    joint = np.maximum(d_s, d_t) + np.diag(np.full(n, np.inf))
    found = []
    for k in NEIGHBOURS:
        total = 0.0
        for i in range(n):
            radius = np.sort(joint[i])[k - 1]
            total += digamma((d_s[i] < radius).sum()) + digamma((d_t[i] < radius).sum())
        found.append(digamma(k) + digamma(n) - total / n)
    return found


@pytest.mark.parametrize(
    ("n", "d_s", "d_t"), [(60, 1, 1), (300, 1, 1), (450, 1, 1), (120, 2, 3), (300, 3, 2), (9, 1, 1)]
)
def test_ksg_agrees_with_the_book(rng, n, d_s, d_t):
    s, t = gaussian_table(rng, n, d_s, d_t)
    for tied in (False, True):  # looking for ties where there are none changes nothing
        found = ksg(s[None], t[None], np.array([[tied, tied]]))
        np.testing.assert_allclose(found.nats[0], plain_ksg(s, t), atol=2e-3 if tied else 1e-6)
        np.testing.assert_allclose(found.excess, 0.0, atol=1e-3)


def test_trees_and_all_distances_agree_with_and_without_ties(rng):
    x, y = gaussian_table(rng, 400, 1, 1)
    for s, t, *tied in (
        (x, y, False, False),
        (np.round(x), np.round(y), True, True),
        (np.round(3 * x), y, True, False),
        (x, np.round(y), False, True),
    ):
        tree = neighbours._on_tree(s[:, 0], t[:, 0], np.array(tied))
        plain = ksg(s[None], t[None], np.array([tied]))
        np.testing.assert_allclose(tree.nats, plain.nats, atol=1e-6)
        np.testing.assert_allclose(tree.local, plain.local, atol=1e-6)
        np.testing.assert_allclose(tree.excess, plain.excess, atol=1e-6)


def test_what_can_be_compiled_is():
    """So that what follows is never left out for a build that failed in silence."""
    compiler = any(map(shutil.which, ("g++", "clang++")))
    headers = Path(sysconfig.get_path("include"), "Python.h").exists()
    compiled = counting.COMPILED and forward.COMPILED
    assert compiled or not (compiler and headers), "install the package again, and look at what pip -v says"


@pytest.mark.skipif(not counting.COMPILED, reason="built without a compiler")
@pytest.mark.parametrize(
    ("n", "d_s", "d_t"),
    [
        *((9, 1, 1), (20, 1, 1), (43, 2, 1), (700, 1, 1), (300, 3, 3), (260, 5, 2), (90, 1, 40)),
        *((150, d_s, d_t) for d_s in (1, 2, 3) for d_t in (1, 2, 3)),
    ],
)
@pytest.mark.parametrize("decimals", [None, 1, 0])
def test_compiled_counts_are_those_of_numpy(rng, n, d_s, d_t, decimals):
    s, t = (rng.normal(size=(3, n, d)) for d in (d_s, d_t))
    if decimals is not None:
        s, t = np.round(s, decimals), np.round(t, decimals)
        t[1] = 0.0  # a constant side
    tied = np.array([[True, True], [True, True], [decimals is not None] * 2])
    if decimals is None:
        tied[0] = False
    elif decimals == 0:  # one side alone
        t[0], tied[0] = rng.normal(size=(n, d_t)), [True, False]
        s[2], tied[2] = rng.normal(size=(n, d_s)), [False, True]
    ks, euclidean = np.minimum(NEIGHBOURS, n - 1), max(d_s, d_t) > neighbours.EXACT_COLUMNS
    widths = [(d_s, d_t)] if euclidean else [(min(c, d_s), min(c, d_t)) for c in range(1, max(d_s, d_t) + 1)]
    found, wanted = (way(s, t, tied, ks, widths, euclidean) for way in (counting.count, counting.by_blocks))
    for one, other in zip(found, wanted, strict=True):
        for a, b in zip(one, other, strict=True):
            if euclidean:  # squares are summed in another order
                assert (a != b).mean() < 0.02
            else:
                np.testing.assert_array_equal(a, b)


@pytest.mark.skipif(not counting.COMPILED, reason="built without a compiler")
@pytest.mark.parametrize(("d_s", "d_t"), [(1, 1), (2, 1), (3, 3)])
def test_rows_that_coincide_are_counted_as_ties_though_nobody_said_so(rng, d_s, d_t):
    s, t = (rng.normal(size=(2, 120, d)) for d in (d_s, d_t))
    for side in (s, t):
        side[1, 40:50] = side[1, 7]  # more than k of them
    ks, untied = np.array(NEIGHBOURS), np.zeros((2, 2), bool)
    found, wanted = (way(s, t, untied, ks, [(d_s, d_t)], False)[0] for way in (counting.count, counting.by_blocks))
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


def odd_table(rng, n, d_x, d_y, kind):
    """Two tables (2, n, d) with dependence, and what may go wrong in one."""
    shared = rng.normal(size=(2, n, max(d_x, d_y)))
    x, y = shared[:, :, :d_x] + rng.normal(size=(2, n, d_x)), shared[:, :, :d_y] + 0.7 * rng.normal(size=(2, n, d_y))
    match kind:
        case "ties":
            x, y = np.round(1.5 * x), np.round(2 * y)
        case "binary":
            x = (x > 0).astype(float)
        case "constant":
            if d_x != d_y:  # of the smaller side it would be matched with any other
                (x if d_x > d_y else y)[:, :, 0] = 3.0
        case "heavy tails":
            x, y = np.exp(3 * x), y**3
        case "many periods":
            y = np.sin(6 * x[:, :, :1]) + 0.1 * rng.normal(size=y.shape)
        case "zeros of either sign":
            x, y = np.where(x > 0, x, np.where(y[:, :, :1] > 0, -0.0, 0.0)), np.abs(y)
    return torch.from_numpy(x), torch.from_numpy(y)


@pytest.mark.skipif(not counting.COMPILED, reason="built without a compiler")
@pytest.mark.parametrize(
    ("n", "d_x", "d_y"),
    [(8, 1, 1), (9, 2, 3), (20, 1, 1), (33, 5, 4), (128, 1, 3), (500, 1, 1), (300, 2, 3), (700, 13, 5), (400, 40, 35)],
)
@pytest.mark.parametrize(
    "kind", ["plain", "ties", "binary", "constant", "heavy tails", "many periods", "zeros of either sign"]
)
def test_statistics_are_the_same_with_and_without_compiled_code(rng, n, d_x, d_y, kind):
    x, y = odd_table(rng, n, d_x, d_y, kind)
    native, plain = summarise(x, y), summary.summarise(x, y)
    torch.testing.assert_close(native.anchors, plain.anchors, atol=2e-4, rtol=1e-3)
    for name, group in native.tokens.items():
        torch.testing.assert_close(group, plain.tokens[name], atol=2e-4, rtol=1e-3, msg=name)
        assert torch.equal(native.masks[name], plain.masks[name])


@pytest.mark.skipif(not counting.COMPILED, reason="built without a compiler")
@pytest.mark.parametrize(("n", "d_x", "d_y"), [(200, 1, 1), (300, 1, 1), (60, 1, 2), (400, 6, 6), (2000, 8, 5)])
@pytest.mark.parametrize("kind", ["plain", "ties"])
def test_threads_that_share_a_table_change_nothing(rng, n, d_x, d_y, kind):
    x, y = (side[:1] for side in odd_table(rng, n, d_x, d_y, kind))
    alone, shared = (summarise(x, y, threads=threads) for threads in (1, 2))
    assert torch.equal(alone.anchors, shared.anchors)
    for name, group in alone.tokens.items():
        assert torch.equal(group, shared.tokens[name])


@pytest.mark.skipif(not counting.COMPILED, reason="built without a compiler")
@pytest.mark.parametrize(("n", "d_x", "d_y"), [(300, 1, 1), (200, 9, 4)])
def test_statistics_are_the_same_when_neighbours_are_counted_in_numpy(rng, monkeypatch, n, d_x, d_y):
    x, y = tensors(*gaussian_table(rng, n, d_x, d_y))
    native = summarise(x, y)
    monkeypatch.setattr(counting, "COMPILED", False)
    monkeypatch.setattr(neighbours, "COMPILED", False)
    plain = summarise(x, y)
    torch.testing.assert_close(native.anchors, plain.anchors, atol=2e-4, rtol=1e-3)
    for name, group in native.tokens.items():
        torch.testing.assert_close(group, plain.tokens[name], atol=2e-4, rtol=1e-3, msg=name)


@pytest.mark.skipif(not counting.COMPILED, reason="built without a compiler")
def test_compiled_statistics_refuse_what_does_not_fit(monkeypatch):
    x, y = torch.zeros(1, 20, 2, dtype=torch.float64), torch.zeros(1, 20, 1, dtype=torch.float64)
    for name in ("mixing", "digammas", "_projections"):
        with monkeypatch.context() as patch:
            whole = getattr(compiled, name)
            patch.setattr(compiled, name, lambda *args, whole=whole: whole(*args)[1:])
            with pytest.raises(ValueError, match=r"got \d+ bytes"):
                summarise(x, y)
    with pytest.raises(ValueError, match="wanted at least 1, 8 and"):
        summarise(x[:, :7], y[:, :7])


@pytest.mark.skipif(not counting.COMPILED, reason="built without a compiler")
def test_compiled_counts_refuse_what_does_not_fit():
    def call(**changed):
        given = {
            "s": np.zeros((1, 2, 20), np.float32),
            "t": np.zeros((1, 1, 20), np.float32),
            "tied": np.zeros(2, np.int32),
            "k": np.array([1, 3, 8], np.int32),
            "widths": np.array([[2, 1]], np.int32),
            "tables": 1,
            "rows": 20,
            "euclidean": False,
            "relative": 0.0,
            "absolute": 0.0,
            "out": np.zeros((3, 1, 1, 20, 3), np.int32),
        }
        counting._native.counts(*(given | changed).values())

    call()
    for changed in (
        {"t": np.zeros(21, np.float32)},
        {"out": np.zeros(5, np.int32)},
        {"k": np.array([1, 3, 20], np.int32)},
        {"widths": np.array([[3, 1]], np.int32)},
        {"s": np.zeros((1, 4, 20), np.float32), "widths": np.array([[4, 1]], np.int32)},  # the largest of four
        {"tables": 0},
    ):
        with pytest.raises(ValueError, match="got"):
            call(**changed)


def test_leading_columns_share_distances_and_nothing_else(rng):
    s, t = (rng.normal(size=(5, 200, 3)) for _ in range(2))
    untied = np.zeros((5, 2), dtype=bool)
    for count, shared in zip((2, 3), ksg_leading(s, t, untied, 3), strict=True):
        np.testing.assert_array_equal(shared.nats, ksg(s[..., :count], t[..., :count], untied).nats)


def test_ties_give_the_plug_in_information_of_a_discrete_table(rng):
    x = rng.integers(0, 3, size=(4000, 1)).astype(float)
    y = np.where(rng.uniform(size=(4000, 1)) < 0.7, x, rng.integers(0, 3, size=(4000, 1)))
    counts = np.histogram2d(x[:, 0], y[:, 0], bins=3)[0] / 4000
    plug_in = (counts * np.log(counts / counts.sum(0) / counts.sum(1, keepdims=True))).sum()
    np.testing.assert_allclose(ksg(x[None], y[None], np.array([[True, True]])).nats, plug_in, atol=0.005)


@pytest.mark.parametrize("n", [500, 8000])
def test_a_label_and_a_continuous_column_have_no_ties_between_them(rng, n):
    """Ranks lie evenly: of many rows two are equally far but for the last digits, which are no ties."""
    x = rng.integers(0, 2, size=(n, 1)).astype(float)
    y = x + rng.uniform(0.0, 2.0, size=(n, 1))
    x, y = (
        side.numpy()
        for side in normal_scores(torch.from_numpy(np.concatenate([x, y], axis=1)[None])).normal.split(1, 2)
    )
    for s, t, tied in ((x, y, [True, False]), (y, x, [False, True])):
        np.testing.assert_allclose(ksg(s, t, np.array([tied])).nats, 0.5 * np.log(2), atol=3.0 / n**0.5)


@pytest.mark.parametrize(("levels_x", "levels_y"), [(2, 20), (2, 300), (60, 300), (20, 20)])
def test_ties_on_both_sides_show_no_dependence_that_is_not_there(rng, levels_x, levels_y):
    x, y = (rng.integers(0, levels, size=(30, 442, 1)).astype(float) for levels in (levels_x, levels_y))
    nats = ksg(x, y, np.ones((30, 2), dtype=bool)).nats
    assert (nats.mean(0) < 2 * nats.std(0) / 30**0.5).all()


def spun(v, speed):
    """Columns 0 and 1 turned by `speed` times the mean square of the row."""
    angle = speed * np.square(v).mean(1)
    one, two = v[:, 0].copy(), v[:, 1].copy()
    return np.column_stack(
        [np.cos(angle) * one - np.sin(angle) * two, np.sin(angle) * one + np.cos(angle) * two, v[:, 2:]]
    )


def test_turned_columns_find_what_a_spiral_hides(rng):
    x, y = gaussian_table(rng, 3000, 5, 5, rho=0.8)
    u, v = tensors(spun(x, 1.0), spun(y, -1.5))
    u, v = ((side - side.mean(1, keepdim=True)) / side.std(1, keepdim=True) for side in (u, v))
    plain = canonical.nats(canonical.directions(u, v, canonical.FLOOR, canonical.FLOOR).rho).sum()
    total = Swirl(u, v, torch.ones(1, 5, 5)).total[0]
    truth = -2.5 * np.log(1 - 0.8**2)
    assert plain < 0.75 * truth
    assert abs(total - truth) < 0.25 * truth  # radii of both sides go together: some of it counts twice


def test_turned_columns_of_independent_sides_show_little(rng):
    u, v = (torch.from_numpy(rng.normal(size=(20, 2000, 4))) for _ in range(2))
    assert Swirl(u, v, torch.ones(20, 4, 4)).total.mean() < 0.02


def test_many_periods_show_as_one_high_peak(rng):
    u = rng.uniform(size=(1, 600, 3))
    v = rng.uniform(size=(1, 600, 2))
    v[0, :, 1] = np.argsort(np.argsort(np.cos(10 * 2 * np.pi * u[0, :, 2]) + 0.3 * rng.normal(size=600))) / 600
    peak, fine = ripples(torch.from_numpy(u), torch.from_numpy(v))
    assert np.unravel_index(int(peak[0].argmax()), (3, 2)) == (2, 1)
    assert (surprising(peak, 600)[0] > 0).sum() == 1
    assert int(fine[0].argmax()) == int(peak[0].argmax())


def test_faithful_canonical_correlations_are_the_textbook_ones(rng):
    x, y = gaussian_table(rng, 2000, 3, 4)
    x, y = x - x.mean(0), y - y.mean(0)
    q_x, q_y = np.linalg.qr(x)[0], np.linalg.qr(y)[0]
    expected = np.linalg.svd(q_x.T @ q_y, compute_uv=False)
    fitted = canonical.directions(*tensors(x, y), canonical.FLOOR, canonical.FLOOR)
    np.testing.assert_allclose(fitted.rho[0].numpy(), expected, atol=1e-6)


def test_directions_make_unit_variates_with_these_correlations(rng):
    u, v = tensors(*gaussian_table(rng, 500, 5, 2))
    fitted = canonical.directions(u, v, canonical.FLOOR, canonical.FLOOR)
    s, t = u @ fitted.x, v @ fitted.y
    torch.testing.assert_close((s * t).mean(1), fitted.rho, atol=1e-5, rtol=0)
    torch.testing.assert_close(s.square().mean(1), torch.ones_like(fitted.rho), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("n", "d_x", "d_y"), [(9, 1, 1), (60, 4, 9), (501, 1, 1), (400, 6, 3)])
def test_moments_of_variates_are_the_same_with_and_without_the_variates(rng, n, d_x, d_y):
    both = torch.from_numpy(np.concatenate(gaussian_table(rng, n, d_x, d_y), axis=1))[None]
    fits = canonical.cross_fit(both, (d_x, d_y), (canonical.cautious,))
    for found, wanted in zip(
        vars(fits.moments()).values(), vars(canonical.Moments.of(*fits.variates())).values(), strict=True
    ):
        torch.testing.assert_close(found, wanted, atol=1e-10, rtol=1e-10)


def test_held_out_correlations_are_those_of_rows_that_were_not_fitted(rng):
    both = torch.from_numpy(np.concatenate(gaussian_table(rng, 200, 3, 2), axis=1))[None]
    fits = canonical.cross_fit(both, (3, 2), (canonical.cautious,))
    found = fits.moments().correlation()[0, :, 0]  # (2, C)
    for half, (fitted, others) in enumerate([(slice(0, 100), slice(100, 200)), (slice(100, 200), slice(0, 100))]):
        share_x, share_y = (canonical.cautious(100, d) for d in (3, 2))
        alone = canonical.directions(both[:, fitted, :3], both[:, fitted, 3:], share_x, share_y)
        s, t = both[0, others, :3] @ alone.x[0], both[0, others, 3:] @ alone.y[0]
        wanted = [np.corrcoef(s[:, c].numpy(), t[:, c].numpy())[0, 1] for c in range(2)]
        np.testing.assert_allclose(found[half].numpy(), wanted, atol=1e-10)


def test_one_column_a_side_needs_no_decomposition_to_give_the_same(rng):
    for rho in (0.0, -0.7, 1.0):
        x, y = gaussian_table(rng, 80, 1, 1, rho)
        both = torch.from_numpy(np.concatenate([x, y], axis=1))[None]
        found = canonical.cross_fit(both, (1, 1), (canonical.faithful, canonical.cautious)).fits[:, 0]
        for fit, shrink in zip(range(2), (canonical.faithful, canonical.cautious), strict=True):
            share = shrink(80, 1)
            wanted = canonical.directions(both[..., :1], both[..., 1:], share, share * (1 + 1e-12))  # the long way
            for one, other in zip(vars(found[fit]).values(), vars(wanted).values(), strict=True):
                torch.testing.assert_close(one, other, atol=1e-9, rtol=1e-9)


def test_gaussian_bias_is_the_mean_excess_at_independence(rng):
    n, d_x, d_y = 60, 3, 4
    x, y = (torch.from_numpy(rng.normal(size=(2000, n, d))) for d in (d_x, d_y))
    x, y = x - x.mean(1, keepdim=True), y - y.mean(1, keepdim=True)
    plug_in = canonical.nats(canonical.directions(x, y, 1e-9, 1e-9).rho).sum(1)
    error = plug_in.std() / len(plug_in) ** 0.5
    assert abs(plug_in.mean() - gaussian_bias(n, d_x, d_y)) < 4 * error


def test_matching_finds_the_pairs_whatever_their_shape(rng):
    x = rng.normal(size=(500, 4))
    y = np.stack([x[:, 2] ** 2, rng.normal(size=500), x[:, 0], np.cos(3 * x[:, 1])], axis=1)
    y = y + 0.2 * rng.normal(size=y.shape)
    batch = [torch.from_numpy(side)[None] for side in (x, y)]
    from mist.copula import normal_scores

    sides = [normal_scores(side) for side in batch]
    found = pairs.matched_pairs(*sides, pairs.coefficients(*(side.uniform for side in sides)))
    matches = set(zip(found.x[0].tolist(), found.y[0].tolist(), strict=True))
    assert {(2, 0), (0, 2), (1, 3)} <= matches


@pytest.mark.parametrize(("n", "d_x", "d_y"), SHAPES)
def test_tokens_have_their_declared_sizes_and_are_finite(rng, n, d_x, d_y):
    batch = summarise(*tensors(*gaussian_table(rng, n, d_x, d_y)))
    assert {name: group.shape[2] for name, group in batch.tokens.items()} == GROUPS
    assert batch.anchors.shape == (1, ANCHORS)
    assert all(torch.isfinite(group).all() for group in batch.tokens.values())
    assert (batch.anchors >= 0).all()


@pytest.mark.parametrize(("n", "d_x", "d_y"), SHAPES)
def test_tokens_do_not_see_order_sides_or_increasing_maps(rng, n, d_x, d_y):
    x, y = gaussian_table(rng, n, d_x, d_y)
    rows, columns_x, columns_y = rng.permutation(n), rng.permutation(d_x), rng.permutation(d_y)
    one = summarise(*tensors(x, y))
    two = summarise(*tensors(np.exp(y[rows][:, columns_y]), x[rows][:, columns_x] ** 3))
    for name, group in one.tokens.items():
        torch.testing.assert_close(group, two.tokens[name], atol=1e-5, rtol=0, msg=name)
    torch.testing.assert_close(one.anchors, two.anchors, atol=1e-5, rtol=0)


def test_a_batch_answers_as_its_tables_alone(rng):
    x, y = rng.normal(size=(3, 150, 2)), rng.normal(size=(3, 150, 4))
    together = summarise(torch.from_numpy(x), torch.from_numpy(y))
    for index in range(3):
        alone = summarise(*tensors(x[index], y[index]))
        for name, group in alone.tokens.items():
            torch.testing.assert_close(group[0], together.tokens[name][index], atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(50, 2, 2), (300, 1, 3)])
def test_constants_and_ties_stay_finite(rng, shape):
    n, d_x, d_y = shape
    x, y = rng.integers(0, 2, size=(n, d_x)).astype(float), rng.normal(size=(n, d_y))
    x[:, 0] = 7.0
    y[:, 0] = np.round(y[:, 0])
    batch = summarise(*tensors(x, y))
    assert all(torch.isfinite(group).all() for group in batch.tokens.values())


def test_soft_ranks_carry_a_gradient_that_points_towards_dependence(rng):
    x, y = gaussian_table(rng, 200, 2, 2)
    left, right = (side.requires_grad_() for side in tensors(x, y))
    batch = summarise(left, right, differentiable=True)
    batch.anchors[0, 0].backward()
    assert torch.isfinite(left.grad).all()
    moved = summarise(left.detach() + 0.05 * left.grad / left.grad.abs().max(), right.detach())
    assert moved.anchors[0, 0] > summarise(left.detach(), right.detach()).anchors[0, 0]
