"""Streams of random numbers: the only place of this package where a Generator is made."""

import hashlib

import numpy as np

from data_gen.errors import DataGenError

SPLITS = ("train", "validation", "calibration", "test")
_TABLE, _GROUP = 0, 1  # last entry of the spawn key: what the stream is for


def _keyed(root: int, split: str, shard: int, index: int, purpose: int) -> np.random.Generator:
    if split not in SPLITS:
        raise DataGenError(f"unknown split {split!r}; use one of {', '.join(SPLITS)}")
    if min(root, shard, index) < 0:
        raise DataGenError(f"root, shard and row must not be negative, got {root}, {shard} and {index}")
    key = (SPLITS.index(split), shard, index, purpose)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(root, spawn_key=key)))


def stream(root: int, split: str, shard: int, row: int) -> np.random.Generator:
    """Make the stream of one table, which no other (root, split, shard, row) shares.

    Args:
        root: Seed of the whole store.
        split: One of SPLITS.
        shard: Number of the shard in its split.
        row: Number of the table in its shard.

    Raises:
        DataGenError: The split is unknown or a number is negative.
    """
    return _keyed(root, split, shard, row, _TABLE)


def group_stream(root: int, split: str, shard: int, group: int) -> np.random.Generator:
    """Make the stream of what a group of neighbouring tables shares: their shape. Never equal to a table's stream."""
    return _keyed(root, split, shard, group, _GROUP)


def seeded(seed: int) -> np.random.Generator:
    """Make the stream of a seed that is kept as a parameter inside a spec."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))


def from_text(text: str) -> np.random.Generator:
    """Make the stream that belongs to a text, so that a Monte-Carlo truth is a pure function of its law's JSON."""
    return seeded(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))


def draw_seed(rng: np.random.Generator) -> int:
    """Draw a seed that every JSON reader keeps exactly (below 2**53)."""
    return int(rng.integers(2**53))
