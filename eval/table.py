"""The results of the README, from the JSON of finished reports: `python -m eval.table eval/reports`.

First a line per suite; then where ours loses, so that nobody has to look for it. Every suite with every estimator and
all measures go into the reports' own README.md.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.errors import EvalError
from eval.losses import LEVEL, LOSSES, NARROW, OURS, SURE, Row, losses, narrow

HEADINGS = (
    "suite (tables)",
    "estimator",
    "MAE (nats)",
    "MSE",
    "MSE of the mean",
    "bias",
    "90 % interval covers",
    "width",
    "worst family (MAE)",
    "failed",
    "ms",
    "MB",
)
_RIVALS = ("ksg", "gcmi", "sklearn")
_OVERVIEW = ("suite (tables)", f"MAE of {OURS}", "90 % interval covers", "cautious covers", *_RIVALS)
_SIZES = ("suite", "n", "tables", "MAE", "MSE", "MSE of the mean", "90 % interval covers", "cautious covers")
_PUBLISHED = ("bmi", "mist-")  # beginnings of their names
_SHOWN = 12  # rows of what is lost

Suite = tuple[str, Mapping[str, Any], Mapping[str, Any]]
Suites = Sequence[Suite]


def markdown(folder: Path) -> str:
    """What the README shows, every mean with its standard error.

    Args:
        folder: Holds folders with report.json, as `mist evaluate` writes them.
    """
    suites = list(_suites(folder))
    lines = [_row(_OVERVIEW), "|---" * len(_OVERVIEW) + "|", *map(_overview, suites), *_by_size(suites)]
    better = f"Where another estimator's error is the smaller one, by more than {SURE:g} standard errors:"
    lines += _lost(better, LOSSES, [row for name, suite, _ in suites for row in losses(name, suite)])
    level = f"{100 * float(LEVEL):g} %"
    lacking = (
        f"Where the {level} interval of `{OURS}` holds the truth less often, by more than {SURE:g} standard errors:"
    )
    lines += _lost(lacking, NARROW, [row for name, suite, _ in suites for row in narrow(name, suite)])
    return "\n".join(lines) + "\n"


def details(folder: Path) -> str:
    """A page of all suites, estimators and measures.

    Args:
        folder: As for `markdown`.
    """
    lines = ["# Every suite with every estimator", "", _row(HEADINGS), "|---" * len(HEADINGS) + "|"]
    for name, suite, timings in _suites(folder):
        title = f"{name} ({suite['about']['tables']})"
        for estimator, section in suite["estimators"].items():
            timing = timings[section.get("variant_of", estimator)]
            lines.append(_row([title, estimator, *_cells(section, timing)]))
    return "\n".join([*lines, "", "`python -m eval.table eval/reports` remakes this page."]) + "\n"


def _suites(folder: Path) -> Iterator[Suite]:
    for path in sorted(folder.glob("*/report.json")):
        report = json.loads(path.read_text("utf-8"))
        if "suites" not in report:
            raise EvalError(f"got {path}, which a former version wrote; run the `mist evaluate` that made it again")
        parent = path.parent.name
        for name, suite in report["suites"].items():  # a folder may hold a suite at other sizes: bmi-10000
            yield parent if parent.startswith(name) else name, suite, report["timings"][name]


def _overview(entry: Suite) -> str:
    """Errors of ours and of the usual others, and how often our intervals hold the truth."""
    name, suite, _ = entry
    measured = {estimator: section["overall"] for estimator, section in suite["estimators"].items()}
    ours, cautious = (measured.get(key, {}) for key in (OURS, f"{OURS}, cautious"))
    covered = [found.get("coverage", {}).get(LEVEL) for found in (ours, cautious)]
    others = [measured.get(rival, {}).get("mae") for rival in _RIVALS]
    return _row([f"{name} ({suite['about']['tables']})", *map(_mean, [ours.get("mae"), *covered, *others])])


def _by_size(suites: Suites) -> list[str]:
    """Our errors and coverage by the number of rows, on the sets that others published figures of."""
    rows = []
    for name, suite, _ in suites:
        if not name.startswith(_PUBLISHED) or OURS not in suite["estimators"]:
            continue
        groups = suite["estimators"][OURS]["by_n"]
        cautious = suite["estimators"].get(f"{OURS}, cautious", {}).get("by_n", {})
        for group, found in groups.items():
            wide = cautious.get(group, {}).get("coverage", {}).get(LEVEL)
            means = [found.get(key) for key in ("mae", "mse", "mse_of_mean")]
            cells = [*means, found.get("coverage", {}).get(LEVEL), wide]
            rows.append(_row([name, group, str(found["tables"]), *map(_mean, cells)]))
    if not rows:
        return []
    return ["", f"`{OURS}` by the number of rows:", "", _row(_SIZES), "|---" * len(_SIZES) + "|", *rows]


def _lost(title: str, headings: Sequence[str], rows: Sequence[Row]) -> list[str]:
    if not rows:
        return ["", f"{title} nowhere."]
    worst = sorted(rows, key=lambda row: -row[0])[:_SHOWN]
    more = [] if len(rows) <= _SHOWN else ["", f"These are the {_SHOWN} largest of {len(rows)} such groups."]
    table = [_row(headings), "|---" * len(headings) + "|", *(_row(cells) for _, cells in worst)]
    return ["", title, "", *table, *more]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(section: Mapping[str, Any], timing: Mapping[str, float]) -> list[str]:
    overall = section["overall"]
    covered = overall.get("coverage", {}).get(LEVEL)
    milliseconds, peak = 1000 * timing["median_seconds"], timing.get("median_peak_bytes")
    family, worst = max(section["by_family"].items(), key=lambda item: item[1]["mae"][0])
    return [
        _mean(overall["mae"]),
        _mean(overall["mse"]),
        _mean(overall.get("mse_of_mean")),
        _mean(overall["bias"]),
        _mean(covered),
        f"{overall['width'][0]:.2f}" if covered else "–",
        f"{family} {worst['mae'][0]:.2f}",
        str(overall["failed"]),
        f"{milliseconds:.1f}" if milliseconds >= 0.1 else "< 0.1",
        "–" if peak is None else f"{peak / 1e6:.1f}" if peak >= 1e5 else "< 0.1",
    ]


def _mean(mean: Sequence[float | None] | None) -> str:
    if mean is None or mean[0] is None or mean[1] is None:
        return "–"
    return f"{mean[0]:.3f} ± {mean[1]:.3f}"


if __name__ == "__main__":
    (Path(sys.argv[1]) / "README.md").write_text(details(Path(sys.argv[1])), encoding="utf-8")
    print(markdown(Path(sys.argv[1])), end="")
