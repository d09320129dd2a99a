"""Mean of the weights of several trainings, as a checkpoint of its own: `python -m training.average --help`.

Trainings that began with the same weights lie near each other, and their mean errs less on fresh tables than each.

Reference: Wortsman et al. (2022), Model soups, ICML.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from mist import checkpoint
from mist.checkpoint import Checkpoint
from mist.errors import MistError
from mist.prepare import Limits
from training.config import TrainingError


@dataclass(frozen=True)
class AverageConfig:
    """Average the weights of trained networks of one size."""

    runs: tuple[str, ...]
    """Folders of runs or checkpoints, two or more; the card and the training data told in it are the first one's."""
    out: str
    """Folder of the checkpoint, not calibrated."""
    shares: tuple[float, ...] = ()
    """Share of each run, adding up to 1; by default the same."""


def average(config: AverageConfig) -> str:
    """Write the mean and return its folder.

    Raises:
        mist.errors.CheckpointError: There is no whole checkpoint.
        TrainingError: The networks differ, or shares and runs do.
    """
    shares = config.shares or (1 / max(len(config.runs), 1),) * len(config.runs)
    if len(config.runs) < 2 or len(shares) != len(config.runs) or not math.isclose(sum(shares), 1, abs_tol=1e-6):
        raise TrainingError(
            f"got {len(config.runs)} runs with shares {shares}, wanted two or more and a share for each, 1 in all"
        )
    found = [checkpoint.load(Path(run), uncalibrated=True) for run in config.runs]
    first = found[0]
    for run, other in zip(config.runs, found, strict=True):
        if other.network.config != first.network.config:
            raise TrainingError(f"got a network of other sizes in {run}, wanted those of {config.runs[0]}")
    with torch.no_grad():
        values = [each.network.state_dict() for each in found]
        first.network.load_state_dict(
            {name: sum(share * of[name] for share, of in zip(shares, values, strict=True)) for name in values[0]}
        )
    parts = [_part(run, share, each) for run, share, each in zip(config.runs, shares, found, strict=True)]
    limits = [each.limits for each in found]
    known = Limits(min(of.n_min for of in limits), max(of.n_max for of in limits), max(of.d_max for of in limits))
    provenance = first.provenance | {"average": json.loads(json.dumps(parts))}
    checkpoint.save(
        Path(config.out), replace(first, limits=known, provenance=provenance, card=_card(first, config, shares))
    )
    return config.out


def _part(run: str, share: float, found: Checkpoint) -> dict[str, Any]:
    """What names one of the runs: its share, the checksum of its weights, its flags and steps."""
    flags = {key: value for key, value in found.provenance.get("training", {}).items() if key != "begin"}
    steps = found.provenance.get("steps_done")
    return {"share": share, "weights": checkpoint.load_weights(run).fingerprint, "training": flags, "steps_done": steps}


def _card(first: Checkpoint, config: AverageConfig, shares: Sequence[float]) -> str:
    """The first one's card, with a sentence on the others below its title."""
    title, _, rest = first.card.partition("\n")
    parts = ", ".join(f"{share:.3g} of `{Path(run).name}`" for run, share in zip(config.runs, shares, strict=True))
    told = f"The weights are a mean, {parts}; what follows on training is of `{Path(config.runs[0]).name}`."
    return f"{title}\n\n{told}\n{rest}"


def main() -> int:
    """Average; 0 when done, 1 with one line on stderr when the input is wrong."""
    import tyro

    try:
        print(average(tyro.cli(AverageConfig)))
    except (MistError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
