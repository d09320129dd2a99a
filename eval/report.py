"""A run's figures as one JSON file, and from its content alone one self-contained page for people."""

import json
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from platform import python_version
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from eval import wording
from eval.plots import plots
from eval.records import Record
from eval.summary import summarise

_PACKAGES = ("mist-mi", "numpy", "scipy", "torch", "scikit-learn")


def figures(
    config: Mapping[str, Any], records: Sequence[Record], seconds: Mapping[str, Sequence[float]]
) -> dict[str, Any]:
    """Everything that is reported, as JSON values.

    Args:
        config: What the run was asked for, JSON values only.
        records: All its results.
        seconds: Seconds per table by estimator; they go under the key `timings`, which alone differs between two runs
            of one config.
    """
    by_estimator = {name: [r for r in records if r.estimator == name] for name in config["estimators"]}
    cases = next(iter(by_estimator.values()))
    return {
        "config": dict(config),
        "versions": _versions(),
        "suite": {
            "name": config["suite"],
            "tables": len(cases),
            "n": [min(r.n for r in cases), max(r.n for r in cases)],
            "d": [min(min(r.d_x, r.d_y) for r in cases), max(max(r.d_x, r.d_y) for r in cases)],
            "mi_nats": [min(r.mi_nats for r in cases), max(r.mi_nats for r in cases)],
        },
        "estimators": {name: summarise(rows, config["level"]) for name, rows in by_estimator.items()},
        "timings": {name: _timing(values) for name, values in seconds.items()},
    }


def write_report(folder: Path, report: Mapping[str, Any]) -> Path:
    """Write report.json, then from it report.html.

    Returns:
        The path of the page.
    """
    text = json.dumps(report, indent=1, allow_nan=False) + "\n"
    _write_whole(folder / "report.json", text)
    page = folder / "report.html"
    _write_whole(page, html(json.loads(text)))
    return page


def html(report: Mapping[str, Any]) -> str:
    """The page of a report.json, which needs no other file."""
    environment = Environment(
        loader=PackageLoader("eval", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {name: getattr(wording, name) for name in ("mean", "number", "percent", "seconds")}
    return environment.get_template("report.html").render(report=report, plots=plots(report))


def _timing(values: Sequence[float]) -> dict[str, float]:
    return {
        "mean_seconds": sum(values) / len(values),
        "median_seconds": sorted(values)[len(values) // 2],
        "total_seconds": sum(values),
    }


def _versions() -> dict[str, str]:
    known = {name: _version(name) for name in _PACKAGES}
    return {"python": python_version()} | {name: version for name, version in known.items() if version}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:  # run from a checkout, or an optional estimator that is not installed
        return None


def _write_whole(path: Path, text: str) -> None:
    part = path.with_suffix(path.suffix + ".partial")
    part.write_text(text, "utf-8")
    part.replace(path)
