"""What a training run is asked to do; every flag of `mist train`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal

from mist.errors import MistError
from mist.network import NetworkConfig


class TrainingError(MistError):
    """An error of a training run that its caller can cause and mend."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to learn.

    Attributes:
        steps: Optimizer steps in all.
        batch: Tables per step.
        learning_rate: Peak of the learning rate.
        warmup: Steps from 0 to the peak; from there it falls to 0 along a cosine.
        weight_decay: Decoupled decay of weight matrices.
        average: Decay per step of the running mean of the weights, which is what gets validated and saved.
        validate_every: Steps between validations.
        save_every: Steps between saved states, from which a run resumes.
    """

    steps: int
    batch: int = 256
    learning_rate: float = 1e-3
    warmup: int = 200
    weight_decay: float = 0.01
    average: float = 0.999
    validate_every: int = 250
    save_every: int = 250


OVERRIDES = ("steps", "batch", "learning_rate", "validate_every", "save_every")  # flags that stand for the preset's

# tiny: a minute on two cores; small: a quarter of an hour; full: 35 minutes, what the packaged model was trained with
PRESETS = {
    "tiny": Schedule(steps=250, batch=128, warmup=50, average=0.98, validate_every=50, save_every=50),
    "small": Schedule(steps=3000, average=0.995),
    "full": Schedule(steps=4400, validate_every=400),
}


@dataclass(frozen=True)
class TrainConfig:
    """Train a network on a meta-dataset."""

    data: str
    """Meta-dataset made by `mist generate`: a folder or an fsspec URI."""
    out: str
    """Folder of the run: states, metrics.jsonl, token cache and, at the end, the checkpoint."""
    preset: Literal["tiny", "small", "full"] = "tiny"
    """Length and pace of the training."""
    also: tuple[str, ...] = ()
    """Further meta-datasets to learn from, all of their training splits; tables of all are shuffled together."""
    shards: int | None = None
    """Train on the first so many shards of ``data`` alone; by default on all."""
    steps: int | None = None
    """Optimizer steps, instead of the preset's."""
    stop: int | None = None
    """End at this step of the schedule already, and write the checkpoint."""
    batch: int | None = None
    """Tables per step, instead of the preset's."""
    learning_rate: float | None = None
    """Peak learning rate, instead of the preset's."""
    validate_every: int | None = None
    """Steps between validations, instead of the preset's."""
    save_every: int | None = None
    """Steps between saved states, instead of the preset's."""
    begin: str | None = None
    """Checkpoint, or run, whose weights and input scaling to begin with instead of new ones."""
    watch: tuple[str, ...] = ()
    """Further meta-datasets whose validation split is watched, of laws kept out of the training data."""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    """Sizes of the network."""
    tokens: str | None = None
    """Folder of the token cache, to share it between runs; by default inside the run's folder."""
    seed: int = 0
    """Seed of the weights and of the order of tables."""
    workers: int = 0
    """Processes that turn tables into tokens; 0 for one per core."""
    threads: int = 0
    """Threads of the training itself; 0 for torch's own choice. A resumed run repeats bits only at the same number."""
    device: str = "auto"
    """cpu, cuda, or auto for a GPU where there is one."""
    wandb: Literal["offline", "online", "disabled"] = "offline"
    """Where Weights & Biases logs to; metrics.jsonl is written always."""
    project: str = "mist"
    """Project name in Weights & Biases."""
    resume: bool = False
    """Go on from the last saved state; without one, start."""

    def schedule(self) -> Schedule:
        """The preset's schedule with the overrides given."""
        for name in ("shards", "stop", *OVERRIDES):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise TrainingError(f"got {name} = {value}, wanted more than 0")
        for name in ("workers", "threads", "seed"):
            if getattr(self, name) < 0:
                raise TrainingError(f"got {name} = {getattr(self, name)}, wanted 0 or more")
        given = {name: getattr(self, name) for name in OVERRIDES if getattr(self, name) is not None}
        return replace(PRESETS[self.preset], **given)

    def last(self) -> int:
        """Step at which the run ends."""
        steps = self.schedule().steps
        return steps if self.stop is None else min(steps, self.stop)
