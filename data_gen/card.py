"""The card of a dataset: what a store holds, in Markdown for people, in JSON for programs, and drawn."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data_gen.manifest import Manifest

_LEVELS = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_MI_EDGES = (0.0, 1e-9, 0.01, 0.03, 0.1, 0.3, 1.0, 2.0, 3.0, 4.0, 6.0, 10.0, np.inf)  # nats; the first bin is exactly 0
_SIZE_EDGES = tuple(2**power for power in range(18))  # of n, d_x and d_y


@dataclass(frozen=True, eq=False)
class Columns:
    """What is known of every table that could be read, each array (T,)."""

    split: np.ndarray
    family: np.ndarray
    n: np.ndarray
    d_x: np.ndarray
    d_y: np.ndarray
    mi_nats: np.ndarray
    stderr: np.ndarray


def describe(
    manifest: Manifest,
    uri: str,
    columns: Columns,
    checks: Mapping[str, int],
    problems: Sequence[str],
    benchmark: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Sum up a store as JSON values.

    Args:
        manifest: The store's own record.
        uri: Where the store lies.
        columns: Its tables.
        checks: How many things each check looked at.
        problems: What was found wrong, in words; empty for a sound store.
        benchmark: Figures of `data_gen.benchmark`, if there are any.
    """
    families = {str(name): _summary(columns, columns.family == name) for name in np.unique(columns.family)}
    return {
        "store": uri,
        "sound": not problems,
        "problems": list(problems),
        "checks": dict(checks),
        "splits": dict(manifest.tables),
        "all": _summary(columns, np.ones(len(columns.n), dtype=bool)),
        "families": families,
        "mi_edges": [edge if np.isfinite(edge) else None for edge in _MI_EDGES],
        "size_edges": list(_SIZE_EDGES),
        "config": dict(manifest.config),
        "versions": dict(manifest.versions),
        "benchmark": benchmark,
    }


def _summary(columns: Columns, chosen: np.ndarray) -> dict[str, Any]:
    mi_nats = columns.mi_nats[chosen]
    histogram, _ = np.histogram(mi_nats, bins=np.array(_MI_EDGES))
    return {
        "tables": int(chosen.sum()),
        "unequal_share": float(np.mean(columns.d_x[chosen] != columns.d_y[chosen])),
        "largest_stderr": float(columns.stderr[chosen].max()),
        "mi_histogram": histogram.tolist(),
        "mi_nats": _quantiles(mi_nats),
        **{f"{name}_histogram": _sizes(getattr(columns, name)[chosen]) for name in ("n", "d_x", "d_y")},
        "n": _quantiles(columns.n[chosen]),
        "d_x": _quantiles(columns.d_x[chosen]),
        "d_y": _quantiles(columns.d_y[chosen]),
    }


def _sizes(values: np.ndarray) -> list[int]:
    return np.histogram(values, bins=np.array(_SIZE_EDGES))[0].tolist()


def _quantiles(values: np.ndarray) -> dict[str, float]:
    return {f"{level:g}": float(np.quantile(values, level)) for level in _LEVELS}


def write_card(folder: Path, card: Mapping[str, Any], columns: Columns) -> None:
    """Write card.json, card.md and card.png into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    (folder / "card.md").write_text(_markdown(card), encoding="utf-8")
    _draw(folder / "card.png", columns)


def _markdown(card: Mapping[str, Any]) -> str:
    problems = "".join(f"- {problem}\n" for problem in card["problems"]) or "None.\n"
    splits = "".join(f"| {split} | {tables:,} |\n" for split, tables in card["splits"].items())
    rows = {**card["families"], "**all**": card["all"]}
    families = "".join(f"{_row(name, summary)}\n" for name, summary in rows.items())
    checks = "".join(f"- {name}: {number:,}\n" for name, number in card["checks"].items())
    versions = ", ".join(f"{library} {version}" for library, version in card["versions"].items())
    config = card["config"]
    return f"""# Meta-dataset {card["store"]}

Synthetic tables with known mutual information, drawn from the prior `{config["preset"]}` with seed {config["seed"]}.
The full configuration is in `card.json`; `mist validate {card["store"]}` remakes this card.

| split | tables |
|---|---:|
{splits}
## Families

Mutual information in nats; n, d_x and d_y as least - median - most.

| family | tables | MI 5 % | median | 95 % | most | MI = 0 | largest stderr | n | d_x | d_y | d_x ≠ d_y |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
{families}
![Histograms of MI, n and d per family](card.png)

Darker is a larger share of the family's tables (shade: its square root).

## Checks

{checks}
## Problems

{problems}{_throughput(card["benchmark"])}
## Made with

{versions}
"""


def _throughput(benchmark: Mapping[str, Any] | None) -> str:
    """A section on speed, or nothing."""
    if benchmark is None:
        return ""
    speedups = {(s["workers"], s["flow_share"]): f"{s['ratio']:.2f}" for s in benchmark["speedups"]}
    rows = "".join(
        f"| {case['workers']} | {case['flow_share']:g} | {case['tables_per_second']:,.0f} "
        f"| {case['tables_per_processor_second']:,.0f} "
        f"| {speedups.get((case['workers'], case['flow_share']), '')} | {len(case['runs'])} |\n"
        for case in benchmark["cases"]
    )
    machine = benchmark["machine"]
    return f"""
## Speed

Whole processes, {benchmark["tables"]:,} tables each, medians; made by `{benchmark["command"]}` on
{machine["cores"]} cores of {machine["processor"]}, of whose time the host gave {machine["stolen_share"]:.0%} to others.
The load average at the end was {machine["load_average"][0]:.1f}: what exceeds the workers is other work, which slowed
the runs.

| workers | flow share | tables/s | per second of processor time | times as fast as the fewest | runs |
|---:|---:|---:|---:|---:|---:|
{rows}"""


def _row(name: str, summary: Mapping[str, Any]) -> str:
    mi_nats = [f"{summary['mi_nats'][level]:.3f}" for level in ("0.05", "0.5", "0.95", "1")]
    zero = f"{summary['mi_histogram'][0] / summary['tables']:.0%}"
    sizes = [" - ".join(f"{summary[key][level]:.0f}" for level in ("0", "0.5", "1")) for key in ("n", "d_x", "d_y")]
    cells = [name, f"{summary['tables']:,}", *mi_nats, zero, f"{summary['largest_stderr']:.1e}", *sizes]
    return f"| {' | '.join(cells)} | {summary['unequal_share']:.0%} |"


def _draw(path: Path, columns: Columns) -> None:
    """Draw the histograms of MI, n and d_x + d_y, a row of shades per family: the share of its tables in each bin."""
    from matplotlib.figure import Figure

    names = np.unique(columns.family)
    sizes = {"n": columns.n, "d_x + d_y": columns.d_x + columns.d_y}
    roots = np.sqrt(columns.mi_nats)  # so that weak dependence has room
    panels = {"mutual information (nats)": (roots, np.linspace(0.0, roots.max() + 1e-9, 41))}
    for label, values in sizes.items():  # bins are even in the logarithm to base 2
        panels[label] = (np.log2(values), np.linspace(np.log2(values.min()), np.log2(values.max() + 1), 21))
    figure = Figure(figsize=(10.0, 0.22 * len(names) + 1.2), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True)
    for axis, (label, (values, edges)) in zip(axes, panels.items(), strict=True):
        counts = np.stack([np.histogram(values[columns.family == name], edges)[0] for name in names])
        shares = counts / counts.sum(axis=1, keepdims=True)
        # the root makes rare sizes visible beside common ones
        axis.pcolormesh(edges, np.arange(len(names) + 1) - 0.5, np.sqrt(shares), cmap="Blues", vmin=0)
        axis.set_xlabel(label)
        if label in sizes:
            ticks = range(math.ceil(edges[0]), math.floor(edges[-1]) + 1, 2)
            axis.set_xticks(ticks, labels=[str(2**tick) for tick in ticks])
        else:
            nats = [tick for tick in (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0) if tick <= edges[-1] ** 2]
            axis.set_xticks(np.sqrt(nats), labels=[f"{tick:g}" for tick in nats])
    axes[0].set_yticks(range(len(names)), labels=[str(name) for name in names], fontsize=8)
    axes[0].invert_yaxis()
    figure.savefig(path, dpi=100)
