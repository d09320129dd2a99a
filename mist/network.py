r"""Batch -> K increasing quantiles of mutual information in nats: the idea in one file.

Statistics tokens say what is known about dependence; attention over them learns the rest. The head mixes plug-in
estimates into an anchor a >= 0 by a softmax, corrects it by a learned share, and adds increments that are positive by
construction, so that quantiles cannot cross:

    unit   = a / 4 + 1 / 20
    median = a + unit * delta
    q_k    = median +- unit * (softplus increments, summed outwards)

Mutual information is never negative, so quantiles are clamped at 0. In training the clamp leaks a little: a table
whose quantile was wrongly negative still has a gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from mist.attention import Block, Pool, feed_forward
from mist.batch import Batch
from mist.quantiles import LEVELS, MEDIAN
from mist.statistics import ANCHORS, GROUPS

ROWS = "rows"  # the group of tokens that are rows of the table; pooled before they meet the others
TABLE = "table"  # the one token that every table has; the head reads it
LEAK = 0.02  # slope of the clamp below 0 in training; guess


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the network. A checkpoint keeps them beside its weights.

    Attributes:
        width: H, features per token inside the network.
        depth: Attention blocks over tokens.
        heads: Attention heads; a divisor of width and of row_width.
        rows: Whether rows of the table are read beside its statistics.
        row_width: Features per row inside the row branch.
        row_queries: Tokens that the rows are pooled into.
        features: Features per token of every group, as the statistics make them.
        anchors: A, plug-in estimates that the head mixes.
        levels: K, quantiles.
    """

    width: int = 128
    depth: int = 3
    heads: int = 4
    rows: bool = True
    row_width: int = 48
    row_queries: int = 6
    features: tuple[int, ...] = tuple(GROUPS.values())
    anchors: int = ANCHORS
    levels: int = len(LEVELS)


class Network(nn.Module):
    """A permutation-invariant network from statistics tokens and rows to quantiles of MI."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        sizes = dict(zip(GROUPS, config.features, strict=True))
        sizes[TABLE] += config.anchors
        self.means = nn.ParameterDict({name: _constant(torch.zeros(size)) for name, size in sizes.items()})
        self.scales = nn.ParameterDict({name: _constant(torch.ones(size)) for name, size in sizes.items()})
        self.embed = nn.ModuleDict(
            {name: feed_forward(size, config.width, config.width) for name, size in sizes.items() if name != ROWS}
        )
        if config.rows:
            self.embed_rows = feed_forward(sizes[ROWS], config.row_width, config.row_width)
            self.pool_rows = Pool(config.row_width, config.heads, config.row_queries)
            self.widen_rows = nn.Linear(config.row_width, config.width)
        self.blocks = nn.ModuleList(Block(config.width, config.heads) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width)
        self.mix = nn.Linear(config.width, config.anchors)
        self.head = nn.Sequential(nn.Linear(config.width, config.width), nn.GELU())
        self.levels = nn.Linear(config.width, config.levels)
        self._start_at_the_anchors()

    def forward(self, batch: Batch) -> Tensor:
        """Increasing quantiles of MI in nats, (B, K), each at least 0."""
        return self.unclamped(batch).clamp_min(0.0)

    def leaky(self, batch: Batch) -> Tensor:
        """Quantiles for the loss, (B, K): negative ones shrink to a fiftieth but keep a gradient."""
        return functional.leaky_relu(self.unclamped(batch), LEAK)

    def unclamped(self, batch: Batch) -> Tensor:
        """Increasing quantiles before the clamp at 0, (B, K)."""
        tokens, mask = self._tokens(batch)  # (B, T, H), (B, T)
        *blocks, last = self.blocks
        for block in blocks:
            tokens = block(tokens, mask)  # (B, T, H)
        table = self.norm(last(tokens, mask, first=1)[:, 0])  # (B, H)
        anchor = (self.mix(table).softmax(-1) * batch.anchors).sum(-1, keepdim=True)  # (B, 1)
        return _quantiles(anchor, self.levels(self.head(table)))  # (B, K)

    def fit_scaling(self, batch: Batch) -> None:
        """Set the input scaling to the mean and spread of a representative batch."""
        for name, group in self._inputs(batch).items():
            present = group[batch.masks[name]]  # (sum of T, F)
            if len(present) < 2:  # a kind of token that none of these tables has
                continue
            self.means[name].copy_(present.mean(0))
            self.scales[name].copy_(present.std(0).clamp_min(1e-3))

    def _inputs(self, batch: Batch) -> dict[str, Tensor]:
        """Token groups, the table's token first and with the anchors appended."""
        table = torch.cat([batch.tokens[TABLE], torch.asinh(2 * batch.anchors).unsqueeze(1)], dim=-1)
        others = {name: group for name, group in batch.tokens.items() if name != TABLE}
        return {TABLE: table} | others

    def _tokens(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """All tokens (B, T, H) with their mask (B, T); the table's token is the first."""
        inputs = self._scaled(batch)
        rows = inputs.pop(ROWS, None)
        tokens, masks = [self._embedded(inputs)], [batch.masks[name] for name in inputs]
        if rows is not None and self.config.rows:
            pooled = self.pool_rows(self.embed_rows(rows), batch.masks[ROWS])  # (B, Q, H_row)
            tokens.append(self.widen_rows(pooled))  # (B, Q, H)
            masks.append(masks[0].new_ones(len(batch), self.config.row_queries))
        return torch.cat(tokens, dim=1), torch.cat(masks, dim=1)

    def _scaled(self, batch: Batch) -> dict[str, Tensor]:
        """Token groups in the scaling of training, (B, T, F) each; outside training those that some table has."""
        return {
            name: ((group - self.means[name]) / self.scales[name]).clamp(-8.0, 8.0)
            for name, group in self._inputs(batch).items()
            if self.training or batch.masks[name].any()
        }

    def _embedded(self, inputs: dict[str, Tensor]) -> Tensor:
        """Token groups, each through its own layers, (B, T, H); one activation for all, since calls take the time."""
        layers = cast(dict[str, nn.Sequential], self.embed)
        hidden = [layers[name][0](group) for name, group in inputs.items()]  # (B, T of the group, H) each
        active = layers[TABLE][1](torch.cat(hidden, dim=1)).split([part.shape[1] for part in hidden], dim=1)
        return torch.cat([layers[name][2](part) for name, part in zip(inputs, active, strict=True)], dim=1)

    def _start_at_the_anchors(self) -> None:
        """Begin with the plain mean of the anchors and a moderate spread."""
        nn.init.zeros_(self.mix.weight)
        nn.init.zeros_(self.mix.bias)
        nn.init.normal_(self.levels.weight, std=1e-3)
        nn.init.constant_(self.levels.bias, -1.5)  # softplus(-1.5) = .2 units per level
        with torch.no_grad():
            self.levels.bias[MEDIAN] = 0.0


def _quantiles(anchor: Tensor, raw: Tensor) -> Tensor:
    """Anchor (B, 1) and raw outputs (B, K) -> increasing quantiles (B, K)."""
    unit = anchor / 4 + 1 / 20  # (B, 1)
    median = anchor + unit * raw[:, MEDIAN : MEDIAN + 1]  # (B, 1)
    below = unit * functional.softplus(raw[:, :MEDIAN])  # (B, MEDIAN)
    above = unit * functional.softplus(raw[:, MEDIAN + 1 :])  # (B, K - MEDIAN - 1)
    lower = median - below.flip(-1).cumsum(-1).flip(-1)
    upper = median + above.cumsum(-1)
    return torch.cat([lower, median, upper], dim=-1)


def _constant(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values, requires_grad=False)
