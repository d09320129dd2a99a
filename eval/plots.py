"""The plots of a suite's section of a report, from its JSON file alone, as SVG images inside data URIs."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Suite = Mapping[str, Any]

# Told apart by most colour-blind readers (Okabe and Ito); ours has the first, whatever its place in the list.
OURS = "#0072B2"
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


def plots(name: str, suite: Suite, timings: Mapping[str, Any]) -> dict[str, list[Plot]]:
    """Draw all plots of one suite that its figures have something for, by the heading under which they go.

    Args:
        name: Of the suite, for the captions.
        suite: A suite's section of report.json.
        timings: The timings of this suite there.
    """
    sections: dict[str, list[Plot]] = {}
    own = [name for name, section in suite["estimators"].items() if "variant_of" not in section]
    with mpl.rc_context(_STYLE):
        sections["Truth against estimate"] = [_truth_against_estimate(suite, name) for name in own]
        intervals = [name for name, section in suite["estimators"].items() if "pit" in section]
        if intervals:
            histograms = [_pit(suite, name) for name in intervals]
            by_mi = [_coverage_by_mi(suite, intervals)] if len(suite["estimators"][intervals[0]]["by_mi"]) > 1 else []
            sections["Honesty of the intervals"] = [_coverage(suite, intervals), *by_mi, *histograms]
        by_group = [_errors_by(suite, own, by, axis) for by, axis in _GROUPS.items()]
        sections["Where the error comes from"] = [*by_group, _error_by_cost(suite, own, timings)]
    return sections


def _truth_against_estimate(suite: Suite, name: str) -> Plot:
    answered = [value is not None for value in suite["estimators"][name]["estimate"]]
    truth = np.array(suite["tables"]["mi_nats"])[answered]
    estimate = np.array([value for value in suite["estimators"][name]["estimate"] if value is not None])
    figure, axes = _canvas(3.4, 3.2)
    failed = suite["estimators"][name]["overall"]["failed"]
    axes.set_title(name + (f", less {failed} failures" if failed else ""))
    if suite["about"]["mi_nats"][1] == 0:
        axes.hist(estimate, bins=30, color=_colour(suite, name))
        axes.set(xlabel="estimate (nats); the truth is 0", ylabel="tables")
        return _plot(figure, f"Histogram of the estimates of {name}; the truth is 0.")
    end = 1.1 * max(suite["about"]["mi_nats"][1], 0.1)
    axes.plot([0, end], [0, end], color=_INK, linewidth=0.8)
    inside = np.minimum(estimate, end)  # what lies above is drawn on the edge
    axes.scatter(
        truth, inside, s=9, color=_colour(suite, name), alpha=0.5, linewidths=0, rasterized=True, clip_on=False
    )
    ticks = _ticks(end)
    axes.set_xscale("function", functions=(_root, np.square))
    axes.set_yscale("function", functions=(_root, np.square))
    axes.set_xticks(ticks, map(str, ticks))
    axes.set_yticks(ticks, map(str, ticks))
    axes.set(xlim=(0, end), ylim=(0, end), xlabel="true MI (nats)", ylabel="estimate (nats)")
    return _plot(figure, f"Estimates of {name} against the true MI, square-root axes.")


def _coverage(suite: Suite, names: Sequence[str]) -> Plot:
    figure, axes = _canvas(3.4, 3.2)
    axes.plot([40, 100], [40, 100], color=_INK, linewidth=0.8)
    for name in names:
        by_level = suite["estimators"][name]["overall"]["coverage"]
        nominal = [100 * float(level) for level in by_level]
        observed, errors = 100 * np.array(list(by_level.values())).reshape(-1, 2).T
        axes.errorbar(nominal, observed, errors, label=name, **_line(suite, name))
    axes.set(xlabel="nominal level (%)", ylabel="intervals that hold the true MI (%)", xlim=(45, 100), ylim=(None, 101))
    axes.set_title("Calibration: coverage by level")
    axes.legend(loc="best", fontsize=8)
    return _plot(figure, "Coverage of the true MI by nominal level; below the line is too narrow.")


def _coverage_by_mi(suite: Suite, names: Sequence[str]) -> Plot:
    figure, axes = _canvas(3.4, 3.2)
    labels = list(suite["estimators"][names[0]]["by_mi"])
    level = _middle(suite["estimators"][names[0]]["overall"]["coverage"])
    axes.axhline(100 * float(level), color=_INK, linewidth=0.8)
    for name in names:
        groups = suite["estimators"][name]["by_mi"]
        shares = [groups[label].get("coverage", {}).get(level, (np.nan, np.nan)) for label in labels]
        observed, errors = 100 * np.array(shares, np.float64).T
        axes.errorbar(np.arange(len(labels)), observed, errors, label=name, **_line(suite, name))
    axes.set_xticks(range(len(labels)), labels, rotation=30)
    axes.set(xlabel="true MI (nats)", ylabel="intervals that hold the true MI (%)", ylim=(None, 101))
    axes.set_title(f"Coverage of {100 * float(level):g} % by true MI")
    axes.legend(loc="best", fontsize=8)
    return _plot(figure, f"Coverage of the {100 * float(level):g} % intervals by true MI; the line is what they say.")


def _middle(by_level: Mapping[str, Any]) -> str:
    """The level that is shown where there is room for one: .9, or the highest known."""
    return "0.9" if "0.9" in by_level else list(by_level)[-1]


def _pit(suite: Suite, name: str) -> Plot:
    counts = np.array(suite["estimators"][name]["pit"])
    figure, axes = _canvas(3.4, 3.2)
    expected = counts.sum() / counts.size
    edges = np.linspace(0, 1, counts.size + 1)
    axes.bar(edges[:-1], counts, width=1 / counts.size, align="edge", color=_colour(suite, name), edgecolor="white")
    spread = 2 * np.sqrt(expected * (1 - 1 / counts.size))
    axes.axhspan(expected - spread, expected + spread, color=_FAINT, alpha=0.6, zorder=3, linewidth=0)
    axes.set(xlabel="predictive probability of less than the truth", ylabel="tables", xlim=(0, 1))
    axes.set_title(f"PIT of {name}")
    caption = (
        f"Histogram of the probability that {name} gives to less than the truth; flat, within the band, if honest."
    )
    return _plot(figure, caption)


def _errors_by(suite: Suite, names: Sequence[str], by: str, axis: str) -> Plot:
    labels = list(suite["estimators"][names[0]][by])
    figure, axes = _canvas(3.4, 3.2)
    for place, name in enumerate(names):
        groups = suite["estimators"][name][by]
        means = [groups[label]["mae"] for label in labels]
        values, errors = [mean[0] for mean in means], [mean[1] or 0 for mean in means]
        shift = 0.06 * (place - (len(names) - 1) / 2)
        axes.errorbar(np.arange(len(labels)) + shift, values, errors, label=name, **_line(suite, name))
    axes.set_xticks(range(len(labels)), labels, rotation=30 if max(map(len, labels), default=0) > 5 else 0)
    axes.set(xlabel=axis, ylabel="mean absolute error (nats)", ylim=(0, None))
    axes.legend(fontsize=8)
    axes.set_title(f"Error by {axis}")
    return _plot(figure, f"Mean absolute error by {axis}, with standard errors.")


def _error_by_cost(suite: Suite, names: Sequence[str], timings: Mapping[str, Any]) -> Plot:
    figure, axes = _canvas(3.4, 3.2)
    for name in names:
        seconds, (value, error) = timings[name]["mean_seconds"], suite["estimators"][name]["overall"]["mae"]
        axes.errorbar([max(seconds, 1e-6)], [value], [error or 0], **_line(suite, name))
        axes.annotate(name, (max(seconds, 1e-6), value), xytext=(5, 4), textcoords="offset points", fontsize=8)
    axes.set_xscale("log")
    axes.margins(x=0.25)
    axes.set(xlabel="processor seconds per table, mean", ylabel="mean absolute error (nats)", ylim=(0, None))
    axes.set_title("Error by cost")
    return _plot(figure, "Mean absolute error against the mean time per table.")


def _canvas(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _plot(figure: Figure, caption: str) -> Plot:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", dpi=180, metadata={"Date": None})
    return Plot(caption, "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode())


def _line(suite: Suite, name: str) -> dict[str, Any]:
    """How an estimator's points and lines look; a variant is dashed."""
    fmt = "o--" if "variant_of" in suite["estimators"][name] else "o-"
    return {"fmt": fmt, "color": _colour(suite, name), "markersize": 4}


def _colour(suite: Suite, name: str) -> str:
    name = suite["estimators"][name].get("variant_of", name)
    if name == "ours":
        return OURS
    others = [
        other for other, section in suite["estimators"].items() if other != "ours" and "variant_of" not in section
    ]
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
