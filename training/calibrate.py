"""Fit conformal offsets of a trained network on tables that it never saw, and put them into its checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from data_gen.store import Store
from mist import checkpoint
from mist.calibration import TURNED, Calibration, Outcomes
from mist.checkpoint import Checkpoint
from mist.conformal import MIN_TABLES, fit
from mist.network import Network
from training.breakdown import Answers, breakdown
from training.config import TrainingError
from training.measure import predict, summary
from training.tokens import Labelled, TokenCache, token_folder

SPLIT = "calibration"
HEADING = "\n## Calibration\n\n"
DETAILS = "\n## Accuracy and coverage in detail\n\nOf the same tables; means with standard errors.\n\n"
COLUMNS = ("tables of", "intervals", "tables", "coverage", "mean width (nats)", "pinball (nats)", "MAE (nats)")
PARTS = 3  # of 1, 2, 3 and 4 sets; training/LOG.md has what cautious intervals cover on laws left out, and their widths
CHECK = (
    "test"  # in no fit and no training: what the table at the end is measured on, with SPLIT where nothing was fitted
)


@dataclass(frozen=True)
class CalibrateConfig:
    """Fit the intervals of a trained network on held-out tables."""

    run: str
    """Folder of a training run, or a checkpoint's folder."""
    data: str
    """Meta-dataset of the laws it was trained on; its calibration split is used."""
    shifted: tuple[str, ...] = ()
    """Meta-datasets of laws kept out of training; with them cautious intervals are fitted too."""
    measured: tuple[str, ...] = ()
    """Meta-datasets that nothing is fitted on; accuracy and coverage on both their splits go into the card."""
    shards: int | None = None
    """Use the first so many shards of every split alone; by default all."""
    tokens: str | None = None
    """Folder of the token cache; by default inside the run's folder."""
    workers: int = 0
    """Processes that turn tables into tokens; 0 for one per core."""
    again: bool = False
    """Calibrate a checkpoint that is calibrated already."""
    keep: bool = False
    """Keep the offsets of a calibrated checkpoint: fit nothing, measure them on all the data given."""


def calibrate(config: CalibrateConfig) -> str:
    """Calibrate a checkpoint in place, or measure how it is calibrated, and return its folder.

    Raises:
        mist.errors.CheckpointError: There is no whole checkpoint.
        data_gen.errors.IncompleteStore: A meta-dataset is not whole.
        TrainingError: The meta-dataset has too few tables, or there are no offsets to keep.
    """
    console = Console(stderr=True)
    if config.shards is not None and config.shards < 1:
        raise TrainingError(f"got shards = {config.shards}, wanted 1 or more")
    folder = checkpoint.locate(Path(config.run))
    config = replace(config, tokens=config.tokens or str(folder.parent / "tokens"))  # never within the checkpoint
    found = checkpoint.load(folder, uncalibrated=config.again)
    if config.keep and found.calibration is None:
        raise TrainingError(f"got --keep for {folder}, which has no offsets to keep; leave out --keep, and --again")
    if found.calibration is not None and not config.keep:
        console.print(f"{folder} is calibrated already; nothing to do. Pass --again to fit anew, --keep to measure it.")
        return str(folder)
    provenance, fitted = found.provenance, found.calibration
    if fitted is None:
        fitted, provenance = _fitted(config, found)
    rows, details = _check(config, found.network, fitted)
    card = found.card.split(HEADING)[0] + _section(rows) + DETAILS + "\n".join(details)
    checkpoint.save(folder, replace(found, calibration=fitted, provenance=provenance, card=card))
    console.print(_sheet(rows))
    return str(folder)


def _fitted(config: CalibrateConfig, found: Checkpoint) -> tuple[Calibration, dict[str, Any]]:
    """Offsets for a checkpoint, and its provenance with what they were fitted on."""
    prior = _outcomes(found.network, _tables(config, config.data, SPLIT))
    shifted = {
        name: _outcomes(found.network, tables)
        for data in config.shifted
        for name, tables in by_laws(Path(data).name, _tables(config, data, SPLIT)).items()
    }
    priors = {Path(data).name: Store.open(data).config for data in config.shifted}
    made = {"calibration": {"data": config.data, "shifted": list(config.shifted), "priors": priors}}
    return fit(prior, shifted=shifted or None), found.provenance | made


@dataclass(frozen=True)
class _Row:
    """What one kind of intervals does on the tables of one meta-dataset."""

    data: str
    intervals: str
    tables: int
    measured: dict[str, float]

    def cells(self) -> list[str]:
        error = (self.measured["coverage90"] * (1 - self.measured["coverage90"]) / self.tables) ** 0.5
        coverage = f"{self.measured['coverage90']:.3f} ± {error:.3f}"
        figures = [f"{self.measured[key]:.4f}" for key in ("width90", "pinball", "mae")]
        return [self.data, self.intervals, str(self.tables), coverage, *figures]


def by_laws(name: str, tables: Labelled) -> dict[str, Labelled]:
    """Shifted tables in PARTS sets of whole laws, so that cautious intervals hold on each set, not on all together.

    The widest over them covers laws that are in none of them better. Too few tables, or laws, stay whole.
    """
    laws = tables.family.unique()
    sets = {
        f"{name}, {part + 1} of {PARTS}": tables.take(torch.isin(tables.family, laws[part::PARTS]).nonzero()[:, 0])
        for part in range(PARTS)
    }
    return sets if min(map(len, sets.values())) >= MIN_TABLES else {name: tables}


def _tables(config: CalibrateConfig, data: str, split: str) -> Labelled:
    cache = TokenCache(data, split, token_folder(config.tokens, config.run, data), config.shards)
    if split not in Store.open(data).splits:
        raise TrainingError(f"got {data} without a {split} split, wanted one; generate it with a preset that has one")
    if not len(cache):
        raise TrainingError(f"got {data} without tables in its {split} split; generate it with some")
    cache.fill(config.workers)
    return cache.read_all()


def _unseen(config: CalibrateConfig, data: str) -> Labelled:
    """The tables of a meta-dataset that neither training nor a fit saw: of one that no offset came from, two splits."""
    tables, fitted = _tables(config, data, CHECK), not config.keep and data in (config.data, *config.shifted)
    if fitted or SPLIT not in Store.open(data).splits:
        return tables
    return Labelled.cat([tables, _tables(config, data, SPLIT)])


def _outcomes(network: Network, tables: Labelled) -> Outcomes:
    quantiles = predict(network, tables)
    batch = tables.batch
    return Outcomes(quantiles, tables.mi_nats, batch.n, batch.d_x + batch.d_y, batch.anchors[:, TURNED])


def _check(config: CalibrateConfig, network: Network, fitted: Calibration) -> tuple[list[_Row], list[str]]:
    """Every kind of intervals on the tables of every meta-dataset that no fit saw, overall and in detail."""
    rows, details = [], []
    for data in (config.data, *config.shifted, *config.measured):
        tables = _unseen(config, data)
        raw = _outcomes(network, tables)
        default = fitted.apply(raw.quantiles, raw.n, raw.d, raw.explained)
        cautious = (
            None if fitted.cautious is None else fitted.apply(raw.quantiles, raw.n, raw.d, raw.explained, cautious=True)
        )
        kinds = {"raw": raw.quantiles, "calibrated": default} | ({} if cautious is None else {"cautious": cautious})
        for kind, quantiles in kinds.items():
            rows.append(_Row(Path(data).name, kind, len(raw.mi_nats), summary(quantiles, raw.mi_nats)))
        answers = Answers(tables, Store.open(data).manifest.families, default, cautious)
        details.append(breakdown(Path(data).name, answers))
    return rows, details


def _section(rows: list[_Row]) -> str:
    """The card's part on calibration."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    lines += [f"| {' | '.join(row.cells())} |" for row in rows]
    return (
        HEADING
        + "Split-conformal offsets per group of n, dimension, predicted median and how much of it correlations,\n"
        "those of turned columns among them, explain; measured on test splits, and on the calibration splits of data\n"
        "that no fit saw. Coverage is of the true MI by the 90 % interval, with its binomial standard error.\n\n"
        + "\n".join(lines)
        + "\n"
    )


def _sheet(rows: list[_Row]) -> Table:
    table = Table(title="coverage of the true MI by the 90 % interval, on tables that no fit saw")
    for column in COLUMNS:
        table.add_column(column)
    for row in rows:
        table.add_row(*row.cells())
    return table
