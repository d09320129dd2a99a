"""The state of an interrupted run: weights, their running mean, the optimizer, and the step. No pickle.

A state is a file `state-<step>.safetensors`, written beside and renamed; the newest whole one counts.
"""

from __future__ import annotations

import copy
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from mist.network import Network
from training.config import TrainingError

KEPT = 2  # the newest, and one before it


@dataclass
class State:
    """Everything that a step changes.

    Attributes:
        network: The network that learns.
        average: The running mean of its weights.
        optimizer: Its optimizer.
        step: Steps done.
    """

    network: Network
    average: Network
    optimizer: torch.optim.AdamW
    step: int = 0

    @staticmethod
    def fresh(network: Network, weight_decay: float) -> State:
        """A state before the first step; biases, norms and queries do not decay."""
        learned = [weight for weight in network.parameters() if weight.requires_grad]
        groups = [
            {"params": [weight for weight in learned if weight.ndim > 1], "weight_decay": weight_decay},
            {"params": [weight for weight in learned if weight.ndim <= 1], "weight_decay": 0.0},
        ]
        average = copy.deepcopy(network)
        return State(network, average, torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98)))

    def follow(self, decay: float) -> None:
        """Move the running mean towards the weights; early on it forgets faster."""
        decay = min(decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            pairs = zip(self.average.parameters(), self.network.parameters(), strict=True)
            for mean, weight in pairs:
                mean.lerp_(weight, 1.0 - decay)

    def save(self, folder: Path, config: dict[str, Any]) -> Path:
        """Write the state into `folder` and drop all but the newest two."""
        flat: dict[str, Tensor] = {f"network.{name}": part for name, part in self.network.state_dict().items()}
        flat |= {f"average.{name}": part for name, part in self.average.state_dict().items()}
        for number, slots in self.optimizer.state_dict()["state"].items():
            flat |= {f"optimizer.{number}.{slot}": value for slot, value in slots.items()}
        path = folder / f"state-{self.step:08d}.safetensors"
        partial = path.with_suffix(".partial")
        metadata = {"step": str(self.step), "config": json.dumps(config, sort_keys=True)}
        save_file({name: part.detach().cpu().contiguous().clone() for name, part in flat.items()}, partial, metadata)
        os.replace(partial, path)
        for old in states(folder)[:-KEPT]:
            old.unlink()
        return path

    def restore(self, path: Path) -> None:
        """Become the state in a file."""
        flat = load_file(path)
        self.network.load_state_dict(_part(flat, "network."), strict=True)
        self.average.load_state_dict(_part(flat, "average."), strict=True)
        slots: dict[int, dict[str, Tensor]] = {}
        for name, value in _part(flat, "optimizer.").items():
            number, slot = name.split(".")
            slots.setdefault(int(number), {})[slot] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": slots, "param_groups": groups})
        self.step = int(_metadata(path)["step"])


def states(folder: Path) -> list[Path]:
    """Saved states of a run, oldest first."""
    return sorted(folder.glob("state-*.safetensors"))


def saved_config(path: Path) -> dict[str, Any]:
    """The configuration that made a state."""
    return json.loads(_metadata(path)["config"])


def _metadata(path: Path) -> dict[str, str]:
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except Exception as error:  # safetensors raises a bare class of its own for any damage
        raise TrainingError(
            f"got a damaged state {path} ({error}); delete it and resume from the one before"
        ) from error


def _part(flat: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): part for name, part in flat.items() if name.startswith(prefix)}
