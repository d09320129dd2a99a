"""A trained model as a folder with checksums: strict on the way in, atomic on the way out.

model.safetensors   the weights, float32
config.json         format, network config, trained ranges, and where it came from (configs, versions, seeds)
calibration.json    conformal offsets; absent before `mist calibrate`
card.md             what it is, what it was trained on, how well it does
SHA256SUMS          of every file above, in the format of `sha256sum`
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from mist.calibration import Calibration
from mist.errors import CheckpointError
from mist.network import Network, NetworkConfig
from mist.prepare import Limits

FORMAT = 2  # raise it with any change of what a statistic means: the shapes of tokens do not tell
REPLACED = "replaced"  # the checkpoint that stood there before, for a moment
WEIGHTS, CONFIG, CALIBRATION, CARD, SUMS = (
    "model.safetensors",
    "config.json",
    "calibration.json",
    "card.md",
    "SHA256SUMS",
)
REQUIRED = (WEIGHTS, CONFIG, CARD)
# A training run keeps its checkpoint in this folder of its own, beside its logs.
FOLDER = "checkpoint"


@dataclass(frozen=True)
class Checkpoint:
    """A whole trained model.

    Attributes:
        network: The network, in evaluation mode.
        calibration: Conformal offsets, or None before calibration.
        limits: Rows and columns it was trained on.
        provenance: Configs, versions and seeds that made it, JSON values.
        card: Its model card, Markdown.
    """

    network: Network
    calibration: Calibration | None
    limits: Limits
    provenance: dict[str, Any]
    card: str


def save(folder: str | Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint: first whole into a temporary folder beside, then renamed into place.

    Args:
        folder: Where it shall stand. A checkpoint that stands there is replaced; any other folder is refused.
        checkpoint: What to write.

    Returns:
        The folder.

    Raises:
        CheckpointError: The folder holds something that is not a checkpoint.
    """
    folder = Path(folder)
    foreign = sorted(set(os.listdir(folder)) - {*REQUIRED, CALIBRATION, SUMS, REPLACED}) if folder.exists() else []
    if foreign:
        raise CheckpointError(
            f"got folder {folder} that holds {foreign[:3]}, wanted a new or a checkpoint's folder; choose another"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".partial", dir=folder.parent))
    try:
        _write(scratch, checkpoint)
        scratch.chmod(0o755)
        if folder.exists():
            os.rename(folder, scratch / REPLACED)
        os.rename(scratch, folder)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    shutil.rmtree(folder / REPLACED, ignore_errors=True)
    return folder


def load(folder: str | Path, uncalibrated: bool = False) -> Checkpoint:
    """Read a checkpoint, on the CPU, every byte checked.

    Args:
        folder: A checkpoint's folder, or a training run's folder that holds one.
        uncalibrated: Leave its calibration out, to fit another: one of a former version cannot be read.

    Raises:
        CheckpointError: A file is missing or changed, the format is another, or config and weights do not fit.
    """
    folder = locate(Path(folder))
    _verify(folder)
    config = _read_config(folder)
    network = _network(_network_config(config["network"]), folder / WEIGHTS)
    text = folder / CALIBRATION
    calibration = None
    if text.exists() and not uncalibrated:
        calibration = Calibration.from_json(json.loads(text.read_text("utf-8")))
    limits = Limits(**_exact("limits", config["limits"], Limits))
    card = (folder / CARD).read_text("utf-8")
    return Checkpoint(network.eval(), calibration, limits, config["provenance"], card)


@dataclass(frozen=True)
class Weights:
    """What a later training may begin with.

    Attributes:
        config: Sizes of the network, which may read fewer tokens and anchors than this version makes.
        values: Name -> value.
        fingerprint: Their checksum, SHA-256 in hexadecimal.
        provenance: What made them.
    """

    config: NetworkConfig
    values: dict[str, Tensor]
    fingerprint: str
    provenance: dict[str, Any]


def load_weights(folder: str | Path) -> Weights:
    """Read the weights of a checkpoint, also of one whose statistics were fewer than this version's.

    Args:
        folder: A checkpoint's folder, or a training run's folder that holds one.

    Raises:
        CheckpointError: A file is missing or changed, or the format is another.
    """
    folder = locate(Path(folder))
    _verify(folder)
    config = _read_config(folder)
    network = NetworkConfig(**_exact("network", config["network"], NetworkConfig))
    return Weights(network, _weights(folder / WEIGHTS), _digest(folder / WEIGHTS), config["provenance"])


def locate(folder: Path) -> Path:
    """The checkpoint's own folder, given it or the training run's folder around it.

    Raises:
        CheckpointError: There is no checkpoint.
    """
    for candidate in (folder, folder / FOLDER):
        if (candidate / WEIGHTS).is_file() or (candidate / SUMS).is_file():
            return candidate
    state = "a folder without a checkpoint" if folder.is_dir() else "a path that does not exist"
    raise CheckpointError(f"got {folder}, {state}; wanted a folder with {CONFIG} and {WEIGHTS}, as `mist train` makes")


def _write(folder: Path, checkpoint: Checkpoint) -> None:
    weights = {
        name: tensor.detach().cpu().contiguous().clone() for name, tensor in checkpoint.network.state_dict().items()
    }
    save_file(weights, folder / WEIGHTS)
    config = {
        "format": FORMAT,
        "network": asdict(checkpoint.network.config),
        "limits": asdict(checkpoint.limits),
        "provenance": checkpoint.provenance,
    }
    _dump(folder / CONFIG, config)
    if checkpoint.calibration is not None:
        _dump(folder / CALIBRATION, checkpoint.calibration.to_json())
    (folder / CARD).write_text(checkpoint.card, "utf-8")
    names = sorted(os.listdir(folder))
    (folder / SUMS).write_text("".join(f"{_digest(folder / name)}  {name}\n" for name in names), "utf-8")


def _verify(folder: Path) -> None:
    if not (folder / SUMS).is_file():
        raise CheckpointError(f"got {folder} without {SUMS}, so nothing vouches for it; copy the whole folder again")
    lines = (folder / SUMS).read_text("utf-8", errors="replace").splitlines()
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    present = {name for name in (*REQUIRED, CALIBRATION) if (folder / name).is_file()}
    missing = sorted({*REQUIRED, *sums} - present)
    if missing:
        raise CheckpointError(
            f"got {folder} without {', '.join(missing)}; it is incomplete, copy the whole folder again"
        )
    changed = sorted(name for name in present if sums.get(name) != _digest(folder / name))
    if changed:
        raise CheckpointError(
            f"got {', '.join(changed)} in {folder} with another checksum than {SUMS} says; "
            "the file is damaged or was edited, copy the whole folder again"
        )


def _read_config(folder: Path) -> dict[str, Any]:
    config = json.loads((folder / CONFIG).read_text("utf-8"))
    if config.get("format") != FORMAT:
        raise CheckpointError(
            f"got a checkpoint of format {config.get('format')} in {folder}, wanted format {FORMAT}; "
            "use the version of mist that wrote it, or train again"
        )
    wanted = {"format", "network", "limits", "provenance"}
    if set(config) != wanted:
        raise CheckpointError(f"got {CONFIG} with keys {sorted(config)}, wanted exactly {sorted(wanted)}; train again")
    return config


def _exact(part: str, record: Mapping[str, Any], record_type: type) -> dict[str, Any]:
    """The record's values, lists as tuples, when its keys are exactly the dataclass's."""
    wanted = {field.name for field in fields(record_type)}
    if set(record) != wanted:
        raise CheckpointError(
            f"got unknown keys {sorted(set(record) - wanted)} and no {sorted(wanted - set(record))} "
            f"in the {part} config; the checkpoint belongs to another version of mist, use that or train again"
        )
    return {name: tuple(value) if isinstance(value, list) else value for name, value in record.items()}


def _network_config(record: Mapping[str, Any]) -> NetworkConfig:
    """The network's config, refused when this version's statistics make other tokens than those it reads."""
    config, ours = NetworkConfig(**_exact("network", record, NetworkConfig)), NetworkConfig()
    for name in ("features", "anchors", "levels"):
        if getattr(config, name) != getattr(ours, name):
            raise CheckpointError(
                f"got a network for {name} = {getattr(config, name)}, wanted {getattr(ours, name)}, which this version "
                "makes; use the version of mist that trained it, or train again"
            )
    return config


def _network(config: NetworkConfig, path: Path) -> Network:
    """The network with the weights in a file; it is never filled with any others."""
    weights = _weights(path)
    with torch.random.fork_rng(devices=[]):  # its first weights are replaced below; the caller's randomness is not
        network = Network(config)
    wanted = network.state_dict()
    wrong = sorted(
        name
        for name in {*wanted, *weights}
        if name not in wanted or name not in weights or wanted[name].shape != weights[name].shape
    )
    if wrong:
        raise CheckpointError(
            f"got weights that do not fit the network: {', '.join(wrong[:5])} missing, unexpected or of another shape; "
            "config and weights belong to different models, copy the whole folder again"
        )
    network.load_state_dict(weights, strict=True)
    return network


def _weights(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except safetensors.SafetensorError as error:
        raise CheckpointError(
            f"got {path} that is not a safetensors file ({error}); copy the whole folder again"
        ) from error


def _dump(path: Path, record: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(record, indent=1, sort_keys=True, allow_nan=False) + "\n", "utf-8")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
