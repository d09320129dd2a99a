"""What a run reports: every row to metrics.jsonl, and to Weights & Biases where wanted.

metrics.jsonl is the truth: W&B loses its last rows when a process is killed. On resume, rows after the resumed step
are cut off, so that no step stands there twice.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

from training.config import TrainingError

Mode = Literal["offline", "online", "disabled"]


class Logbook:
    """An open log of one run; a context manager."""

    def __init__(self, folder: Path, config: dict[str, Any], mode: Mode, project: str, start: int) -> None:
        """Open the log in `folder`, keeping rows of steps up to `start` alone."""
        self.path = folder / "metrics.jsonl"
        _cut(self.path, start)
        self._file = self.path.open("a", encoding="utf-8")
        self._run = _wandb_run(folder, config, mode, project)

    def log(self, step: int, **metrics: float) -> None:
        """Write one row."""
        self._file.write(json.dumps({"step": step, **metrics}) + "\n")
        self._file.flush()
        if self._run is not None:
            self._run.log(metrics, step=step)

    def __enter__(self) -> Logbook:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
        if self._run is not None:
            self._run.finish(exit_code=0 if error[0] is None else 1)


def read(path: Path) -> list[dict[str, float]]:
    """All whole rows of a metrics file; a last row that a kill cut short is left out."""
    if not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


def _cut(path: Path, start: int) -> None:
    rows = [row for row in read(path) if row["step"] <= start] if start else []
    partial = path.with_suffix(".partial")
    partial.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    os.replace(partial, path)


def check(mode: Mode) -> None:
    """See that Weights & Biases can be used as asked, before anything takes time.

    Raises:
        TrainingError: It is not installed, or nobody is logged in and the mode is online.
    """
    if mode != "disabled":
        wandb = _wandb(mode)
        try:
            if mode == "online":
                wandb.login()
        except wandb.errors.UsageError as error:
            raise TrainingError(
                f"got --wandb online while nobody is logged in ({error}); "
                "run `wandb login`, set WANDB_API_KEY, or pass --wandb offline"
            ) from error


def _wandb(mode: Mode) -> Any:
    try:
        import wandb
    except ImportError as error:
        raise TrainingError(
            'got wandb mode "' + mode + '" without Weights & Biases installed; '
            'run `pip install "mist-mi[train]"` or pass --wandb disabled'
        ) from error
    return wandb


def _wandb_run(folder: Path, config: dict[str, Any], mode: Mode, project: str) -> Any:
    if mode == "disabled":
        return None
    wandb = _wandb(mode)
    settings = wandb.Settings(silent=True, console="off", x_disable_stats=True)
    return wandb.init(project=project, dir=str(folder), config=config, mode=mode, name=folder.name, settings=settings)
