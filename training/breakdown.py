"""Accuracy and coverage of a calibrated network by n, columns, true MI and family: the tables of its card."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mist.quantiles import LEVELS, MEDIAN
from training.tokens import Labelled

N_EDGES = (32, 64, 128, 256, 512, 1024, 2048, 4096)
D_EDGES = (2, 4, 8, 16, 32, 64)  # of both sides together
MI_EDGES = (0.0, 0.03, 0.1, 0.3, 1.0, 2.0, 4.0, 8.0)
WORST = 10
HEAD = "tables | MAE (nats) | bias (nats) | 50 % covers | 90 % covers | 95 % covers | cautious 90 % covers"


@dataclass(frozen=True)
class Answers:
    """What a network said of labelled tables.

    Attributes:
        tables: The tables with their truth.
        families: Names behind the codes of `tables.family`.
        default: Calibrated quantiles in nats, (B, K).
        cautious: Quantiles by the cautious offsets in nats, (B, K); None where there are none.
    """

    tables: Labelled
    families: Sequence[str]
    default: Tensor
    cautious: Tensor | None


def breakdown(name: str, answers: Answers) -> str:
    """Markdown tables of one meta-dataset's answers, every mean with its standard error, and the worst misses."""
    batch, mi_nats = answers.tables.batch, answers.tables.mi_nats
    parts = [f"### {name}\n"]
    independent = mi_nats == 0
    wholes = (("all", torch.ones_like(independent)), ("independent", independent), ("dependent", ~independent))
    parts.append(_table("tables", wholes, answers))
    cuts = (("n", batch.n, N_EDGES), ("d_x + d_y", batch.d_x + batch.d_y, D_EDGES), ("true MI", mi_nats, MI_EDGES))
    for label, values, edges in cuts:
        parts.append(_table(label, _ranges(values.double(), edges), answers))
    codes = answers.tables.family
    groups = ((family, codes == code) for code, family in sorted(enumerate(answers.families), key=lambda pair: pair[1]))
    parts.append(_table("family", groups, answers))
    parts.append(_gallery(answers))
    return "\n".join(parts)


def _ranges(values: Tensor, edges: Sequence[float]) -> Iterable[tuple[str, Tensor]]:
    """Groups of values up to each edge, above the one before, and the rest."""
    below = torch.full_like(values, -1.0)
    lows = (-1.0, *edges)
    for low, high in zip(lows, (*edges, float("inf")), strict=True):
        label = f"up to {high:g}" if low < 0 else f"above {low:g}" if high == float("inf") else f"{low:g} to {high:g}"
        yield label, (values > torch.maximum(below, torch.tensor(low))) & (values <= high)


def _table(label: str, groups: Iterable[tuple[str, Tensor]], answers: Answers) -> str:
    rows = [f"| {name} | {_cells(chosen, answers)} |" for name, chosen in groups if chosen.any()]
    return f"| {label} | {HEAD} |\n" + "|---" * (HEAD.count("|") + 2) + "|\n" + "\n".join(rows) + "\n"


def _cells(chosen: Tensor, answers: Answers) -> str:
    truth, default = answers.tables.mi_nats[chosen].double(), answers.default[chosen].double()
    error = default[:, MEDIAN] - truth
    shares = [_covers(default, truth, level) for level in (0.5, 0.9, 0.95)]
    if answers.cautious is not None:
        shares.append(_covers(answers.cautious[chosen].double(), truth, 0.9))
    figures = [str(len(truth)), _mean(error.abs()), _mean(error), *(_mean(share) for share in shares)]
    return " | ".join(figures + ["-"] * (HEAD.count("|") + 1 - len(figures)))


def _covers(quantiles: Tensor, truth: Tensor, level: float) -> Tensor:
    low, high = (quantiles[:, LEVELS.index(round(tau, 6))] for tau in ((1 - level) / 2, (1 + level) / 2))
    return ((low <= truth) & (truth <= high)).double()


def _mean(values: Tensor) -> str:
    stderr = values.std().item() / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{values.mean().item():.3f} ± {stderr:.3f}"


def _gallery(answers: Answers) -> str:
    """The tables with the greatest errors."""
    batch, truth = answers.tables.batch, answers.tables.mi_nats
    median = answers.default[:, MEDIAN]
    low, high = answers.default[:, LEVELS.index(0.05)], answers.default[:, LEVELS.index(0.95)]
    rows = [
        f"| {answers.families[int(answers.tables.family[i])]} | {int(batch.n[i])} | {int(batch.d_x[i])} + "
        f"{int(batch.d_y[i])} | {truth[i]:.3f} | {median[i]:.3f} | [{low[i]:.3f}, {high[i]:.3f}] |"
        for i in (median - truth).abs().argsort(descending=True)[:WORST].tolist()
    ]
    head = "| worst tables: family | n | columns | true MI | median | 90 % interval |\n|---|---|---|---|---|---|\n"
    return head + "\n".join(rows) + "\n"
