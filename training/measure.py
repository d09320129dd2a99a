"""How a network does on labelled tokens: the losses and rates that a run watches."""

from __future__ import annotations

import torch
from torch import Tensor

from mist.network import Network
from mist.quantiles import LEVELS, MEDIAN, pinball
from training.tokens import Labelled

CURVE = 4.0  # asinh(4 MI) / 4 is linear below a quarter nat and logarithmic above


def loss(quantiles: Tensor, mi_nats: Tensor) -> Tensor:
    """Pinball loss in nats plus pinball loss on asinh(4 MI) / 4; strong dependence rules the first, weak the second."""
    taus = quantiles.new_tensor(LEVELS)
    return pinball(quantiles, taus, mi_nats) + pinball(_bend(quantiles), taus, _bend(mi_nats))


def predict(network: Network, tables: Labelled, batch: int = 1024) -> Tensor:
    """Quantiles in nats of all tables, (B, K), on the CPU."""
    device = next(network.parameters()).device
    training = network.training
    network.eval()
    with torch.no_grad():
        parts = [network(tables.batch.take(index).to(device)).cpu() for index in torch.arange(len(tables)).split(batch)]
    network.train(training)
    return torch.cat(parts)


def summary(quantiles: Tensor, mi_nats: Tensor) -> dict[str, float]:
    """Pinball loss, mean absolute error of the median, and width and coverage of the 90 % interval."""
    taus = quantiles.new_tensor(LEVELS)
    low, high = quantiles[:, LEVELS.index(0.05)], quantiles[:, LEVELS.index(0.95)]
    return {
        "pinball": float(pinball(quantiles, taus, mi_nats)),
        "bent": float(pinball(_bend(quantiles), taus, _bend(mi_nats))),
        "mae": float((quantiles[:, MEDIAN] - mi_nats).abs().mean()),
        "width90": float((high - low).mean()),
        "coverage90": float(((low <= mi_nats) & (mi_nats <= high)).float().mean()),
    }


def _bend(nats: Tensor) -> Tensor:
    return torch.asinh(CURVE * nats) / CURVE
