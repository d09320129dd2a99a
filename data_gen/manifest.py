"""The record that a store keeps of itself: what made it, with which libraries, and its sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import numpy as np

from data_gen.errors import DataGenError

LAYOUT = 1  # raised whenever a reader of the old layout would misread the new one
CHUNK = 65536  # values per inner chunk, 256 KiB: small enough to read a part, large enough to compress


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a store is.

    Attributes:
        config: What made the store, JSON values; a later run compares it with its own.
        versions: Versions of the libraries that decide the content.
        tables: Number of tables of every split.
        shard_tables: Tables in a shard; the last shard of a split may have fewer.
        capacity: Values that a shard can take, a multiple of CHUNK.
        families: Names of the laws; their positions are the codes in the array ``family``.
    """

    config: Mapping[str, Any]
    versions: Mapping[str, str]
    tables: Mapping[str, int]
    shard_tables: int
    capacity: int
    families: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.capacity % CHUNK or not 0 < self.capacity < 2**31:
            raise DataGenError(
                f"a shard's capacity must be a multiple of {CHUNK} below 2**31 values; got {self.capacity} for "
                f"{self.shard_tables} tables; use fewer tables per shard"
            )

    @property
    def shards(self) -> list[tuple[str, int]]:
        """All shards as (split, index)."""
        return [(split, index) for split in self.tables for index in range(self.n_shards(split))]

    def n_shards(self, split: str) -> int:
        """Number of shards of a split."""
        return -(-self.tables[split] // self.shard_tables)

    def n_tables(self, split: str, index: int | None = None) -> int:
        """Number of tables of a split, or of one shard of it.

        Raises:
            DataGenError: There is no such split or shard.
        """
        if split not in self.tables:
            raise DataGenError(f"there is no split {split!r}; the store has {', '.join(self.tables)}")
        if index is None:
            return self.tables[split]
        if not 0 <= index < self.n_shards(split):
            raise DataGenError(f"split {split} has shards 0 to {self.n_shards(split) - 1}; got {index}")
        return min(self.shard_tables, self.tables[split] - index * self.shard_tables)

    def arrays(self, split: str) -> dict[str, dict[str, Any]]:
        """Options of the arrays of a split (see `data_gen.store`); every fill value is one that no table contains."""
        shards = self.n_shards(split)
        row = {"shape": (shards, self.shard_tables), "chunks": (1, self.shard_tables)}
        entry = {"shape": (shards, self.shard_tables, 4), "chunks": (1, self.shard_tables, 4)}
        values = {"shape": (shards, self.capacity), "shards": (1, self.capacity), "chunks": (1, CHUNK)}
        return {
            "values": {**values, "dtype": "float32", "fill_value": np.nan},
            "index": {**entry, "dtype": "int32", "fill_value": -1},
            "stderr": {**row, "dtype": "float64", "fill_value": np.nan},
            "family": {**row, "dtype": "int16", "fill_value": -1},
            "mi": {**row, "dtype": "float64", "fill_value": np.nan},
        }

    def to_json(self) -> dict[str, Any]:
        """The manifest as JSON values."""
        return {"layout": LAYOUT, **asdict(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read a manifest.

        Raises:
            DataGenError: It is of another layout, or its fields are not those of a manifest.
        """
        if values.get("layout") != LAYOUT:
            raise DataGenError(f"the store has layout {values.get('layout')}, wanted {LAYOUT}; generate it anew")
        names = {field.name for field in fields(cls)}
        if set(values) != {"layout", *names}:
            raise DataGenError(f"the manifest has fields {sorted(values)}; wanted layout and {sorted(names)}")
        return cls(**{**{name: values[name] for name in names}, "families": tuple(values["families"])})
