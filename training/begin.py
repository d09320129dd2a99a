"""Begin a training with the weights of a former one, whose network may have read fewer tokens and anchors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from mist.checkpoint import Weights, load_weights
from mist.network import Network, NetworkConfig
from training.config import TrainingError

UNHEARD = -5.0  # logit of an anchor that the former network lacked: less than a hundredth of the mix, free to grow
SCALING = ("means.", "scales.")


def read(path: str, wanted: NetworkConfig) -> Weights:
    """The weights to begin with, when they fit the wanted network but for inputs that came last.

    Raises:
        TrainingError: The networks differ otherwise.
        mist.errors.CheckpointError: There is no whole checkpoint.
    """
    found = load_weights(path)
    known = wanted.features[: len(found.config.features)]
    alike = replace(found.config, features=wanted.features, anchors=wanted.anchors) == wanted
    if not alike or known != found.config.features or found.config.anchors > wanted.anchors:
        raise TrainingError(
            f"got weights of another network in {path} ({found.config}), wanted {wanted}; "
            "give --network the same sizes, or begin with new weights"
        )
    return found


def record(found: Weights) -> dict[str, Any]:
    """What names weights wherever they lie: their checksum, and how they were trained in their turn."""
    kept = {key: found.provenance[key] for key in ("training", "data", "also") if key in found.provenance}
    return {"weights": found.fingerprint} | kept


def take_over(network: Network, found: Weights) -> None:
    """Put weights into a network; what it reads beyond them begins without a say in the answer.

    Args:
        network: A network of today's inputs, its input scaling fitted.
        found: What `read` returned.
    """
    values = network.state_dict()
    with torch.no_grad():
        for name, weight in found.values.items():
            if values[name].shape != weight.shape and not name.startswith(SCALING):
                values[name].zero_()
            values[name][tuple(slice(size) for size in weight.shape)] = weight
        values["mix.bias"][found.config.anchors :] = UNHEARD
