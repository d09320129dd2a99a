"""Laws that every family keeps, and its truth against an independent computation."""

import json
from collections.abc import Callable

import numpy as np
import pytest

from data_gen.errors import DataGenError
from data_gen.families.base import Family
from data_gen.registry import FAMILIES
from data_gen.rng import seeded
from data_gen.spec import Spec

NAMES = FAMILIES.names()


# --- laws of all families -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_shapes_finite_and_same_again(
    name: str, shape: tuple[int, int], aim: float | None, drawn: Callable[..., Family]
) -> None:
    family = drawn(name, *shape, aim)
    x, y = family.sample(seeded(1), 40)
    assert (x.shape, y.shape) == ((40, shape[0]), (40, shape[1]))
    assert x.dtype == y.dtype == np.float64
    assert np.isfinite(x.astype(np.float32)).all()
    assert np.isfinite(y.astype(np.float32)).all()
    again = family.sample(seeded(1), 40)
    np.testing.assert_array_equal(x, again[0])
    np.testing.assert_array_equal(y, again[1])
    assert family == drawn(name, *shape, aim)


@pytest.mark.parametrize("name", NAMES)
def test_round_trip_through_json(name: str, aim: float | None, drawn: Callable[..., Family]) -> None:
    family = drawn(name, 3, 4, aim)
    spec = Spec.of(family)
    read = Spec.from_json(spec.to_json())
    assert read == spec
    assert read.build().family == family
    assert read.build().truth() == family.truth()
    json.dumps(family.params(), allow_nan=False)


@pytest.mark.parametrize("name", NAMES)
def test_truth_is_sane(name: str, shape: tuple[int, int], drawn: Callable[..., Family]) -> None:
    for aim in (None, 0.05, 0.8, 3.0):
        truth = drawn(name, *shape, aim).truth()
        assert np.isfinite(truth.nats)
        assert truth.nats >= 0
        assert 0 <= truth.stderr < (0.02 if name == "product" else 0.01)  # blocks add their errors


@pytest.mark.parametrize("name", NAMES)
def test_impossible_dimensions_are_refused(name: str, drawn: Callable[..., Family]) -> None:
    params = {**drawn(name, 2, 2, None).params(), "d_x": 0}
    with pytest.raises(DataGenError, match="d_x"):
        FAMILIES.get(name).from_params(params)


@pytest.mark.parametrize("name", NAMES)
def test_unknown_fields_are_refused(name: str, drawn: Callable[..., Family]) -> None:
    params = {**drawn(name, 2, 2, None).params(), "colour": 1}
    with pytest.raises(DataGenError, match=r"unknown fields .*colour"):
        FAMILIES.get(name).from_params(params)


# --- values from the literature (BMI benchmark, Czyz et al. 2023), to four digits -----------------------------------

BMI = [
    *[("gaussian_dense", {"d_x": d, "d_y": d, "rho": 0.5}, mi) for d, mi in ((2, 0.2939), (3, 0.4133), (5, 0.5928))],
    *[("gaussian_dense", {"d_x": d, "d_y": d, "rho": 0.5}, mi) for d, mi in ((25, 1.2922), (50, 1.6243))],
    ("gaussian_dense", {"d_x": 1, "d_y": 1, "rho": 0.75}, 0.4133),
    ("gaussian_two_pairs", {"d_x": 5, "d_y": 5, "interacting": 2, "strength": 2.0}, 1.0217),
    ("gaussian_spectrum", {"d_x": 2, "d_y": 2, "correlations": [0.8, 0.8], "seed": 1}, 1.0217),
    (
        "gaussian_lvm",
        {"d_x": 3, "d_y": 3, "interacting": 2, "alpha": 0.0, "lam": 2.0, "beta": 0.0, "eta": 2.0},
        1.0217,
    ),
    ("additive_noise", {"d_x": 1, "d_y": 1, "eps": [0.1]}, 1.7094),
    ("additive_noise", {"d_x": 1, "d_y": 1, "eps": [0.75]}, 0.3333),
    *[
        ("student_identity", {"d_x": d, "d_y": d, "df": df, "dispersion": {"rho": 0.0}}, mi)
        for df, d, mi in (
            (1, 1, 0.2242),
            (1, 2, 0.4319),
            (2, 2, 0.1931),
            (2, 3, 0.2909),
            (3, 3, 0.1787),
            (2, 5, 0.4482),
            (3, 5, 0.2985),
        )
    ],
]


@pytest.mark.parametrize(("name", "params", "nats"), BMI)
def test_literature_values(name: str, params: dict, nats: float) -> None:
    assert round(FAMILIES.get(name).from_params(params).truth().nats, 4) == pytest.approx(nats, abs=1e-9)
