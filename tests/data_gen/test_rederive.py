"""Truths from rows alone: right for normal laws, silent on others."""

import numpy as np
import pytest

from data_gen.families.gaussian import Gaussian
from data_gen.rederive import sampled_truth
from data_gen.registry import FAMILIES
from data_gen.rng import seeded

NORMAL = [name for name in FAMILIES.names() if issubclass(FAMILIES.get(name), Gaussian)]


@pytest.mark.parametrize("name", NORMAL)
def test_truth_of_a_normal_law_follows_from_its_rows(name: str) -> None:
    rng = seeded(7)
    scores = []
    for d_x, d_y, aim in ((1, 1, 0.05), (3, 7, 1.0), (20, 12, 3.0)):
        family = FAMILIES.get(name).draw(rng, d_x, d_y, aim)
        sampled = sampled_truth(family, rng)
        assert sampled is not None
        scores.append((sampled.nats - family.truth().nats) / sampled.stderr)
    assert np.abs(scores).max() < 4


def test_standard_error_is_that_of_repeated_samples() -> None:
    family = FAMILIES.get("gaussian_dense").draw(seeded(1), 6, 4, 0.5)
    samples = [sampled_truth(family, seeded(seed)) for seed in range(60)]
    nats = np.array([sample.nats for sample in samples if sample])
    stderr = np.mean([sample.stderr for sample in samples if sample])
    assert nats.std() == pytest.approx(stderr, rel=4 / np.sqrt(2 * 60))
    assert abs(nats.mean() - family.truth().nats) < 4 * stderr / np.sqrt(60)


def test_other_laws_are_left_to_their_tests() -> None:
    assert sampled_truth(FAMILIES.get("clayton").draw(seeded(0), 1, 1), seeded(0)) is None
