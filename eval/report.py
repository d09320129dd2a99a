"""A run's figures as one JSON file, and from its content alone one self-contained page for people."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from eval import gallery, metrics, versions, wording
from eval.plots import OURS, plots
from eval.published import comparisons
from eval.records import Cost, Record
from eval.suites import Case
from eval.summary import as_json, rounded, summarise

_NOTE = "a mean is [value, standard error]; MI in nats; null: unknown, or a failed estimate, which counts as 0"
_DEPTH = 5  # of the JSON file down to which every key has a line of its own
_WORDS = ("mean", "number", "percent", "seconds", "megabytes")


@dataclass(frozen=True)
class Measured:
    """What a run knows of one suite.

    Attributes:
        records: Results of every estimator, one per case, in the suite's order.
        costs: What they took.
        cases: The cases themselves, to draw the worst of them.
        notes: What a reader of the figures must know, a sentence or two each.
    """

    records: Mapping[str, Sequence[Record]]
    costs: Mapping[str, Sequence[Cost]]
    cases: Sequence[Case]
    notes: Sequence[str] = ()


def figures(config: Mapping[str, Any], measured: Mapping[str, Measured]) -> dict[str, Any]:
    """Everything that is reported, as JSON values.

    Args:
        config: What the run was asked for, JSON values only.
        measured: Its results by suite. Time and memory go under the key `timings`, which alone differs between two
            runs of one config.
    """
    return {
        "note": _NOTE,
        "config": dict(config),
        "versions": versions.packages(),
        "suites": {name: _suite(one, config["level"]) for name, one in measured.items()},
        "dependence": _dependence(measured),
        "timings": {
            name: {estimator: _timing(costs) for estimator, costs in one.costs.items()}
            for name, one in measured.items()
        },
    }


def _suite(measured: Measured, level: float) -> dict[str, Any]:
    cases = next(iter(measured.records.values()))
    sections: dict[str, Any] = {}
    for name, records in measured.records.items():
        sections[name] = summarise(records, level)
        if any(r.cautious for r in records):
            variant = summarise([replace(r, quantiles=r.cautious) for r in records], level)
            del variant["estimate"], variant["worst"], variant["by_task"]  # those of the other
            sections[f"{name}, cautious"] = {"variant_of": name} | variant
    drawn = {place: gallery.drawing(measured.cases[place]) for place in gallery.places(_own(sections))}
    return {
        "about": _about(cases) | {"notes": list(measured.notes)},
        "tables": {
            "key": [r.cell.key for r in cases],
            "family": [r.family for r in cases],
            **({"group": [r.group for r in cases]} if any(r.group for r in cases) else {}),
            **{name: [getattr(r, name) for r in cases] for name in ("n", "d_x", "d_y")},
            "mi_nats": [round(r.mi_nats, 5) for r in cases],
        },
        "estimators": sections,
        "drawn": {str(place): found for place, found in drawn.items()},
    }


def _own(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Sections without those that differ in their intervals alone."""
    return {name: section for name, section in sections.items() if "variant_of" not in section}


def _about(cases: Sequence[Record]) -> dict[str, Any]:
    return {
        "tables": len(cases),
        "n": [min(r.n for r in cases), max(r.n for r in cases)],
        "d": [min(min(r.d_x, r.d_y) for r in cases), max(max(r.d_x, r.d_y) for r in cases)],
        "mi_nats": [min(r.mi_nats for r in cases), max(r.mi_nats for r in cases)],
    }


def _dependence(measured: Mapping[str, Measured]) -> dict[str, Any]:
    """AUROC of dependent against independent tables over all suites together, where both kinds are there."""
    estimators = next(iter(measured.values())).records
    found = {}
    for name in estimators:
        records = [r for one in measured.values() for r in one.records[name] if not r.relation]
        split = [[r.estimate for r in records if (r.mi_nats > 0) == kind] for kind in (True, False)]
        if all(split):
            counts = {"dependent": len(split[0]), "independent": len(split[1])}
            found[name] = {"auroc": as_json(metrics.auroc(*split)), **counts}
    return found


def _timing(costs: Sequence[Cost]) -> dict[str, float | None]:
    seconds = np.array([cost.seconds for cost in costs])
    peaks = np.array([cost.peak_bytes for cost in costs if cost.peak_bytes is not None])
    known = {
        "mean_seconds": seconds.mean(),
        "median_seconds": np.median(seconds),
        "longest_seconds": seconds.max(),
        "total_seconds": seconds.sum(),
    }
    if peaks.size:
        known |= {"median_peak_bytes": np.median(peaks), "highest_peak_bytes": peaks.max()}
    return {name: rounded(value, 4) for name, value in known.items()}


def write_report(folder: Path, report: Mapping[str, Any]) -> Path:
    """Write report.json, then from it report.html.

    Returns:
        The path of the page.
    """
    text = _lines(report, _DEPTH) + "\n"
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
    environment.filters |= {name: getattr(wording, name) for name in _WORDS}
    environment.filters["scatter"] = lambda points: Markup(gallery.svg(points, OURS))
    drawn = {name: plots(name, suite, report["timings"][name]) for name, suite in report["suites"].items()}
    published = {name: comparisons(name, suite) for name, suite in report["suites"].items()}
    return environment.get_template("report.html").render(report=report, plots=drawn, published=published)


def _lines(value: Any, depth: int) -> str:
    """JSON with a line per key down to a depth, and no space below it: small, and still to be read and compared."""
    if depth == 0 or not isinstance(value, Mapping) or not value:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    inner = ",\n".join(f"{json.dumps(key)}: {_lines(item, depth - 1)}" for key, item in value.items())
    return f"{{\n{inner}\n}}"


def _write_whole(path: Path, text: str) -> None:
    part = path.with_suffix(path.suffix + ".partial")
    part.write_text(text, "utf-8")
    part.replace(path)
