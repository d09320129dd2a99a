"""`mist demo`: the whole pipeline in small, by the very commands a user would type, then an answer on real data."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from mist.estimator import load
from mist.matrix import Matrix, mi_matrix

TARGET = "benign"


@dataclass(frozen=True)
class DemoConfig:
    """Where to put everything.

    Attributes:
        out: Folder for the meta-dataset, the run, the report and the pictures.
        workers: Worker processes; 0 for one per core.
        level: Nominal coverage of the intervals.
    """

    out: str = "demo"
    workers: int = 0
    level: float = 0.9


def demo(config: DemoConfig, run: Callable[[str, list[str]], None]) -> None:
    """Generate, train, calibrate and evaluate a tiny model; then let the packaged one answer on the breast cancer data.

    Args:
        config: Where to put everything.
        run: Runs one subcommand with its flags. Each does nothing where its work is done, and so does a second demo.

    Raises:
        CheckpointError: There are no weights in this package.
        ModuleNotFoundError: An optional library is missing.
    """
    console = Console()
    packaged = load()  # before minutes of work: without weights or data there would be no end to it
    columns = breast_cancer()
    for name, flags in stages(config):
        console.print(f"\n[bold]$ mist {name} {shlex.join(flags)}[/bold]")
        run(name, flags)
    console.print(f"\n[bold]The packaged model, {packaged}, on a real data set[/bold]")
    matrix = mi_matrix(columns, target=TARGET, level=config.level, estimator=packaged)
    console.print(_table(matrix))
    for suffix in (".csv", ".html", ".png"):
        print(matrix.save(Path(config.out, f"breast_cancer{suffix}")))


def stages(config: DemoConfig) -> list[tuple[str, list[str]]]:
    """Subcommands and their flags, in order."""
    data, model, report = (str(Path(config.out, name)) for name in ("data", "run", "report"))
    workers = ["--workers", str(config.workers)]
    return [
        ("generate", ["--preset", "tiny", "--out", data, *workers]),
        ("train", ["--preset", "tiny", "--data", data, "--out", model, "--resume", *workers]),
        ("calibrate", ["--run", model, "--data", data, *workers]),
        ("evaluate", ["--checkpoint", model, "--suite", "tiny", "--out", report]),
    ]


def breast_cancer() -> dict[str, np.ndarray]:
    """The breast cancer data of scikit-learn: thirty measurements of cell nuclei in 569 tumours, and which are benign.

    Reference: Street, Wolberg and Mangasarian (1993), Nuclear feature extraction for breast tumor diagnosis, SPIE 1905.
    """
    from sklearn.datasets import load_breast_cancer

    values = load_breast_cancer()
    return dict(zip(values.feature_names.tolist(), values.data.T, strict=True)) | {TARGET: values.target.astype(float)}


def _table(matrix: Matrix) -> Table:
    (target,) = matrix.columns
    first = next(iter(matrix.estimates.values()))
    table = Table(title=f"Mutual information with {target}, {first.n} tumours")
    table.add_column("column")
    for heading in ("nats", f"{100 * first.level:g} % interval"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("notices")
    for record in matrix.records():
        interval = f"[{record['low']:.3f}, {record['high']:.3f}]"
        table.add_row(record["x"], f"{record['mi']:.3f}", interval, record["notices"])
    return table
