"""The truths of normal, Student and additive laws against covariances, densities and quadrature."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import integrate, stats

from data_gen.errors import DataGenError
from data_gen.families.base import Family
from data_gen.registry import FAMILIES
from data_gen.rng import seeded


def dispersion(family: Family) -> np.ndarray:
    """Return the covariance of a normal family, written down from its definition entry by entry."""
    p, d_x, d_y = family.params(), family.d_x, family.d_y
    if family.name.endswith("dense"):
        return p["rho"] + (1 - p["rho"]) * np.eye(d_x + d_y)
    if family.name.endswith("toeplitz"):
        places = seeded(p["seed"]).permutation(d_x + d_y) if p["shuffled"] else np.arange(d_x + d_y)
        places = np.concatenate([np.sort(places[:d_x]), np.sort(places[d_x:])])
        return p["rho"] ** np.abs(places[:, None] - places)
    if family.name.endswith("blocks"):
        block = np.concatenate(
            [np.repeat(np.arange(len(p["blocks"])), [b[side] for b in p["blocks"]]) for side in (0, 1)]
        )
        rho = np.array([b[2] for b in p["blocks"]])
        return np.where(block[:, None] == block, rho[block], 0.0) * (1 - np.eye(d_x + d_y)) + np.eye(d_x + d_y)
    if family.name.endswith("factors"):
        loadings = p["strength"] * np.concatenate(family._loadings())
        return scaled(loadings @ loadings.T + np.eye(d_x + d_y))
    if family.name.endswith("wishart"):
        rows = seeded(p["seed"]).standard_normal((d_x + d_y, d_x + d_y + p["excess"]))
        cov = scaled(rows @ rows.T)
        cov[:d_x, d_x:] *= p["coupling"]
        cov[d_x:, :d_x] *= p["coupling"]
        return cov
    cov = np.eye(d_x + d_y)
    for i in range(p["interacting"]):
        rho = p["strength"] ** 2 / (1 + p["strength"] ** 2) if "strength" in p else 0.0
        cov[i, d_x + i] = cov[d_x + i, i] = rho
    if "lam" not in p:
        return cov
    # The latent variable model: loadings on (U, U_X, U_Y, Z_1.., own noise of each column).
    k = p["interacting"]
    loadings = np.zeros((d_x + d_y, 3 + k + 2 * (d_x + d_y)))
    for row in range(d_x + d_y):
        i, on_y = (row, False) if row < d_x else (row - d_x, True)
        loadings[row, 0], loadings[row, 2 if on_y else 1] = p["alpha"], p["beta"]
        loadings[row, 3 + k + row] = 1.0
        if i < k:
            loadings[row, 3 + i] = p["lam"]
        else:
            loadings[row, 3 + k + d_x + d_y + row] = p["eta"]
    return scaled(loadings @ loadings.T)


def scaled(cov: np.ndarray) -> np.ndarray:
    """Return a dispersion with unit variances."""
    scale = np.sqrt(np.diag(cov))
    return cov / np.outer(scale, scale)


def normal_nats(cov: np.ndarray, d_x: int) -> float:
    parts = (cov[:d_x, :d_x], cov[d_x:, d_x:], cov)
    x, y, both = (np.linalg.slogdet(part)[1] for part in parts)
    return 0.5 * (x + y - both)


DISPERSIONS = ("blocks", "dense", "factors", "lvm", "sparse", "toeplitz", "two_pairs", "wishart")
GAUSSIAN = tuple(f"gaussian_{name}" for name in DISPERSIONS)


@pytest.mark.parametrize("name", GAUSSIAN)
def test_gaussian_truth_is_that_of_its_covariance(
    name: str, shape: tuple[int, int], aim: float | None, drawn: Callable[..., Family]
) -> None:
    family = drawn(name, *shape, aim)
    assert family.truth().nats == pytest.approx(normal_nats(dispersion(family), family.d_x), abs=1e-8)


@pytest.mark.parametrize("name", [*GAUSSIAN, "gaussian_spectrum", "gaussian_weak"])
def test_gaussian_samples_have_the_stated_law(name: str, shape: tuple[int, int], drawn: Callable[..., Family]) -> None:
    n = 20_000
    family = drawn(name, *shape, 0.8)
    rows = np.concatenate(family.sample(seeded(5), n), axis=1)
    cov = np.cov(rows.T)
    if name in GAUSSIAN:
        np.testing.assert_allclose(cov, dispersion(family), atol=5 * np.sqrt(2 / n))
    d = sum(shape)
    # The plug-in MI of a normal sample has bias d_x d_y / (2 n) and variance about sum rho^2 / n.
    bias = shape[0] * shape[1] / (2 * n)
    assert normal_nats(cov, shape[0]) - bias == pytest.approx(family.truth().nats, abs=5 * np.sqrt(min(shape) / n))
    assert stats.kstest(rows[:, d - 1], "norm").pvalue > 1e-4


def student_pointwise(family: Family, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    gaussian = type(family).law.from_params({"d_x": family.d_x, "d_y": family.d_y, **family.dispersion})
    cov = dispersion(gaussian)
    both = stats.multivariate_t(np.zeros(len(cov)), cov, df=family.df).logpdf(np.concatenate([x, y], axis=1))
    sides = [(x, cov[: family.d_x, : family.d_x]), (y, cov[family.d_x :, family.d_x :])]
    return both - sum(stats.multivariate_t(np.zeros(len(c)), c, df=family.df).logpdf(v) for v, c in sides)


@pytest.mark.parametrize("name", [f"student_{name}" for name in (*DISPERSIONS, "identity")])
def test_student_truth_is_the_mean_pointwise_information(
    name: str, shape: tuple[int, int], aim: float | None, drawn: Callable[..., Family]
) -> None:
    family = drawn(name, *shape, aim)
    values = student_pointwise(family, *family.sample(seeded(2), 20_000))
    assert values.mean() == pytest.approx(family.truth().nats, abs=4 * values.std() / np.sqrt(len(values)))


@pytest.mark.parametrize("eps", [0.1, 0.4, 0.5, 0.75, 3.0])
def test_additive_noise_truth_by_quadrature(eps: float) -> None:
    def density(t: float) -> float:
        return max(0.0, min(1.0, t + eps) - max(0.0, t - eps)) / (2 * eps)

    entropy = integrate.quad(
        lambda t: -density(t) * np.log(density(t)) if density(t) > 0 else 0.0,
        -eps,
        1 + eps,
        points=sorted({eps, 1 - eps}),
        limit=200,
    )[0]
    family = FAMILIES.get("additive_noise").from_params({"d_x": 1, "d_y": 1, "eps": [eps]})
    assert family.truth().nats == pytest.approx(entropy - np.log(2 * eps), abs=1e-6)


def test_additive_noise_adds_its_pairs() -> None:
    pairs = [FAMILIES.get("additive_noise").from_params({"d_x": 2, "d_y": 3, "eps": eps}) for eps in ([0.3], [2.0])]
    both = FAMILIES.get("additive_noise").from_params({"d_x": 2, "d_y": 3, "eps": [0.3, 2.0]})
    assert both.truth().nats == pytest.approx(sum(pair.truth().nats for pair in pairs))
    x, y = both.sample(seeded(0), 5000)
    assert (np.abs(y[:, :2] - x) <= [0.3, 2.0]).all()
    assert np.abs(y[:, :2] - x).max(axis=0) == pytest.approx([0.3, 2.0], rel=0.01)


def test_student_spectrum_adds_the_common_scale(drawn: Callable[..., Family]) -> None:
    student = drawn("student_spectrum", 4, 3, 2.0)
    normal = FAMILIES.get("gaussian_spectrum").from_params({"d_x": 4, "d_y": 3, **student.dispersion})
    identity = FAMILIES.get("student_identity").from_params(
        {"d_x": 4, "d_y": 3, "df": student.df, "dispersion": {"rho": 0.0}}
    )
    assert student.truth().nats == pytest.approx(normal.truth().nats + identity.truth().nats)


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("gaussian_toeplitz", {"rho": 1.0, "shuffled": True, "seed": 1}, "-1 < rho < 1"),
        ("gaussian_blocks", {"blocks": [[1, 1, 0.5]]}, "blocks of .2, 2. columns"),
        ("gaussian_factors", {"factors": 0, "strength": 1.0, "density": 1.0, "seed": 1}, "factors >= 1"),
        ("gaussian_wishart", {"excess": 0, "coupling": 0.5, "seed": 1}, "excess >= 1"),
    ],
)
def test_impossible_dispersions_are_refused(name: str, params: dict, message: str) -> None:
    with pytest.raises(DataGenError, match=message):
        FAMILIES.get(name).from_params({"d_x": 2, "d_y": 2, **params})
