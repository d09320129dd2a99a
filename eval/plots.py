"""The plots of a report, from the content of its JSON file alone, as SVG images inside data URIs."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Report = Mapping[str, Any]

# Told apart by most colour-blind readers (Okabe and Ito); ours has the first, whatever its place in the list.
_OURS = "#0072B2"
_OTHERS = ("#D55E00", "#009E73", "#CC79A7", "#7A6A00", "#56B4E9", "#555555", "#E69F00")
_INK, _FAINT = "#333333", "#D9D9D9"
_STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _INK,
    "axes.grid": True,
    "grid.color": "#EEEEEE",
    "axes.axisbelow": True,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "svg.hashsalt": "mist",  # the same figures give the same bytes
}
_GROUPS = {"by_n": "samples n", "by_d": "columns of the larger side", "by_mi": "true MI (nats)"}
_TICKS = (0, 0.02, 0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 20, 40)
_TICK_GAP = 0.09  # least distance between two ticks, as a share of the axis


@dataclass(frozen=True)
class Plot:
    """An image for the page.

    Attributes:
        caption: What it shows, for those who cannot see it too.
        uri: The image itself.
    """

    caption: str
    uri: str


def plots(report: Report) -> dict[str, list[Plot]]:
    """Draw all plots of a report that its figures have something for, by the heading under which they go."""
    sections: dict[str, list[Plot]] = {}
    with mpl.rc_context(_STYLE):
        sections["Truth against estimate"] = [_truth_against_estimate(report, name) for name in report["estimators"]]
        intervals = [name for name, section in report["estimators"].items() if "pit" in section]
        if intervals:
            histograms = [_pit(report, name) for name in intervals]
            sections["Honesty of the intervals"] = [_coverage(report, intervals), *histograms]
        sections["Where the error comes from"] = [_errors_by(report, by, axis) for by, axis in _GROUPS.items()]
    return sections


def _truth_against_estimate(report: Report, name: str) -> Plot:
    truth, estimate = np.array(report["estimators"][name]["points"]).reshape(-1, 2).T
    figure, axes = _canvas(3.4, 3.2)
    failed = report["estimators"][name]["overall"]["failed"]
    axes.set_title(name + (f", less {failed} failures" if failed else ""))
    if report["suite"]["mi_nats"][1] == 0:
        axes.hist(estimate, bins=30, color=_colour(report, name))
        axes.set(xlabel="estimate (nats); the truth is 0", ylabel="tables")
        return _plot(figure, f"Histogram of the estimates of {name}; the truth is 0.")
    end = 1.1 * max(report["suite"]["mi_nats"][1], 0.1)
    axes.plot([0, end], [0, end], color=_INK, linewidth=0.8)
    inside = np.minimum(estimate, end)  # what lies above is drawn on the edge
    axes.scatter(
        truth, inside, s=9, color=_colour(report, name), alpha=0.5, linewidths=0, rasterized=True, clip_on=False
    )
    ticks = _ticks(end)
    axes.set_xscale("function", functions=(_root, np.square))
    axes.set_yscale("function", functions=(_root, np.square))
    axes.set_xticks(ticks, map(str, ticks))
    axes.set_yticks(ticks, map(str, ticks))
    axes.set(xlim=(0, end), ylim=(0, end), xlabel="true MI (nats)", ylabel="estimate (nats)")
    return _plot(figure, f"Estimates of {name} against the true MI, square-root axes.")


def _coverage(report: Report, names: Sequence[str]) -> Plot:
    figure, axes = _canvas(3.4, 3.2)
    axes.plot([40, 100], [40, 100], color=_INK, linewidth=0.8)
    for name in names:
        by_level = report["estimators"][name]["overall"]["coverage"]
        nominal = [100 * float(level) for level in by_level]
        observed = [100 * mean["value"] for mean in by_level.values()]
        errors = [100 * mean["stderr"] for mean in by_level.values()]
        axes.errorbar(nominal, observed, errors, fmt="o-", color=_colour(report, name), label=name, markersize=4)
    axes.set(xlabel="nominal level (%)", ylabel="intervals that hold the true MI (%)", xlim=(45, 100), ylim=(None, 100))
    axes.set_title("Coverage by level")
    axes.legend(loc="upper left")
    return _plot(figure, "Coverage of the true MI by nominal level; below the line is too narrow.")


def _pit(report: Report, name: str) -> Plot:
    counts = np.array(report["estimators"][name]["pit"])
    figure, axes = _canvas(3.4, 3.2)
    expected = counts.sum() / counts.size
    edges = np.linspace(0, 1, counts.size + 1)
    axes.bar(edges[:-1], counts, width=1 / counts.size, align="edge", color=_colour(report, name), edgecolor="white")
    spread = 2 * np.sqrt(expected * (1 - 1 / counts.size))
    axes.axhspan(expected - spread, expected + spread, color=_FAINT, alpha=0.6, zorder=3, linewidth=0)
    axes.set(xlabel="predictive probability of less than the truth", ylabel="tables", xlim=(0, 1))
    axes.set_title(f"PIT of {name}")
    caption = (
        f"Histogram of the probability that {name} gives to less than the truth; flat, within the band, if honest."
    )
    return _plot(figure, caption)


def _errors_by(report: Report, by: str, axis: str) -> Plot:
    sections = report["estimators"]
    labels = list(next(iter(sections.values()))[by])
    figure, axes = _canvas(3.4, 3.2)
    for place, (name, section) in enumerate(sections.items()):
        values = [section[by][label]["mae"]["value"] for label in labels]
        errors = [section[by][label]["mae"]["stderr"] or 0 for label in labels]
        shift = 0.06 * (place - (len(sections) - 1) / 2)
        positions = np.arange(len(labels)) + shift
        axes.errorbar(positions, values, errors, fmt="o-", color=_colour(report, name), label=name, markersize=4)
    axes.set_xticks(range(len(labels)), labels, rotation=30 if max(map(len, labels)) > 5 else 0)
    axes.set(xlabel=axis, ylabel="mean absolute error (nats)", ylim=(0, None))
    axes.legend(fontsize=8)
    axes.set_title(f"Error by {axis}")
    return _plot(figure, f"Mean absolute error by {axis}, with standard errors.")


def _canvas(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _plot(figure: Figure, caption: str) -> Plot:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", dpi=180, metadata={"Date": None})
    return Plot(caption, "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode())


def _colour(report: Report, name: str) -> str:
    if name == "ours":
        return _OURS
    others = [other for other in report["estimators"] if other != "ours"]
    return _OTHERS[others.index(name) % len(_OTHERS)]


def _ticks(end: float) -> list[float]:
    """Round numbers up to `end` that lie far enough apart on a square-root axis."""
    kept: list[float] = []
    for tick in _TICKS:
        if tick <= end and (not kept or np.sqrt(tick) - np.sqrt(kept[-1]) >= _TICK_GAP * np.sqrt(end)):
            kept.append(tick)
    return kept


def _root(values: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(values, 0))
