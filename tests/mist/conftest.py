"""A checkpoint that any test may load: the real network with arbitrary weights and a calibration."""

import numpy as np
import pytest
import torch

import mist
from mist.calibration import Outcomes
from mist.checkpoint import Checkpoint, save
from mist.conformal import fit
from mist.network import Network, NetworkConfig
from mist.prepare import Limits
from mist.quantiles import LEVELS


def outcomes(count: int, seed: int) -> Outcomes:
    rng = np.random.default_rng(seed)
    quantiles = np.sort(rng.exponential(size=(count, len(LEVELS))), axis=1)
    sizes = rng.integers(8, 500, size=count), rng.integers(2, 9, size=count)
    return Outcomes(
        *map(torch.from_numpy, (quantiles, rng.exponential(size=count), *sizes, rng.exponential(size=count)))
    )


@pytest.fixture(scope="session")
def trained() -> Checkpoint:
    """Weights of no meaning, but fixed: laws of shape, order and error need no more."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Network(NetworkConfig(width=16, depth=1, heads=2, row_width=8, row_queries=2))
        for parameter in network.levels.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
    calibration = fit(outcomes(400, 0), shifted={"other laws": outcomes(400, 1)})
    return Checkpoint(network.eval(), calibration, Limits(10, 5000, 8), {"made by": "tests"}, "# A card\n")


@pytest.fixture(scope="session")
def folder(trained, tmp_path_factory):
    return save(tmp_path_factory.mktemp("models") / "model", trained)


@pytest.fixture(scope="session")
def estimator(folder) -> "mist.Estimator":
    return mist.load(folder, device="cpu")
