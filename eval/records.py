"""The results of a run on disk: one line per table and estimator, appended as they come, read back to go on.

tables.jsonl    one Record a line, in the order in which they came
timings.jsonl   time and memory of the same, apart, because no two runs take equally long
config.json     the config of the report beside it; written last, so it says that the report is whole

A line is found again by its Cell: suite, seed, key, estimator and version, which are all that determines it. So a run
that was killed repeats no finished table, and neither does one with more estimators, suites or samples in the same
folder; a line of another version is left alone and never read. A damaged line, or a table without its time, counts as
not done.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from eval.baselines.base import Guess
from eval.errors import EvalError
from eval.suites.base import Case

_NAMES = {"tables.jsonl", "timings.jsonl", "config.json", "report.json", "report.html"}
_RUN = "checkpoint"  # a folder in that of a training run, whose config.json is another
_DIGITS = 6  # of nats behind the point: finer than any estimate, coarser than the noise between thread counts


class Cell(NamedTuple):
    """What determines one result.

    Attributes:
        suite: Name of the suite.
        seed: Root of its randomness.
        key: The case within the suite.
        estimator: Name of the estimator.
        version: Of the code behind the suite and the estimator, and of the trained network if it has one.
    """

    suite: str
    seed: int
    key: str
    estimator: str
    version: str


@dataclass(frozen=True)
class Record:
    """What one estimator said of one case, beside the truth; all mutual information in nats.

    Attributes:
        cell: What determines it.
        task: The cell of the suite to which the case belongs.
        group: A cut through the suite, or "".
        family: Name of the law.
        n: Samples.
        d_x: Columns of x.
        d_y: Columns of y.
        mi_nats: The truth, or 0 for a case whose estimates are held against each other.
        stderr: Its standard error.
        relation: Whether it is such a case; then `estimate` is how far they contradict each other.
        estimate: The estimate; 0 where it failed.
        levels: Levels of the quantiles, (K,), or none.
        quantiles: Predictive quantiles, (K,).
        cautious: Predictive quantiles of the estimator's wider interval, (K,), if it has a second one.
        failed: Why there is no estimate, or None.
    """

    cell: Cell
    task: str
    group: str
    family: str
    n: int
    d_x: int
    d_y: int
    mi_nats: float
    stderr: float
    relation: bool
    estimate: float
    levels: tuple[float, ...] = ()
    quantiles: tuple[float, ...] = ()
    cautious: tuple[float, ...] = ()
    failed: str | None = None

    @classmethod
    def of(cls, cell: Cell, case: Case, guess: Guess) -> "Record":
        """Put a case, less its arrays, beside a guess."""
        (n, d_x), d_y = case.x.shape, case.y.shape[1]
        return cls(
            cell=cell,
            task=case.task,
            group=case.group,
            family=case.family,
            n=n,
            d_x=d_x,
            d_y=d_y,
            mi_nats=round(case.mi_nats, _DIGITS) + 0.0,
            stderr=round(case.stderr, _DIGITS),
            relation=case.violation is not None,
            estimate=round(guess.mi_nats, _DIGITS),
            levels=guess.levels,
            quantiles=tuple(round(q, _DIGITS) for q in guess.quantiles),
            cautious=tuple(round(q, _DIGITS) for q in guess.cautious),
            failed=guess.failed,
        )


@dataclass(frozen=True)
class Cost:
    """What one estimate took.

    Attributes:
        cell: What determines the estimate.
        seconds: Processor time.
        peak_bytes: Memory added at the peak; None where the system does not tell.
    """

    cell: Cell
    seconds: float
    peak_bytes: int | None


class Journal:
    """The folder of a run."""

    def __init__(self, folder: Path):
        """Open the folder, or make it.

        Raises:
            EvalError: If the folder holds other things.
        """
        held = {path.name for path in folder.iterdir()} if folder.exists() else set()
        if held and (not held & _NAMES or _RUN in held):
            raise EvalError(f"got out = {folder}, which holds other files; wanted an empty folder or one of such a run")
        folder.mkdir(parents=True, exist_ok=True)
        self.tables, self.timings = folder / "tables.jsonl", folder / "timings.jsonl"
        self._note = folder / "config.json"
        for path in (self.tables, self.timings):
            _drop_half_line(path)

    def config(self) -> dict[str, Any] | None:
        """The config of the finished report, or None."""
        try:
            return json.loads(self._note.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):  # a damaged one says nothing
            return None

    def begin(self) -> None:
        """Say that the report is not finished."""
        self._note.unlink(missing_ok=True)

    def finish(self, config: dict[str, Any]) -> None:
        """Say that the report is that of this config, JSON values only."""
        part = self._note.with_suffix(".partial")
        part.write_text(json.dumps(config, indent=1) + "\n")
        part.replace(self._note)

    def append(self, results: Iterable[tuple[Record, Cost]]) -> None:
        """Write results; a table counts as finished once its line in tables.jsonl is whole."""
        results = list(results)
        _append(self.timings, (cost for _, cost in results))
        _append(self.tables, (record for record, _ in results))

    def finished(self) -> set[Cell]:
        """Read which cells are done."""
        return {cell for cell, _ in _cells(self.tables)} & {cell for cell, _ in _cells(self.timings)}

    def results(self) -> dict[Cell, tuple[Record, Cost]]:
        """Read all results; of a table that was done twice the last."""
        costs = {cell: Cost(cell, row["seconds"], row["peak_bytes"]) for cell, row in _cells(self.timings)}
        return {cell: (_record(cell, row), costs[cell]) for cell, row in _cells(self.tables) if cell in costs}


def _record(cell: Cell, row: dict[str, Any]) -> Record:
    lists = ("levels", "quantiles", "cautious")
    return Record(**row | {name: tuple(row[name]) for name in lists} | {"cell": cell})


def _append(path: Path, rows: Iterable[Record] | Iterable[Cost]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(asdict(row)) + "\n" for row in rows)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a file; damaged ones are passed over."""
    if path.exists():
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                with suppress(json.JSONDecodeError):
                    if isinstance(row := json.loads(line), dict):
                        yield row


def _cells(path: Path) -> Iterator[tuple[Cell, dict[str, Any]]]:
    return ((Cell(*row["cell"]), row) for row in _lines(path) if "cell" in row)  # lines of former versions have none


def _drop_half_line(path: Path) -> None:
    """Cut off what a killed run left behind the last line break, so that the next line starts on its own."""
    if path.exists():
        whole = path.read_bytes()
        kept = whole.rfind(b"\n") + 1
        if kept < len(whole):
            with path.open("r+b") as file:
                file.truncate(kept)
