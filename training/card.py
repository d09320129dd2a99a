"""The model card of a run: what it was trained on and how that went, from the run's own files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from data_gen.store import Catalog, Store
from mist.prepare import Limits


def training_card(
    record: dict[str, Any],
    steps: int,
    stores: Sequence[Store],
    catalog: Catalog,
    rows: list[dict[str, float]],
    limits: Limits,
) -> str:
    """Markdown card of a trained network.

    Args:
        record: The run's configuration.
        steps: Steps done.
        stores: The meta-datasets.
        catalog: Sizes and truths of the training tables.
        rows: Rows of metrics.jsonl.
        limits: Trained ranges.
    """
    families, counts = np.unique(catalog.family, return_counts=True)
    shares = "\n".join(f"| {family} | {count} |" for family, count in zip(families, counts, strict=True))
    parts = (0.0, 0.1, 0.5, 0.9, 1.0)
    ranges = ", ".join(
        f"{part:.0%}: {value:.3g}" for part, value in zip(parts, np.quantile(catalog.mi_nats, parts), strict=True)
    )
    made_by = [f"preset `{store.config.get('preset')}`, seed {store.config.get('seed')}" for store in stores]
    schedule = record["schedule"]
    last = rows[-1] if rows else {}
    measured = "\n".join(f"| {key} | {value:.4f} |" for key, value in last.items() if "/" in key)
    seconds = last.get("seconds", 0.0)
    return f"""# Model card

Quantiles of the mutual information I(X; Y) in nats from a sample of (x, y). Licence: Apache 2.0.

## Trained range

n from {limits.n_min} to {limits.n_max} rows; 1 to {limits.d_max} columns per side; independent rows.

## Training data

From {"; ".join(made_by)}: {len(catalog.n)} tables.
True MI in nats, quantiles: {ranges}.

| family | tables |
|---|---|
{shares}

## Training

{steps} of {schedule["steps"]} scheduled steps of {schedule["batch"]} tables, seed {record["seed"]};
{seconds / 60:.0f} minutes since the last resumption. Loss: pinball on MI plus pinball on asinh(4 MI) / 4. The running
mean of the weights is kept.{_beginning(record)}

## At step {last.get("step", 0)}, before calibration

| measure | value |
|---|---|
{measured}
"""


def _beginning(record: dict[str, Any]) -> str:
    """A paragraph on the weights that a run began with; empty for new ones."""
    begin = record.get("begin")
    if begin is None:
        return ""
    data, schedule = begin["data"], begin["training"]["schedule"]
    return (
        f"\n\nIt began with the weights of SHA-256 `{begin['weights'][:16]}`, of {schedule['steps']} steps of "
        f"{schedule['batch']} tables of preset `{data.get('preset')}`, seed {data.get('seed')}."
    )
