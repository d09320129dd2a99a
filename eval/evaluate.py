"""Measure estimators on a suite of tables with known MI: the stage behind `mist evaluate`."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from eval.errors import EvalError
from eval.records import Journal
from eval.runner import Bench, Setup, results
from eval.suites import SuiteOptions


@dataclass(frozen=True)
class EvaluateConfig:
    """What to measure, and on what.

    Attributes:
        checkpoint: Folder of the trained model behind the estimator `ours`; by default the packaged one.
        suite: Name of the suite of tables.
        estimators: Names of the estimators.
        out: Folder of the results; by default reports/SUITE.
        level: Nominal coverage of the intervals whose width and score are reported.
        seed: Root of all randomness of the suite.
        seeds: Draws of each task and number of samples; by default the suite's own.
        n: Numbers of samples; by default the suite's own.
        tables: At most so many tables, spread evenly over the suite; by default all.
        workers: Processes that share the work.
    """

    checkpoint: str | None = None
    suite: str = "quick"
    estimators: tuple[str, ...] = ("ours", "ksg", "gcmi", "sklearn")
    out: str | None = None
    level: float = 0.9
    seed: int = 0
    seeds: int | None = None
    n: tuple[int, ...] = ()
    tables: int | None = None
    workers: int = 1


def evaluate(config: EvaluateConfig) -> Path:
    """Run the suite, write tables.jsonl, report.json and report.html, and print a summary.

    A run that was stopped goes on where it was; one that is finished does nothing and says so.

    Returns:
        The path of report.html.

    Raises:
        EvalError: If a name is unknown, a number out of range, or the folder holds the results of another config.
        CheckpointError: If there is no such checkpoint, or it is damaged.
    """
    _check(config)
    console = Console()
    folder = Path(config.out or f"reports/{config.suite}")
    setup = Setup(config.suite, _options(config), config.estimators, config.checkpoint)
    page = folder / "report.html"
    bench = Bench.of(setup)
    identity = _identity(config)
    journal = Journal(folder, identity)
    if page.exists():
        print(f"{folder} is finished already; nothing to do.")
    else:
        _run(bench, setup, journal, config.workers)
        _report(folder, identity, journal, console)
    print(page)
    return page


def _run(bench: Bench, setup: Setup, journal: Journal, workers: int) -> None:
    finished = frozenset((r.key, r.estimator) for r in journal.records())
    total = len(bench.suite) * len(bench.estimators)
    with _progress() as progress:
        bar = progress.add_task(bench.suite.name, total=total, completed=len(finished))
        for records, timings in results(bench, setup, finished, workers):
            journal.append(records, timings)
            progress.advance(bar, len(records))


def _report(folder: Path, identity: dict[str, Any], journal: Journal, console: Console) -> None:
    from eval.report import figures, write_report  # with the plotting library behind it

    report = figures(identity, journal.records(), journal.seconds())
    write_report(folder, report)
    console.print(_leaderboard(report))


def _progress() -> Progress:
    """Make a bar with the time left; it is drawn on stderr."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, TextColumn("left"), TimeRemainingColumn(), console=Console(stderr=True))


def _leaderboard(report: dict[str, Any]) -> Table:
    from eval.wording import mean, percent, seconds

    level = f"{report['config']['level']:g}"
    table = Table(title=f"{report['suite']['name']}: {report['suite']['tables']} tables, nats")
    table.add_column("", no_wrap=True)
    for heading in ("MAE", "bias", f"{float(level):.0%} covers", "failed", "time"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, section in report["estimators"].items():
        all_tables = section["overall"]
        table.add_row(
            name,
            mean(all_tables["mae"]),
            mean(all_tables["bias"]),
            percent(all_tables.get("coverage", {}).get(level)),
            str(all_tables["failed"]),
            seconds(report["timings"][name]["mean_seconds"]),
        )
    return table


def _options(config: EvaluateConfig) -> SuiteOptions:
    return SuiteOptions(seed=config.seed, n=config.n, repeats=config.seeds, tables=config.tables)


def _identity(config: EvaluateConfig) -> dict[str, Any]:
    """All that determines the results, JSON values only."""
    return {
        "suite": config.suite,
        "estimators": list(config.estimators),
        "checkpoint": _fingerprint(config.checkpoint) if "ours" in config.estimators else None,
        "level": config.level,
        "seed": config.seed,
        "seeds": config.seeds,
        "n": list(config.n),
        "tables": config.tables,
    }


def _fingerprint(checkpoint: str | None) -> str:
    """Name of a checkpoint by its content: two of them in one folder of results would be two estimators in one."""
    from mist.checkpoint import SUMS, locate
    from mist.estimator import PACKAGED

    sums = locate(PACKAGED if checkpoint is None else Path(checkpoint)) / SUMS
    digest = hashlib.sha256(sums.read_bytes()).hexdigest()[:16]
    return f"{'packaged' if checkpoint is None else Path(checkpoint).name} sha256:{digest}"


def _check(config: EvaluateConfig) -> None:
    if not 0 < config.level < 1:
        raise EvalError(f"got level = {config.level}; wanted a share between 0 and 1, such as 0.9")
    if not config.estimators or len(set(config.estimators)) < len(config.estimators):
        raise EvalError(f"got estimators {' '.join(config.estimators) or 'none'}; wanted one or more different names")
    if config.workers < 1:
        raise EvalError(f"got workers = {config.workers}; wanted 1 or more processes")
