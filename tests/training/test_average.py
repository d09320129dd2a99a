"""A mean of weights is one, and is recorded as one."""

from pathlib import Path

import pytest
import torch

from mist import checkpoint
from mist.checkpoint import Checkpoint
from mist.network import Network, NetworkConfig
from mist.prepare import Limits
from training.average import AverageConfig, average
from training.config import TrainingError


def saved(folder: Path, seed: int, width: int = 16, n_max: int = 500) -> str:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Network(NetworkConfig(width=width, depth=1, heads=2, row_width=8, row_queries=2))
        for weight in network.parameters():
            weight.data.add_(torch.randn_like(weight))
    card = f"# Model card\n\nNumber {seed}.\n"
    checkpoint.save(folder, Checkpoint(network.eval(), None, Limits(8, n_max, 4), {"steps_done": seed}, card))
    return str(folder)


def test_weights_are_averaged_by_share_and_told(tmp_path):
    runs = saved(tmp_path / "a", 1), saved(tmp_path / "b", 2, n_max=900)
    out = average(AverageConfig(runs=runs, out=str(tmp_path / "mean"), shares=(0.25, 0.75)))
    mean, one, two = (checkpoint.load(folder) for folder in (out, *runs))
    for name, value in mean.network.state_dict().items():
        torch.testing.assert_close(value, 0.25 * one.network.state_dict()[name] + 0.75 * two.network.state_dict()[name])
    assert mean.limits == Limits(8, 900, 4)
    assert [part["steps_done"] for part in mean.provenance["average"]] == [1, 2]
    assert mean.card.startswith("# Model card\n\nThe weights are a mean, 0.25 of `a`, 0.75 of `b`;")
    assert mean.calibration is None


def test_what_cannot_be_averaged_is_refused(tmp_path):
    runs = saved(tmp_path / "a", 1), saved(tmp_path / "b", 2, width=32)
    with pytest.raises(TrainingError, match=r"a network of other sizes in .*b"):
        average(AverageConfig(runs=runs, out=str(tmp_path / "mean")))
    for shares in ((0.5, 0.6), (1.0,)):
        with pytest.raises(TrainingError, match="a share for each, 1 in all"):
            average(AverageConfig(runs=runs, out=str(tmp_path / "mean"), shares=shares))
    assert not (tmp_path / "mean").exists()
