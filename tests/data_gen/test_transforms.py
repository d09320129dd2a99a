"""Laws that every transform keeps: shapes, determinism, JSON, injectivity."""

import json
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from data_gen.errors import DataGenError
from data_gen.registry import TRANSFORMS
from data_gen.rng import seeded
from data_gen.transforms.base import Transform
from data_gen.transforms.pointwise import Pointwise

NAMES = TRANSFORMS.names()
CASES = [(name, d) for name in NAMES for d in (1, 2, 5) if name != "swiss_roll" or d == 1]
INCREASING = [name for name in NAMES if issubclass(TRANSFORMS.get(name), Pointwise)] + ["bimodal", "mixed_pointwise"]


def drawn(name: str, d: int, seed: int = 0) -> Transform:
    return TRANSFORMS.get(name).draw(seeded(seed), d)


def rows(name: str, n: int, d: int) -> np.ndarray:
    """Return rows of the widest tails that the transform accepts."""
    if name == "swiss_roll":
        return seeded(4).uniform(size=(n, d))
    if "heavy" in TRANSFORMS.get(name).accepts:
        return seeded(4).standard_t(1.5, size=(n, d))
    return seeded(4).standard_normal((n, d))


@pytest.mark.parametrize(("name", "d"), CASES)
def test_shape_finite_and_same_again(name: str, d: int) -> None:
    transform, v = drawn(name, d), rows(name, 200, d)
    before = v.copy()
    out = transform.apply(seeded(1), v)
    assert out.shape == (200, transform.d_out)
    assert np.isfinite(out.astype(np.float32)).all()
    np.testing.assert_array_equal(v, before)
    np.testing.assert_array_equal(out, transform.apply(seeded(1), v))
    assert transform == drawn(name, d)


@pytest.mark.parametrize(("name", "d"), CASES)
def test_rows_stay_distinct_in_float32(name: str, d: int) -> None:
    for seed in range(5):
        v = rows(name, 300, d)
        out = drawn(name, d, seed).apply(seeded(1), v).astype(np.float32)
        assert len(np.unique(out, axis=0)) == len(v)


@pytest.mark.parametrize(("name", "d"), CASES)
def test_rows_are_mapped_one_by_one(name: str, d: int) -> None:
    if name == "noise_columns":
        return
    transform, v = drawn(name, d), rows(name, 50, d)
    order = seeded(2).permutation(50)
    shuffled = transform.apply(seeded(1), v[order])
    np.testing.assert_allclose(shuffled, transform.apply(seeded(1), v)[order], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("name", "d"), CASES)
def test_round_trip_through_json(name: str, d: int) -> None:
    transform = drawn(name, d)
    read = TRANSFORMS.get(name).from_params(json.loads(json.dumps(transform.params(), allow_nan=False)))
    assert read == transform


@pytest.mark.parametrize("name", INCREASING)
def test_pointwise_maps_increase_strictly(name: str) -> None:
    reach = 5.0 if TRANSFORMS.get(name).accepts == ("unit",) else 30.0
    t = np.linspace(-reach, reach, 4001)[:, None] * np.ones(3)
    for seed in range(5):
        out = drawn(name, 3, seed).apply(seeded(1), t)
        assert (np.diff(out, axis=0) > 0).all()


def test_bimodal_margins_are_the_mixture() -> None:
    bimodal = TRANSFORMS.get("bimodal").from_params({"d_in": 1, "weight": 0.3, "left": 0.0, "right": 5.0})
    v = np.array([[-4.0], [-1.0], [0.0], [0.7], [4.5]])
    out = bimodal.apply(seeded(0), v)
    chance = 0.3 * stats.norm.cdf(out) + 0.7 * stats.norm.cdf(out - 5)
    np.testing.assert_allclose(chance, stats.norm.cdf(v), rtol=1e-9)


@pytest.mark.parametrize("name", ["rotation", "linear"])
def test_linear_maps_are_well_conditioned(name: str) -> None:
    for d in (1, 2, 7, 32):
        singular = np.linalg.svd(drawn(name, d).apply(seeded(1), np.eye(d)), compute_uv=False)
        assert singular.max() / singular.min() <= (1 + 1e-9 if name == "rotation" else 30)


@pytest.mark.parametrize("name", ["spiral", "swirl"])
def test_turning_keeps_the_radius_and_can_be_undone(name: str) -> None:
    v = seeded(3).standard_normal((100, 4))
    turn = drawn(name, 4)
    out = turn.apply(seeded(0), v)
    np.testing.assert_allclose(np.linalg.norm(out, axis=1), np.linalg.norm(v, axis=1))
    back = type(turn).from_params({**turn.params(), "speed": -turn.speed})
    np.testing.assert_allclose(back.apply(seeded(0), out), v, atol=1e-12)


def test_spiral_and_swiss_roll_as_published() -> None:
    spiral = TRANSFORMS.get("spiral").from_params({"d_in": 3, "first": 0, "second": 1, "speed": 1.0})
    v = np.array([[1.0, 2.0, -1.0]])
    angle = 6 / 3
    expected = [np.cos(angle) - 2 * np.sin(angle), np.sin(angle) + 2 * np.cos(angle), -1.0]
    np.testing.assert_allclose(spiral.apply(seeded(0), v)[0], expected)
    roll = TRANSFORMS.get("swiss_roll").from_params({"d_in": 1})
    ends = np.pi * np.array([[0.0, -1.5], [-3.0, 0.0], [0.0, 4.5]]) / 21  # at t = 1.5 pi, 3 pi, 4.5 pi
    np.testing.assert_allclose(roll.apply(seeded(0), np.array([[0.0], [0.5], [1.0]])), ends, atol=1e-12)


def test_noise_columns_keep_the_others() -> None:
    v = seeded(3).standard_normal((50, 3))
    out = drawn("noise_columns", 3).apply(seeded(1), v)
    for column in v.T:
        assert (out == column[:, None]).all(axis=0).sum() == 1


def test_noise_columns_can_have_ties() -> None:
    noise = TRANSFORMS.get("noise_columns").from_params({"d_in": 1, "count": 8, "law": "tied", "seed": 3})
    out = noise.apply(seeded(1), np.full((400, 1), 0.5))
    assert sum(len(np.unique(column)) < 300 for column in out.T) >= 8


def test_redundant_columns_keep_the_others_and_add_functions_of_them() -> None:
    v = seeded(3).standard_normal((500, 3))
    kinds = ["copy", "negative", "sum", "difference", "square", "sine", "product", "rounded"]
    redundant = TRANSFORMS.get("redundant_columns").from_params({"d_in": 3, "kinds": kinds, "seed": 2})
    out = redundant.apply(seeded(1), v)
    assert out.shape == (500, 11)
    kept = [(out == column[:, None]).all(axis=0).sum() for column in v.T]
    assert min(kept) == 1
    assert sum(kept) == 4  # one is copied
    np.testing.assert_array_equal(redundant.apply(seeded(2), v), out)


@pytest.mark.parametrize("d", [1, 2, 5])
@pytest.mark.parametrize("kind", ["affine", "spline", "autoregressive"])
def test_flows_can_be_inverted(kind: str, d: int) -> None:
    v = seeded(3).standard_normal((200, d))
    for seed in range(3):
        flow = TRANSFORMS.get("flow").from_params({"d_in": d, "kind": kind, "layers": 3, "gain": 1.0, "seed": seed})
        out = flow.apply(seeded(0), v)
        np.testing.assert_allclose(flow.invert(out), v, atol=1e-5)
        assert np.abs(out - v).max() > 0.1


def test_flows_bend() -> None:
    """A flow with nothing but rotations would be linear; the best linear map must leave a visible rest."""
    v = seeded(3).standard_normal((2000, 4))
    for kind in ("affine", "spline", "autoregressive"):
        flow = TRANSFORMS.get("flow").from_params({"d_in": 4, "kind": kind, "layers": 3, "gain": 1.0, "seed": 7})
        out = flow.apply(seeded(0), v)
        design = np.concatenate([v, np.ones((len(v), 1))], axis=1)
        rest = out - design @ np.linalg.lstsq(design, out)[0]
        assert rest.var() > 0.02 * out.var()


def test_flows_leave_the_global_generator_alone() -> None:
    import torch

    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    threads = torch.get_num_threads()
    drawn("flow", 3, 11).apply(seeded(0), np.zeros((3, 3)))
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.get_num_threads() == threads


def test_specs_without_a_flow_do_not_import_torch() -> None:
    code = (
        "import sys, data_gen.prior as p, data_gen.rng as r;"
        "rng = r.seeded(0); prior = p.preset('tiny').prior;"
        "prior.draw(rng, p.Shape(20, 2, 2)); sys.exit('torch' in sys.modules or 'nflows' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("rotation", {"d_in": 0, "seed": 1}, "d_in >= 1"),
        ("linear", {"d_in": 2, "condition": 0.5, "seed": 1}, "condition >= 1"),
        ("noise_columns", {"d_in": 2, "count": 0, "law": "normal", "seed": 1}, "count >= 1"),
        ("redundant_columns", {"d_in": 2, "kinds": ["cube"], "seed": 1}, "one or more kinds"),
        ("spiral", {"d_in": 2, "first": 1, "second": 1, "speed": 1.0}, "two different columns"),
        ("swiss_roll", {"d_in": 2}, "one column"),
        ("bimodal", {"d_in": 2, "weight": 0.5, "left": 2.0, "right": 1.0}, "left < right"),
        ("mixed_pointwise", {"d_in": 2, "curves": ["asinh"]}, "curves must name 2"),
        ("flow", {"d_in": 2, "kind": "radial", "layers": 2, "gain": 1.0, "seed": 1}, "a kind of affine"),
        ("rotation", {"d_in": 2}, "misses ..seed"),
    ],
)
def test_impossible_fields_are_refused(name: str, params: dict, message: str) -> None:
    with pytest.raises(DataGenError, match=message):
        TRANSFORMS.get(name).from_params(params)
