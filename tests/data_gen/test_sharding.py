"""Shards that are written at once: byte for byte those of Zarr."""

from pathlib import Path

import numpy as np
import pytest
import zarr

from data_gen.layout import lay_out
from data_gen.manifest import CHUNK, Manifest
from data_gen.sharding import write_row

CHUNKS = 4


def empty(place: Path) -> zarr.Array:
    root = zarr.create_group(place)
    capacity = CHUNKS * CHUNK
    lay_out(root, Manifest(config={}, versions={}, tables={"train": 6}, shard_tables=3, capacity=capacity, families=()))
    array = root["train/values"]
    assert isinstance(array, zarr.Array)
    return array


@pytest.mark.parametrize("size", [1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, CHUNKS * CHUNK - 5, CHUNKS * CHUNK])
def test_the_bytes_are_those_of_zarr(tmp_path: Path, size: int) -> None:
    values = np.random.default_rng(size).standard_normal(size).astype(np.float32)
    ours, theirs = empty(tmp_path / "ours"), empty(tmp_path / "theirs")
    write_row(ours, 1, values)
    theirs[1, :size] = values
    key = Path("train", "values", "c", "1", "0")
    assert (tmp_path / "ours" / key).read_bytes() == (tmp_path / "theirs" / key).read_bytes()
    np.testing.assert_array_equal(ours[1, :size], values)
