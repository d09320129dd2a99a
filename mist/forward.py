"""A network's answers by the extension `_forward`, in C++: the numbers of `network.py`, several times as fast.

A table is a few dozen tokens, so torch spends most of its time between the products. Where the extension was not built,
or the network is on a GPU, torch answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from mist.attention import Attention, Block
from mist.batch import Batch
from mist.network import ROWS, TABLE, Network
from mist.quantiles import MEDIAN
from mist.statistics import GROUPS

try:
    import mist._forward as _forward

    COMPILED = True
except ImportError:  # built without a compiler
    COMPILED = False

PANEL = 16  # columns of a linear layer that lie together; as in _forward.cpp
SHARED = 16  # tables from which threads take less time to start than they save (guess)


class Forward:
    """Quantiles of tables by a trained network, which wants no gradient; its weights are copied."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._packed = _pack(network) if COMPILED and _fits(network) else None

    def __call__(self, batch: Batch, threads: int = 1) -> Tensor:
        """Increasing quantiles of MI in nats, (B, K) float32, each at least 0; many tables are shared by threads."""
        if self._packed is None:
            return self._network(batch)
        weights, sizes, features = self._packed
        found = np.empty((len(batch), self._network.config.levels), np.float32)
        groups = [[_array(part[name]) for name in GROUPS] for part in (batch.tokens, batch.masks)]
        anchors = _array(batch.anchors)

        def answer(first: int, last: int) -> None:
            tokens, masks = (tuple(group[first:last] for group in part) for part in groups)
            _forward.forward(
                weights, sizes, features, tokens, masks, anchors[first:last], last - first, found[first:last]
            )

        if threads == 1 or len(batch) < SHARED:
            answer(0, len(batch))
        else:
            edges = np.linspace(0, len(batch), threads + 1).astype(int).tolist()
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(answer, edges[:-1], edges[1:]))
        return torch.from_numpy(found)


def _array(values: Tensor) -> np.ndarray:
    return values.contiguous().numpy()


def _fits(network: Network) -> bool:
    """Whether the extension can answer for a network: on the CPU, of widths that fill its vectors."""
    config = network.config
    widths = (config.width, config.row_width) if config.rows else (config.width,)
    whole = all(width % PANEL == 0 and width % config.heads == 0 for width in widths)
    return whole and config.levels == 2 * MEDIAN + 1 and network.norm.weight.device.type == "cpu"


def _pack(network: Network) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All weights one after another, in the order in which _forward.cpp reads them; sizes; features of every group."""
    config, names = network.config, list(GROUPS)
    sizes = [
        *(config.width, config.depth, config.heads, int(config.rows), config.row_width, config.row_queries),
        *(config.anchors, config.levels, len(names), names.index(TABLE), names.index(ROWS)),
    ]
    weights = np.concatenate([part.ravel() for part in _weights(network)]).astype(np.float32)
    return weights, np.array(sizes, np.int32), np.array(config.features, np.int32)


def _weights(network: Network) -> Iterator[np.ndarray]:
    for name in GROUPS:
        yield network.means[name].numpy()
        yield network.scales[name].numpy()
        if name != ROWS:
            yield from _sequence(cast(nn.Sequential, network.embed[name]))
        elif network.config.rows:
            yield from _sequence(network.embed_rows)
    if network.config.rows:
        yield network.pool_rows.queries.numpy()
        yield from _norm(network.pool_rows.norm)
        yield from _attention(network.pool_rows.attention)
        yield from _linear(network.widen_rows)
    for block in cast(Iterable[Block], network.blocks):
        yield from _norm(block.before_attention)
        yield from _attention(block.attention)
        yield from _norm(block.before_feed)
        yield from _sequence(block.feed)
    yield from _norm(network.norm)
    for layer in (network.mix, cast(nn.Linear, network.head[0]), network.levels):
        yield from _linear(layer)


def _sequence(layers: nn.Sequential) -> Iterator[np.ndarray]:
    for layer in layers:
        if isinstance(layer, nn.Linear):
            yield from _linear(layer)


def _attention(attention: Attention) -> Iterator[np.ndarray]:
    for layer in (attention.query, attention.key_value, attention.out):
        yield from _linear(layer)


def _norm(norm: nn.LayerNorm) -> Iterator[np.ndarray]:
    yield norm.weight.numpy()
    yield norm.bias.numpy()


def _linear(layer: nn.Linear) -> Iterator[np.ndarray]:
    """Weights in panels of PANEL columns, (columns / PANEL, rows, PANEL), then the bias; both padded with zeros."""
    columns = np.pad(layer.weight.numpy().T, ((0, 0), (0, -layer.out_features % PANEL)))  # (in, out)
    yield columns.reshape(layer.in_features, -1, PANEL).transpose(1, 0, 2)
    if layer.bias is not None:
        yield np.pad(layer.bias.numpy(), (0, -layer.out_features % PANEL))
