"""Quadratures against closed forms and against themselves at twice the resolution."""

import numpy as np
import pytest
from scipy import integrate, stats

from data_gen.errors import DataGenError
from data_gen.families import noisy_function
from data_gen.quadrature import channel_nats, label_nats, latent_nats, lattice
from data_gen.registry import FAMILIES
from data_gen.rng import seeded


@pytest.mark.parametrize("scale", [0.03, 0.1, 1.0, 20.0])
def test_channel_of_normal_values(scale: float) -> None:
    values = stats.norm.ppf(lattice(50_000, 1))[:, 0]
    assert channel_nats(values, scale, "normal") == pytest.approx(0.5 * np.log1p(scale**-2), abs=2e-4)


@pytest.mark.parametrize("noise", ["normal", "laplace"])
@pytest.mark.parametrize("scale", [0.05, 0.3, 2.0])
@pytest.mark.parametrize("shift", [0.0, 0.013, 0.171])
def test_channel_of_two_values(scale: float, noise: str, shift: float) -> None:
    values = np.array([0.0, 1.0 + shift])
    law = getattr(stats, "norm" if noise == "normal" else noise)

    def integrand(v: float) -> float:
        p = 0.5 * law.pdf(v, loc=values, scale=scale).sum()
        return -p * np.log(p) if p > 0 else 0.0

    reach = 30 * scale
    entropy = integrate.quad(integrand, -reach, 1 + shift + reach, points=[0, 0.5, 1 + shift], limit=500)[0]
    truth = entropy - law.entropy(scale=scale)
    assert channel_nats(values, scale, noise) == pytest.approx(truth, abs=5e-4)


@pytest.mark.parametrize("scale", [0.05, 0.3, 2.0])
def test_latent_line_is_the_normal_pair(scale: float) -> None:
    """Two noisy views of one standard normal latent correlate by 1 / (1 + scale^2)."""
    latent = np.linspace(-8, 8, int(16 / min(scale, 0.5)) * 2)
    weights = stats.norm.pdf(latent)
    side = latent, np.full(len(latent), scale)
    rho = 1 / (1 + scale**2)
    assert latent_nats(weights / weights.sum(), side, side) == pytest.approx(-0.5 * np.log1p(-(rho**2)), abs=1e-6)


def test_label_of_two_clouds() -> None:
    two = label_nats(np.array([0.5, 0.5]), np.array([0.0, 0.8]), np.ones(2))
    assert two == pytest.approx(channel_nats(np.array([0.0, 0.8]), 1.0, "normal"), abs=1e-4)
    assert label_nats(np.array([0.3, 0.7]), np.array([0.0, 100.0]), np.ones(2)) == pytest.approx(0.6109, abs=1e-4)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_lattice_is_even(d: int) -> None:
    points = lattice(4096, d)
    assert points.shape == (4096, d)
    assert ((points > 0) & (points < 1)).all()
    assert np.abs(np.histogramdd(points, bins=3)[0] / 4096 * 3**d - 1).max() < 0.1


@pytest.mark.parametrize("name", [name for name in FAMILIES.names() if hasattr(FAMILIES.get(name), "most_inputs")])
def test_functions_have_converged(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for aim in (0.1, 1.0, 3.0):
        family = FAMILIES.get(name).draw(seeded(4), 3, 3, aim)
        coarse = family.truth().nats
        with monkeypatch.context() as patch:
            patch.setattr(noisy_function, "_summary_values", noisy_function._summary_values.__wrapped__)
            patch.setattr(noisy_function, "_POINTS", 4 * noisy_function._POINTS)
            assert family.truth().nats == pytest.approx(coarse, abs=1e-3)


def test_unknown_noise_is_refused() -> None:
    with pytest.raises(DataGenError, match="unknown noise 'pink'; known: normal, laplace"):
        channel_nats(np.zeros(3), 1.0, "pink")
