"""Specs: data that builds a distribution, equal by their JSON."""

import numpy as np
import pytest

from data_gen.errors import DataGenError
from data_gen.families.gaussian import Sparse
from data_gen.registry import FAMILIES, TRANSFORMS, Registry
from data_gen.rng import seeded
from data_gen.spec import Joint, Spec

SPARSE = {"d_x": 2, "d_y": 3, "interacting": 2, "strength": 2.0}


def test_maps_leave_the_truth_and_give_the_width() -> None:
    spec = Spec(
        "gaussian_sparse",
        SPARSE,
        (("asinh", {"d_in": 2}), ("noise_columns", {"d_in": 2, "count": 3, "law": "normal", "seed": 1})),
        (("rotation", {"d_in": 3, "seed": 2}),),
    )
    joint = spec.build()
    assert (joint.d_x, joint.d_y) == (5, 3)
    x, y = joint.sample(seeded(0), 30)
    assert (x.shape, y.shape) == ((30, 5), (30, 3))
    assert joint.truth() == Spec("gaussian_sparse", SPARSE).build().truth()


def test_maps_really_leave_the_information() -> None:
    """The canonical correlations of a sample are those of the law, whatever linear maps hide them."""
    spec = Spec("gaussian_sparse", SPARSE, (("linear", {"d_in": 2, "condition": 9.0, "seed": 1}),))
    x, y = spec.build().sample(seeded(0), 40_000)
    cov = np.cov(np.concatenate([x, y], axis=1).T)
    logdet = [np.linalg.slogdet(part)[1] for part in (cov[:2, :2], cov[2:, 2:], cov)]
    assert 0.5 * (logdet[0] + logdet[1] - logdet[2]) == pytest.approx(1.0217, abs=0.03)


def test_equal_specs_are_equal_and_hash_alike() -> None:
    one = Spec("gaussian_sparse", SPARSE)
    other = Spec.from_json(Spec("gaussian_sparse", dict(reversed(SPARSE.items()))).to_json())
    assert one == other
    assert len({one, other, Spec("gaussian_sparse", {**SPARSE, "strength": 2.5})}) == 2
    assert one.build().family == Sparse(**SPARSE)
    assert Spec.of(Sparse(**SPARSE)) == one


def test_json_is_canonical_and_exact() -> None:
    spec = Spec("gaussian_dense", {"d_x": 1, "d_y": 1, "rho": 0.1 + 0.2})
    text = '{"family":"gaussian_dense","params":{"d_x":1,"d_y":1,"rho":0.30000000000000004},'
    assert spec.to_json() == text + '"x_transforms":[],"y_transforms":[]}'
    assert Spec.from_json(spec.to_json()).params["rho"] == 0.1 + 0.2


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (Spec("gausian", SPARSE), "unknown family 'gausian'; known: additive_noise"),
        (Spec("gaussian_sparse", SPARSE, (("squeeze", {}),)), "unknown transform 'squeeze'; known: asinh"),
        (Spec("gaussian_sparse", {"d_x": 2}), "misses .*d_y"),
        (Spec("gaussian_sparse", SPARSE, (("asinh", {"d_in": 3}),)), "'asinh' of x takes 3 columns but gets 2"),
        (Spec("gaussian_sparse", SPARSE, (), (("asinh", {"d_in": 2}),)), "of y takes 2 columns but gets 3"),
    ],
)
def test_specs_that_cannot_be_built(spec: Spec, message: str) -> None:
    with pytest.raises(DataGenError, match=message):
        spec.build()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"family": 1, "params": {}, "x_transforms": 3, "y_transforms": []}'])
def test_text_that_is_no_spec(text: str) -> None:
    with pytest.raises(DataGenError, match="not the JSON of a spec"):
        Spec.from_json(text)


def test_no_numbers_that_json_lacks() -> None:
    with pytest.raises(ValueError, match="JSON"):
        Spec("gaussian_dense", {"rho": float("nan")}).to_json()


def test_a_name_is_given_once() -> None:
    registry: Registry = Registry("thing")
    registry.register("one")(int.__class__("Thing", (), {}))
    with pytest.raises(DataGenError, match="thing 'one' is registered already"):
        registry.register("one")(int.__class__("Other", (), {}))


def test_registered_classes_know_their_names() -> None:
    for registry in (FAMILIES, TRANSFORMS):
        assert all(registry.get(name).name == name for name in registry.names())


def test_a_joint_without_maps_is_its_family() -> None:
    joint = Joint(Sparse(**SPARSE))
    for ours, theirs in zip(joint.sample(seeded(3), 5), joint.family.sample(seeded(3), 5), strict=True):
        np.testing.assert_array_equal(ours, theirs)
