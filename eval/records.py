"""The results of a run on disk: one line per table and estimator, appended as they come, read back to go on.

config.json     what was asked for; a folder belongs to one config
tables.jsonl    one Record a line; the same bytes for the same config
timings.jsonl   key, estimator and seconds of the same, apart, because no two runs take equally long
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eval.baselines.base import Guess
from eval.errors import EvalError
from eval.suites.base import Case

_DIGITS = 6  # of nats behind the point: finer than any estimate, coarser than the noise between thread counts


@dataclass(frozen=True)
class Record:
    """What one estimator said of one table, beside the truth; all mutual information in nats."""

    key: str
    estimator: str
    task: str
    family: str
    n: int
    d_x: int
    d_y: int
    mi_nats: float
    stderr: float
    estimate: float
    levels: tuple[float, ...]
    quantiles: tuple[float, ...]
    failed: str | None
    group: str = ""

    @classmethod
    def of(cls, case: Case, estimator: str, guess: Guess) -> "Record":
        """Put a case, less its arrays, beside a guess."""
        (n, d_x), d_y = case.x.shape, case.y.shape[1]
        return cls(
            key=case.key,
            estimator=estimator,
            task=case.task,
            family=case.family,
            n=n,
            d_x=d_x,
            d_y=d_y,
            mi_nats=round(case.mi_nats, _DIGITS) + 0.0,
            stderr=round(case.stderr, _DIGITS),
            estimate=round(guess.mi_nats, _DIGITS),
            levels=guess.levels,
            quantiles=tuple(round(q, _DIGITS) for q in guess.quantiles),
            failed=guess.failed,
            group=case.group,
        )


@dataclass(frozen=True)
class Timing:
    """How long one estimator took for one table, in seconds."""

    key: str
    estimator: str
    seconds: float


class Journal:
    """The folder of one run."""

    def __init__(self, folder: Path, config: dict[str, Any]):
        """Open the folder of this config, or make it.

        Args:
            folder: Where results lie or shall lie.
            config: What determines the results, JSON values only.

        Raises:
            EvalError: If the folder belongs to another config, or holds other things.
        """
        self.tables, self.timings = folder / "tables.jsonl", folder / "timings.jsonl"
        note = folder / "config.json"
        if note.exists():
            _check_same(json.loads(note.read_text()), config, folder)
            _drop_half_line(self.tables)
            _drop_half_line(self.timings)
        elif folder.exists() and any(folder.iterdir()):
            raise EvalError(f"got out = {folder}, which holds other files; wanted an empty folder or one of such a run")
        else:
            folder.mkdir(parents=True, exist_ok=True)
            part = note.with_suffix(".partial")
            part.write_text(json.dumps(config, indent=1) + "\n")
            part.rename(note)

    def append(self, records: Iterable[Record], timings: Iterable[Timing]) -> None:
        """Write results; a table counts as finished once its line in tables.jsonl is whole."""
        _append(self.timings, timings)
        _append(self.tables, records)

    def records(self) -> list[Record]:
        """Read all finished tables."""
        lists = ("levels", "quantiles")
        return [Record(**row | {name: tuple(row[name]) for name in lists}) for row in _lines(self.tables)]

    def seconds(self) -> dict[str, list[float]]:
        """Read the seconds per table of each estimator; of a table that was timed twice the last."""
        last = {(row["estimator"], row["key"]): row["seconds"] for row in _lines(self.timings)}
        names = dict.fromkeys(estimator for estimator, _ in last)
        return {name: [seconds for (who, _), seconds in last.items() if who == name] for name in names}


def _check_same(found: dict[str, Any], wanted: dict[str, Any], folder: Path) -> None:
    wanted = json.loads(json.dumps(wanted))  # tuples become lists, as on disk
    other = [name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)]
    if other:
        told = "; ".join(f"{name} {found.get(name)!r} there, {wanted.get(name)!r} now" for name in sorted(other))
        raise EvalError(f"{folder} holds the results of another config ({told}); choose another --out or delete it")


def _append(path: Path, rows: Iterable[Record] | Iterable[Timing]) -> None:
    with path.open("a") as file:
        file.writelines(json.dumps(asdict(row)) + "\n" for row in rows)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        with path.open() as file:
            yield from (json.loads(line) for line in file if line.endswith("\n"))


def _drop_half_line(path: Path) -> None:
    """Cut off what a killed run left behind the last line break, so that the next line starts on its own."""
    if path.exists():
        whole = path.read_bytes()
        kept = whole.rfind(b"\n") + 1
        if kept < len(whole):
            with path.open("r+b") as file:
                file.truncate(kept)
