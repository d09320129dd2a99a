"""`mist estimate` and `mist matrix`: a CSV file in, answers out."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from tyro.conf import Positional

from mist.errors import InputError
from mist.estimator import Estimate, load
from mist.matrix import Matrix, checked_path, mi_matrix
from mist.prepare import Named
from mist.sheet import Sheet, read_csv


@dataclass(frozen=True)
class EstimateConfig:
    """Which columns, and how to answer.

    Attributes:
        file: CSV file with a header.
        x: Columns of one side, separated by spaces.
        y: Columns of the other side.
        level: Nominal coverage of the interval.
        units: Unit of the answer.
        json: Print one JSON object instead of a line.
        checkpoint: Folder of a trained model; the packaged one by default.
        device: auto, cpu, cuda, cuda:1, ...
        cautious: Wider intervals, fitted on laws that the model never saw.
        allow_untrained_dimensions: Answer for more columns than the model was trained on.
        drop_missing: Leave out rows in which one of the columns is missing.
    """

    file: Positional[str]
    x: tuple[str, ...]
    y: tuple[str, ...]
    level: float = 0.9
    units: Literal["nats", "bits"] = "nats"
    json: bool = False
    checkpoint: str | None = None
    device: str = "auto"
    cautious: bool = False
    allow_untrained_dimensions: bool = False
    drop_missing: bool = False


@dataclass(frozen=True)
class MatrixConfig:
    """Which columns, and where to write.

    Attributes:
        file: CSV file with a header.
        out: What to write; the ending .html, .csv or .png says how.
        columns: Columns to take, separated by spaces; every numeric one by default.
        target: Column to hold all others against; all pairs by default.
        level: Nominal coverage of the intervals.
        units: Unit of the answers.
        checkpoint: Folder of a trained model; the packaged one by default.
        device: auto, cpu, cuda, cuda:1, ...
        drop_missing: Leave out rows in which one of the columns taken is missing.
    """

    file: Positional[str]
    out: str = "matrix.html"
    columns: tuple[str, ...] = ()
    target: str | None = None
    level: float = 0.9
    units: Literal["nats", "bits"] = "nats"
    checkpoint: str | None = None
    device: str = "auto"
    drop_missing: bool = False


def estimate(config: EstimateConfig) -> None:
    """Print the estimate; notices go to stderr, or into the JSON object."""
    if not (config.x and config.y):
        raise InputError("got no columns for --x or --y, wanted at least one for each, as in --x age bmi --y blood")
    sheet = read_csv(config.file)
    values = _values(sheet, [*config.x, *config.y], config.drop_missing)
    x, y = Named(config.x, values[:, : len(config.x)]), Named(config.y, values[:, len(config.x) :])
    model = load(config.checkpoint, config.device)
    answer = model.estimate(x, y, config.level, config.cautious, config.allow_untrained_dimensions).to(config.units)
    if config.json:
        print(json.dumps(_record(config, answer)))
        return
    for notice in answer.notices:
        print(f"note: {notice}", file=sys.stderr)
    print(answer)


def matrix(config: MatrixConfig) -> None:
    """Write the matrix and print where."""
    out = checked_path(config.out)
    sheet = read_csv(config.file)
    names = list(config.columns) or sheet.numeric_names()
    left_out = [name for name in sheet.names if name not in names]
    if left_out and not config.columns:
        print(f"note: left out, not numeric: {', '.join(left_out)}", file=sys.stderr)
    if config.target is not None and config.target not in names:
        names.append(config.target)
    frame = dict(zip(names, _values(sheet, names, config.drop_missing).T, strict=True))
    table = mi_matrix(frame, config.target, config.level, load(config.checkpoint, config.device)).to(config.units)
    for line in _notices_of(table):
        print(f"note: {line}", file=sys.stderr)
    print(table.save(out))


def _values(sheet: Sheet, names: Sequence[str], drop_missing: bool) -> NDArray[np.float64]:
    """Columns by name, (n, len(names)); how many rows were left out is told on stderr."""
    if not drop_missing:
        return sheet.numbers(names)
    values = sheet.complete(names)
    if len(values) < len(sheet.rows):
        print(f"note: left out {len(sheet.rows) - len(values)} of {len(sheet.rows)} rows, incomplete", file=sys.stderr)
    return values


def _notices_of(table: Matrix) -> list[str]:
    """One line per kind of notice: in how many pairs, and what it says of the first."""
    pairs = list({frozenset(names): estimate for names, estimate in table.estimates.items()}.values())
    texts: dict[str, list[str]] = {}
    for estimate in pairs:
        for notice in estimate.notices:
            texts.setdefault(notice.code, []).append(notice.text)
    return [f"{len(found)} of {len(pairs)} pairs: {found[0]}" for found in texts.values()]


def _record(config: EstimateConfig, answer: Estimate) -> dict[str, object]:
    low, high = answer.interval
    return {
        "x": config.x,
        "y": config.y,
        "mi": answer.mi,
        "low": low,
        "high": high,
        "level": answer.level,
        "mean": answer.mean,
        "unit": answer.unit,
        "n": answer.n,
        "quantiles": dict(zip(map(str, answer.taus), answer.quantiles, strict=True)),
        "notices": [{"code": notice.code, "text": notice.text} for notice in answer.notices],
    }
