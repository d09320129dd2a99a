"""Hold two reports on the same tables against each other, pair by pair: the stage behind `mist compare`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from tyro.conf import Positional

from eval import paired
from eval.errors import EvalError
from eval.summary import as_json
from eval.wording import mean

_SUITE = ("seed", "seeds", "n", "tables")  # of a config: what must agree besides the suite's name
_TRUTHS = 2e-5  # nats: truths are stored to 5 decimals
_WIDTH = 110  # also where nobody watches and a terminal of 80 would be assumed


@dataclass(frozen=True)
class CompareConfig:
    """Which reports, and what of them.

    Attributes:
        first: A report.json that `mist evaluate` wrote.
        second: Another one, of the same suites with the same seed.
        estimators: Names of the estimators to compare; by default all that both have.
        against: Name of the estimator of the second report that the first one's is held against, where names differ.
        out: Where to write the differences as JSON; by default they are printed alone.
    """

    first: Positional[str]
    second: Positional[str]
    estimators: tuple[str, ...] = ()
    against: str | None = None
    out: str | None = None


def compare(config: CompareConfig) -> dict[str, Any]:
    """Print the mean differences, second less first, with their standard errors; write them if asked.

    Returns:
        Differences of the absolute error, and of the interval score where both have intervals, by suite, estimator,
        kind of group and group, each as `[value, standard error]` beside its number of tables.

    Raises:
        EvalError: If a file is no such report, or the two have no table or no estimator in common.
    """
    first, second = _load(config.first), _load(config.second)
    names = _suites(first, second)
    found = {name: _suite(name, first, second, config) for name in names}
    console = Console(width=max(_WIDTH, Console().width))
    for suite, by_pair in found.items():
        for pair, differences in by_pair.items():
            console.print(_shown(f"{suite}: {pair}, second less first, nats", differences))
    if config.out is not None:
        Path(config.out).write_text(json.dumps(found, indent=1) + "\n", "utf-8")
        print(config.out)
    return found


def _load(path: str) -> dict[str, Any]:
    try:
        report = json.loads(Path(path).read_text("utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise EvalError(f"got {path}, which is not JSON; wanted the report.json of `mist evaluate`") from error
    if not isinstance(report, dict) or not {"config", "suites"} <= set(report):
        raise EvalError(f"got {path}, which holds no suites; wanted the report.json of `mist evaluate`, made anew")
    return report


def _suites(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    common = [name for name in first["suites"] if name in second["suites"]]
    if not common:
        raise EvalError(
            f"got suites {', '.join(first['suites'])} and {', '.join(second['suites'])}; wanted one in both: "
            "run `mist evaluate` with the same --suite"
        )
    for name in _SUITE:
        ours, theirs = first["config"][name], second["config"][name]
        if ours != theirs:
            raise EvalError(
                f"got reports with {name} = {ours!r} and {theirs!r}, so their tables differ; wanted the same tables: "
                "run `mist evaluate` with the same flags"
            )
    return common


def _suite(
    name: str, first: Mapping[str, Any], second: Mapping[str, Any], config: CompareConfig
) -> dict[str, dict[str, Any]]:
    ours, theirs = first["suites"][name], second["suites"][name]
    _check_tables(name, ours["tables"], theirs["tables"])
    levels = {report["config"]["level"] for report in (first, second)}
    level = levels.pop() if len(levels) == 1 else None
    return {
        one if one == other else f"{one} and {other}": _differences((ours, one), (theirs, other), level)
        for one, other in _pairs(name, ours, theirs, config)
    }


def _check_tables(name: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> None:
    same = all(first[column] == second[column] for column in ("key", "n", "d_x", "d_y"))
    if not same or np.max(np.abs(np.subtract(first["mi_nats"], second["mi_nats"]))) > _TRUTHS:
        raise EvalError(
            f"got two reports whose tables of {name} differ, though their flags agree; wanted one version of it: "
            "run `mist evaluate` again for the older one"
        )


def _pairs(
    suite: str, first: Mapping[str, Any], second: Mapping[str, Any], config: CompareConfig
) -> list[tuple[str, str]]:
    left, right = list(first["estimators"]), list(second["estimators"])
    wanted = config.estimators or tuple(name for name in left if config.against or name in right)
    pairs = [(name, config.against or name) for name in wanted]
    unknown = {one for one, _ in pairs if one not in left} | {other for _, other in pairs if other not in right}
    if unknown or not pairs:
        raise EvalError(
            f"got estimators {', '.join(sorted(unknown)) or 'none'} for {suite}; wanted some of: "
            f"{', '.join(left)} in the first report, and {', '.join(right)} in the second"
        )
    return pairs


def _differences(
    first: tuple[Mapping[str, Any], str], second: tuple[Mapping[str, Any], str], level: float | None
) -> dict[str, Any]:
    errors = [paired.errors(*one) for one in (first, second)]
    scores = [paired.interval_scores(*one, level) for one in (first, second)] if level is not None else [None, None]
    found: dict[str, Any] = {}
    for (kind, name), mask in paired.groups(first[0]).items():
        row = {"tables": int(mask.sum()), "absolute_error": as_json(paired.difference(errors[0], errors[1], mask))}
        if scores[0] is not None and scores[1] is not None:
            row["interval_score"] = as_json(paired.difference(scores[0], scores[1], mask))
        found.setdefault(kind, {})[name] = row
    return found


def _shown(title: str, differences: Mapping[str, Any]) -> Table:
    scored = "interval_score" in differences["all"][""]
    table = Table(title=title)
    for heading in ("", "tables", "absolute error", *(["interval score"] if scored else [])):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for kind, named in differences.items():
        for name, row in named.items():
            cells = [mean(row["absolute_error"]), *([mean(row["interval_score"])] if scored else [])]
            table.add_row(f"{kind} {name}".strip(), str(row["tables"]), *cells)
    return table
