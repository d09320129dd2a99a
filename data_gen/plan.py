"""What a configuration of the generator comes to: sizes, shapes and the record kept in the store."""

from __future__ import annotations

import importlib.metadata
import itertools
import json
import math
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from data_gen.errors import DataGenError
from data_gen.manifest import CHUNK
from data_gen.prior import Prior, Shape, preset
from data_gen.rng import group_stream
from data_gen.store import Store

# Libraries that decide the content of a store.
_LIBRARIES = ("mist-mi", "numpy", "scipy", "torch", "nflows", "zarr", "numcodecs")
# Room in a shard over the largest one planned, so that a store can grow; empty chunks cost 16 bytes each. A guess:
# with 64 shapes in a shard, the largest of 100,000 shards holds about twice as much as the average one.
_HEADROOM = 4


@dataclass(frozen=True, kw_only=True)
class GenerateConfig:
    """What to generate, and where the work is done.

    Attributes:
        out: Where the store lies: a local path or any fsspec URI.
        preset: Name of the meta-distribution.
        tables: Tables in the largest split (train, if there is one); by default the preset's. Fewer tables shrink the
            other splits in proportion, more leave them as they are.
        shard_tables: Tables per shard; by default the preset's.
        seed: Seed of the whole store.
        flow_share: Share of sides that pass through a random flow; by default the preset's.
        extend: Let a store that exists grow to this size.
        workers: Worker processes; 0 for one per core.
        scheduler: Address of a running Dask scheduler to use instead of processes of our own.
        cluster: Start worker processes on this machine, or as jobs of a SLURM queue.
        queue: SLURM partition.
        account: SLURM account.
        cores: Worker processes per SLURM job.
        memory: Memory per SLURM job.
        walltime: Time limit per SLURM job.
    """

    out: str
    preset: str = "tiny"
    tables: int | None = None
    shard_tables: int | None = None
    seed: int = 0
    flow_share: float | None = None
    extend: bool = False
    workers: int = 0
    scheduler: str | None = None
    cluster: Literal["local", "slurm"] = "local"
    queue: str | None = None
    account: str | None = None
    cores: int = 1
    memory: str = "4GB"
    walltime: str = "01:00:00"


@dataclass(frozen=True)
class Plan:
    """What a configuration comes to.

    Attributes:
        prior: The meta-distribution.
        tables: Tables per split.
        shard_tables: Tables per shard.
    """

    prior: Prior
    tables: dict[str, int]
    shard_tables: int


def plan(config: GenerateConfig) -> Plan:
    """Work out a configuration.

    Raises:
        DataGenError: The preset is unknown or a number is out of range.
    """
    base = preset(config.preset)
    if config.tables is not None and config.tables < 1:
        raise DataGenError(f"--tables must be 1 or more; got {config.tables}")
    if config.shard_tables is not None and config.shard_tables < 1:
        raise DataGenError(f"--shard-tables must be 1 or more; got {config.shard_tables}")
    if config.seed < 0:
        raise DataGenError(f"--seed must be 0 or more; got {config.seed}")
    if config.workers < 0:
        raise DataGenError(f"--workers must be 0 (one per core) or more; got {config.workers}")
    if config.flow_share is not None and not 0 <= config.flow_share <= 1:
        raise DataGenError(f"--flow-share must be from 0 to 1; got {config.flow_share}")
    largest = _largest(base.tables)
    tables = dict(base.tables)
    if config.tables is not None:
        share = min(1.0, config.tables / base.tables[largest])
        tables = {split: math.ceil(share * number) for split, number in base.tables.items()}
        tables[largest] = config.tables
    prior = base.prior if config.flow_share is None else replace(base.prior, flow_share=config.flow_share)
    return Plan(prior, tables, config.shard_tables or base.shard_tables)


def _largest(tables: Mapping[str, int]) -> str:
    """The split that --tables sizes: train, in the presets that have one."""
    return max(tables, key=lambda split: tables[split])


def content(config: GenerateConfig) -> dict[str, Any]:
    """What of a configuration decides the content of its store, as JSON values."""
    planned = plan(config)
    values = {
        "preset": config.preset,
        "seed": config.seed,
        "tables": planned.tables,
        "shard_tables": planned.shard_tables,
        "prior": asdict(planned.prior),
    }
    return json.loads(json.dumps(values))  # tuples become the lists that come back from the store


def config_of(store: Store) -> GenerateConfig:
    """The configuration that made a store.

    Raises:
        DataGenError: The preset has changed since, so its tables cannot be made again.
    """
    made = store.config
    base = preset(made["preset"])
    config = GenerateConfig(
        out=store.uri,
        preset=made["preset"],
        tables=made["tables"].get(_largest(base.tables)),
        shard_tables=made["shard_tables"],
        seed=made["seed"],
        flow_share=made["prior"]["flow_share"],
    )
    if differing := differences(made, content(config)):
        raise DataGenError(
            f"preset {made['preset']!r} has changed since {store.uri} was made, which so cannot be made again "
            f"(`mist validate {store.uri} --truths 0` checks the rest): {'; '.join(differing)}"
        )
    return config


def check_versions(store: Store) -> None:
    """Refuse to mix tables of different library versions in one store.

    Raises:
        DataGenError: Some library has another version than when the store was begun.
    """
    if differing := differences(store.manifest.versions, versions()):
        raise DataGenError(
            f"{store.uri} was begun with other libraries, whose numbers may differ in their last bits: "
            f"{'; '.join(differing)}. Install those versions, or generate into another place."
        )


def differences(stored: Any, wanted: Any, name: str = "") -> list[str]:
    """Lines 'field: a there, b here', one per leaf in which two trees of JSON values differ."""
    if isinstance(stored, dict) and isinstance(wanted, dict):
        names = [*stored, *(key for key in wanted if key not in stored)]
        lines = [differences(stored.get(key), wanted.get(key), f"{name}.{key}".lstrip(".")) for key in names]
        return list(itertools.chain.from_iterable(lines))
    return [] if stored == wanted else [f"{name}: {stored} there, {wanted} here"]


def versions() -> dict[str, str]:
    """Versions of what decides the content; a library that is not installed is 'absent'."""
    found = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            found[library] = "absent"
    return found


def shape_of(prior: Prior, seed: int, split: str, index: int, row: int) -> Shape:
    """Shape of a table: groups of neighbours share one, so that they can be computed together."""
    return prior.draw_shape(group_stream(seed, split, index, row // prior.tables_per_shape))


def largest_shard(planned: Plan, seed: int) -> int:
    """Values in the largest shard, were every shard whole."""
    step = planned.prior.tables_per_shape
    largest = 0
    for split, tables in planned.tables.items():
        for index in range(-(-tables // planned.shard_tables)):
            rows = range(0, planned.shard_tables, step)
            shapes = [shape_of(planned.prior, seed, split, index, row) for row in rows]
            largest = max(largest, step * sum(shape.n * (shape.d_x + shape.d_y) for shape in shapes))
    return largest


def capacity(largest: int) -> int:
    """Room of a shard: a power of two of chunks, so that nearly every size of one store comes to the same."""
    return CHUNK * 2 ** math.ceil(math.log2(max(1.0, _HEADROOM * largest / CHUNK)))
