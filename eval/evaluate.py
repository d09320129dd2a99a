"""Measure estimators on suites of tables with known MI: the stage behind `mist evaluate`."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from eval import overlap, versions
from eval.errors import EvalError
from eval.records import Journal
from eval.runner import Bench, Setup, run
from eval.suites import SuiteOptions

_WIDTH = 110  # of the summary, also where nobody watches and a terminal of 80 would be assumed


@dataclass(frozen=True)
class EvaluateConfig:
    """What to measure, and on what.

    Attributes:
        checkpoint: Folder of the trained model behind the estimator `ours`; by default the packaged one.
        suite: Names of the suites of tables; also preset:NAME, or a folder of your own tables with truths.csv.
        estimators: Names of the estimators.
        out: Folder of the results; by default reports/SUITE.
        level: Nominal coverage of the intervals whose width and score are reported.
        seed: Root of all randomness of the suites.
        seeds: Draws of each task and number of samples; by default a suite's own.
        n: Numbers of samples; by default a suite's own.
        tables: At most so many tables of a suite, spread evenly over it; by default all.
        workers: Processes that share the work, one thread each.
    """

    checkpoint: str | None = None
    suite: tuple[str, ...] = ("quick",)
    estimators: tuple[str, ...] = ("ours", "ksg", "gcmi", "sklearn")
    out: str | None = None
    level: float = 0.9
    seed: int = 0
    seeds: int | None = None
    n: tuple[int, ...] = ()
    tables: int | None = None
    workers: int = 1


def evaluate(config: EvaluateConfig) -> Path:
    """Run the suites, write tables.jsonl, timings.jsonl, report.json and report.html, and print a summary.

    No finished table is estimated twice: a run that was stopped goes on where it was, one with further suites or
    estimators adds those to the folder, and one that is finished does nothing and says so.

    Returns:
        The path of report.html.

    Raises:
        EvalError: If a name is unknown, a number out of range, or the folder holds other things.
        CheckpointError: If there is no such checkpoint, or it is damaged.
    """
    _check(config)
    setup = Setup(config.suite, _options(config), config.estimators, config.checkpoint)
    bench = Bench.of(setup)
    folder = Path(config.out or f"reports/{'+'.join(Path(name).name for name in config.suite)}")
    journal = Journal(folder)
    page = folder / "report.html"
    identity = _identity(config)
    kept = identity | {"code": versions.of_all(bench.versions.values())}
    jobs = bench.jobs(journal.finished())
    if page.exists() and not jobs and journal.config() == kept and _is_whole(folder / "report.json"):
        print(f"{folder} is finished already; nothing to do.")
    else:
        _tell_changes(journal.config(), kept, folder)
        notes = _notes(config, bench)
        for line in (f"{suite}: {note}" for suite in notes for note in notes[suite]):
            print(line, file=sys.stderr)
        journal.begin()
        _run(bench, setup, journal, config.workers)
        _report(folder, identity, bench, journal, notes)
        journal.finish(kept)
    print(page)
    return page


def _run(bench: Bench, setup: Setup, journal: Journal, workers: int) -> None:
    jobs = bench.jobs(journal.finished())
    total = sum(map(len, bench.suites.values())) * len(bench.estimators)
    with _progress() as progress:
        left = sum(len(job.cells) for job in jobs)
        bar = progress.add_task(" + ".join(bench.suites), total=total, completed=total - left)
        for found in run(bench, setup, jobs, workers):
            journal.append(found)
            progress.advance(bar, len(found))


def _notes(config: EvaluateConfig, bench: Bench) -> dict[str, list[str]]:
    """By suite, what a reader of its figures must know; the network's own record is asked only if it takes part."""
    ours = any(name.partition("+")[0] == "ours" for name in config.estimators)
    return {
        name: [note for note in (suite.note, *(overlap.notes(suite, config.checkpoint) if ours else ())) if note]
        for name, suite in bench.suites.items()
    }


def _report(
    folder: Path, identity: dict[str, Any], bench: Bench, journal: Journal, notes: dict[str, list[str]]
) -> None:
    from eval.report import Measured, figures, write_report  # with the plotting library behind it

    results = journal.results()
    measured = {}
    for suite, cases in bench.suites.items():
        found = {name: [results[cell] for cell in bench.cells(suite, name)] for name in bench.estimators}
        records = {name: [record for record, _ in pairs] for name, pairs in found.items()}
        costs = {name: [cost for _, cost in pairs] for name, pairs in found.items()}
        measured[suite] = Measured(records, costs, cases, notes[suite])
    report = figures(identity, measured)
    write_report(folder, report)
    console = Console(width=max(_WIDTH, Console().width))
    for suite in bench.suites:
        console.print(_leaderboard(report, suite))


def _progress() -> Progress:
    """Make a bar with the time left; it is drawn on stderr."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, TextColumn("left"), TimeRemainingColumn(), console=Console(stderr=True))


def _leaderboard(report: dict[str, Any], suite: str) -> Table:
    from eval.wording import mean, percent, seconds

    level = f"{report['config']['level']:g}"
    found = report["suites"][suite]
    table = Table(title=f"{suite}: {found['about']['tables']} tables, nats")
    table.add_column("", no_wrap=True)
    for heading in ("MAE", "bias", f"{float(level):.0%} covers", "failed", "time"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, section in found["estimators"].items():
        all_tables = section["overall"]
        table.add_row(
            name,
            mean(all_tables["mae"]),
            mean(all_tables["bias"]),
            percent(all_tables.get("coverage", {}).get(level)),
            str(all_tables["failed"]),
            seconds(report["timings"][suite][section.get("variant_of", name)]["mean_seconds"]),
        )
    return table


def _options(config: EvaluateConfig) -> SuiteOptions:
    return SuiteOptions(seed=config.seed, n=config.n, repeats=config.seeds, tables=config.tables)


def _identity(config: EvaluateConfig) -> dict[str, Any]:
    """All that determines the report, JSON values only."""
    return {
        "suite": list(config.suite),
        "estimators": list(config.estimators),
        "checkpoint": versions.of_checkpoint(config.checkpoint) if "ours" in config.estimators else None,
        "level": config.level,
        "seed": config.seed,
        "seeds": config.seeds,
        "n": list(config.n),
        "tables": config.tables,
    }


def _is_whole(report: Path) -> bool:
    try:
        return bool(json.loads(report.read_text("utf-8")))
    except (OSError, ValueError):
        return False


def _tell_changes(before: dict[str, Any] | None, now: dict[str, Any], folder: Path) -> None:
    """Say that the report of another config makes room; its results stay in tables.jsonl."""
    changed = [name for name in now if before is not None and before.get(name) != now[name]]
    if before is not None and changed:
        told = "; ".join(f"{name} {before.get(name)!r} there, {now[name]!r} now" for name in changed)
        print(f"{folder} held the report of another config ({told}); it is made anew, finished tables are kept.")


def _check(config: EvaluateConfig) -> None:
    if not 0 < config.level < 1:
        raise EvalError(f"got level = {config.level}; wanted a share between 0 and 1, such as 0.9")
    for kind, names in (("suites", config.suite), ("estimators", config.estimators)):
        if not names or len(set(names)) < len(names):
            raise EvalError(f"got {kind} {' '.join(names) or 'none'}; wanted one or more different names")
    if config.workers < 1:
        raise EvalError(f"got workers = {config.workers}; wanted 1 or more processes")
