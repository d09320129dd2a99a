"""How long one estimate takes, ours beside KSG and GCMI in one run.

`python -m eval.latency --out eval/reports/latency.json` goes round all sizes and estimators several times, so that a
machine that is slow for a while is slow for all, and reports medians of the clock and of processor time. Each answers
several times in a row: the first answer, which finds in the caches what another estimator left there, is told apart
from those that follow. With `--card` the table also goes into the card of the checkpoint that was measured.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from data_gen.benchmark import machine
from eval.baselines import build
from eval.errors import EvalError
from eval.losses import OURS
from eval.memory import PeakMemory
from mist import checkpoint, forward, load
from mist.statistics import counting

HEADING = "\n## Latency\n\n"
PAIRS = (600, 500)  # tables of one column a side in a batch, and their rows
FEW, ROW_SECONDS = 4, 0.5  # answers in a row of an estimator that needs longer than so for more
Size = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class LatencyConfig:
    """What to time.

    Attributes:
        out: JSON file of the figures.
        checkpoint: Folder of a checkpoint or a run; by default the packaged one.
        estimators: Names of estimators.
        sizes: Rows, columns of x and columns of y of each table.
        large: Rows of a table of 1 + 1 columns that ours alone answers; 0 for none.
        repeats: Rounds.
        in_a_row: Answers of one estimator on one table in each round, 2 or more; the first counts apart. Those that
            take long are fewer, 4 at least.
        card: Put the figures into the card of the checkpoint, which must be given.
    """

    out: Path
    checkpoint: Path | None = None
    estimators: tuple[str, ...] = ("ours", "ksg", "gcmi")
    sizes: tuple[Size, ...] = ((500, 1, 1), (500, 5, 5), (2000, 5, 5), (2000, 32, 32), (10_000, 10, 10))
    large: int = 1_000_000
    repeats: int = 15
    in_a_row: int = 20
    card: bool = False


@dataclass(frozen=True)
class Run:
    """One answer: seconds on the clock, and of processor time of all threads."""

    seconds: float
    processor_seconds: float


def latency(config: LatencyConfig) -> Path:
    """Time everything and write the figures.

    Returns:
        The JSON file.

    Raises:
        EvalError: There is nothing to time, or a card is wanted of no given checkpoint.
    """
    if config.repeats < 1 or config.in_a_row < 2 or not config.sizes or not config.estimators:
        raise EvalError(
            f"latency needs --repeats of 1 or more, --in-a-row of 2 or more, --sizes and --estimators; got {config}"
        )
    if config.card and config.checkpoint is None:
        raise EvalError("got --card without --checkpoint; wanted the folder whose card is to have the figures")
    runs = _rounds(config)
    record = {
        "command": "python -m eval.latency",
        "repeats": config.repeats,
        "in_a_row": config.in_a_row,
        "machine": machine(),
        "compiled": counting.COMPILED and forward.COMPILED,
        "single": [
            {"n": n, "d_x": d_x, "d_y": d_y, "estimator": name, **_summary(found)}
            for ((n, d_x, d_y), name), found in runs.items()
        ],
        "batch": _batch(config),
        "large": _large(config),
    }
    config.out.parent.mkdir(parents=True, exist_ok=True)
    config.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    text = in_words(record)
    if config.card and config.checkpoint is not None:
        folder = checkpoint.locate(config.checkpoint)
        found = checkpoint.load(folder)
        checkpoint.save(folder, replace(found, card=found.card.split(HEADING)[0] + HEADING + text))
    print(text)
    print(config.out)
    return config.out


def in_words(record: Mapping[str, Any]) -> str:
    """Markdown of a record that `latency` wrote: a table, and two sentences on a batch and on a large sample."""
    names = list(dict.fromkeys(entry["estimator"] for entry in record["single"]))
    cells: dict[Size, dict[str, str]] = {}
    for entry in record["single"]:
        row = cells.setdefault((entry["n"], entry["d_x"], entry["d_y"]), {})
        row[entry["estimator"]] = f"{1e3 * entry['seconds']:.1f} ({1e3 * entry['first_seconds']:.1f})"
    lines = [f"| n, columns | {' | '.join(f'{name}, ms' for name in names)} |", "|---" * (len(names) + 1) + "|"]
    lines += [
        f"| {n:,}, {d_x} + {d_y} | {' | '.join(row.get(name, '–') for name in names)} |"
        for (n, d_x, d_y), row in cells.items()
    ]
    batch, large, host = record["batch"], record["large"], record["machine"]
    load_average = ", ".join(f"{value:.1f}" for value in host["load_average"])
    text = [
        f"Medians over {record['repeats']} rounds in one process, all sizes and estimators in turn, "
        f"up to {record['in_a_row']} answers in a row each; in brackets that of the first of a row, right after "
        f"another estimator. {host['processor']}, {host['cores']} cores, load average {load_average}; ours by "
        f"{'compiled code' if record['compiled'] else 'numpy and torch'}.\n",
        *lines,
        f"\n{batch['pairs']} pairs of {batch['n']} rows in one call: {batch['pairs_per_second']:.0f} pairs/s.",
    ]
    if large is not None:
        memory = "" if large["peak_bytes"] is None else f", {large['peak_bytes'] / 1e9:.2f} GB more memory"
        text.append(f"One pair of {large['n']:,} rows: {large['seconds']:.1f} s{memory}.")
    return "\n".join([*text, f"\n`{record['command']}` remakes these figures.\n"])


def _rounds(config: LatencyConfig) -> dict[tuple[Size, str], list[list[Run]]]:
    """All answers of all rounds, a list per round, after one round that warms up."""
    answers = {name: _answerer(name, config.checkpoint) for name in config.estimators}
    tables = {size: _table(*size) for size in config.sizes}
    cases = [(size, name) for size in config.sizes for name in config.estimators]
    runs: dict[tuple[Size, str], list[list[Run]]] = {case: [] for case in cases}
    for _ in range(config.repeats + 1):
        for size, name in cases:
            answer = partial(answers[name], *tables[size])
            runs[size, name].append(_row(answer, config.in_a_row))
    return {case: found[1:] for case, found in runs.items()}


def _row(answer: Callable[[], object], most: int) -> list[Run]:
    """Answers one after another."""
    runs: list[Run] = []
    while len(runs) < min(most, FEW) or (len(runs) < most and sum(run.seconds for run in runs) < ROW_SECONDS):
        runs.append(_timed(answer))
    return runs


def _answerer(name: str, folder: Path | None) -> Callable[[np.ndarray, np.ndarray], object]:
    """What a user calls; the benchmark's own wrapper asks ours twice, for either kind of interval."""
    return load(folder).estimate if name == OURS else build(name).estimate


def _batch(config: LatencyConfig) -> dict[str, Any]:
    count, n = PAIRS
    estimator = load(config.checkpoint)
    rng = np.random.default_rng(1)
    pairs = [(rng.standard_normal(n), rng.standard_normal(n)) for _ in range(count)]
    found = [_timed(partial(estimator.estimate_batch, pairs)) for _ in range(min(config.repeats, 3))]
    return {"pairs": count, "n": n, "pairs_per_second": count / statistics.median(run.seconds for run in found)}


def _large(config: LatencyConfig) -> dict[str, Any] | None:
    if not config.large:
        return None
    x, y = _table(config.large, 1, 1)
    estimator = load(config.checkpoint)
    with PeakMemory() as memory:
        run = _timed(partial(estimator.estimate, x, y))
    return {"n": config.large, "seconds": run.seconds, "peak_bytes": memory.peak_bytes}


def _table(n: int, d_x: int, d_y: int) -> tuple[np.ndarray, np.ndarray]:
    """Normal columns; every one of y depends on the first of x."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, d_x))
    return x, x[:, :1] + rng.standard_normal((n, d_y))


def _timed(answer: Callable[[], object]) -> Run:
    seconds, processor = time.perf_counter(), time.process_time()
    answer()
    return Run(time.perf_counter() - seconds, time.process_time() - processor)


def _summary(rounds: list[list[Run]]) -> dict[str, float]:
    following = [run for runs in rounds for run in runs[1:]]
    return {
        "seconds": statistics.median(run.seconds for run in following),
        "least_seconds": min(run.seconds for run in following),
        "first_seconds": statistics.median(runs[0].seconds for runs in rounds),
        "processor_seconds": statistics.median(run.processor_seconds for run in following),
    }


if __name__ == "__main__":
    import tyro

    latency(tyro.cli(LatencyConfig))
