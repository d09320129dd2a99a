"""Fit conformal offsets of a trained network on tables that it never saw, and put them into its checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table
from torch import Tensor

from mist import calibration, checkpoint
from mist.calibration import Calibration, Outcomes
from mist.network import Network
from training.config import TrainingError
from training.measure import predict, summary
from training.tokens import Labelled, TokenCache, token_folder

SPLIT = "calibration"
CHECK = "test"  # covered by no fit and by no training: what the table at the end is measured on


@dataclass(frozen=True)
class CalibrateConfig:
    """Fit the intervals of a trained network on held-out tables."""

    run: str
    """Folder of a training run, or a checkpoint's folder."""
    data: str
    """Meta-dataset of the laws it was trained on; its calibration split is used."""
    shifted: tuple[str, ...] = ()
    """Meta-datasets of laws kept out of training; with them cautious intervals are fitted too."""
    tokens: str | None = None
    """Folder of the token cache; by default inside the run's folder."""
    workers: int = 0
    """Processes that turn tables into tokens; 0 for one per core."""
    again: bool = False
    """Calibrate a checkpoint that is calibrated already."""


def calibrate(config: CalibrateConfig) -> str:
    """Calibrate a checkpoint in place and return its folder.

    Raises:
        mist.errors.CheckpointError: There is no whole checkpoint.
        data_gen.errors.IncompleteStore: A meta-dataset is not whole.
        TrainingError: The meta-dataset has too few tables.
    """
    console = Console(stderr=True)
    folder = checkpoint.locate(Path(config.run))
    found = checkpoint.load(folder)
    if found.calibration is not None and not config.again:
        console.print(f"{folder} is calibrated already; nothing to do. Pass --again to fit anew.")
        return str(folder)
    prior = _outcomes(found.network, _tables(config, config.data, SPLIT))
    shifted = {Path(data).name: _outcomes(found.network, _tables(config, data, SPLIT)) for data in config.shifted}
    fitted = calibration.fit(prior, shifted=shifted or None)
    provenance = found.provenance | {"calibration": {"data": config.data, "shifted": list(config.shifted)}}
    checkpoint.save(folder, replace(found, calibration=fitted, provenance=provenance))
    _report(console, config, found.network, fitted)
    return str(folder)


def _tables(config: CalibrateConfig, data: str, split: str) -> Labelled:
    cache = TokenCache(data, split, token_folder(config.tokens, config.run, data))
    if not len(cache):
        raise TrainingError(f"got {data} without tables in its {split} split; generate it with some")
    cache.fill(config.workers)
    return cache.read_all()


def _outcomes(network: Network, tables: Labelled) -> Outcomes:
    quantiles = predict(network, tables)
    return Outcomes(quantiles, tables.mi_nats, tables.batch.n, tables.batch.d_x + tables.batch.d_y)


def _report(console: Console, config: CalibrateConfig, network: Network, fitted: Calibration) -> None:
    """Print coverage on the test split before and after."""
    tables = _tables(config, config.data, CHECK)
    raw = _outcomes(network, tables)
    rows: dict[str, Tensor] = {"raw": raw.quantiles, "calibrated": fitted.apply(raw.quantiles, raw.n, raw.d)}
    if fitted.cautious is not None:
        rows["cautious"] = fitted.apply(raw.quantiles, raw.n, raw.d, cautious=True)
    table = Table(title=f"{len(tables)} test tables", caption="coverage of the true MI by the 90 % interval")
    for column in ("intervals", "coverage", "pinball (nats)", "MAE of the median (nats)"):
        table.add_column(column)
    for name, quantiles in rows.items():
        measured = summary(quantiles, tables.mi_nats)
        table.add_row(name, *(f"{measured[key]:.4f}" for key in ("coverage90", "pinball", "mae")))
    console.print(table)
