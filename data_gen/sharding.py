"""Writing one row of an array of Zarr's sharding codec at once.

Zarr writes a row that does not fill its shard by way of all the chunks that the shard could have: each is made anew,
filled, handed to another thread and copied several times. That took half of the time of writing (measured).
"""

from __future__ import annotations

import google_crc32c
import numpy as np
import zarr
from numcodecs import Blosc
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, ShardingCodec
from zarr.core.buffer import default_buffer_prototype
from zarr.core.metadata import ArrayV3Metadata
from zarr.core.sync import sync

_ABSENT = np.iinfo(np.uint64).max  # offset and length of a chunk that is not there
_SHUFFLES = {"noshuffle": Blosc.NOSHUFFLE, "shuffle": Blosc.SHUFFLE, "bitshuffle": Blosc.BITSHUFFLE}


def write_row(array: zarr.Array, index: int, values: np.ndarray) -> None:
    """Write the first values of a row; the rest of it are fill values. The bytes are those that Zarr would write.

    The chunks that hold values come first, in their order, then the offsets and lengths of all chunks.

    Args:
        array: Rows (S, capacity), each a shard of its own whose chunks have the codecs blosc and crc32c.
        index: The row.
        values: Its first values, (V,) with 0 < V <= capacity, of the array's type.

    Reference: Zarr's specification of the codec sharding_indexed, version 1.0.
    """
    metadata = array.metadata
    assert isinstance(metadata, ArrayV3Metadata)
    assert values.dtype == array.dtype
    (sharding,) = metadata.codecs
    assert isinstance(sharding, ShardingCodec)
    assert sharding.index_location.value == "end"
    blosc, width = _blosc(sharding), sharding.chunk_shape[1]
    parts, last = [], len(values) - len(values) % width
    for start in range(0, last, width):
        parts.append(_checked(blosc.encode(values[start : start + width])))
    if last < len(values):
        rest = np.full(width, metadata.fill_value, values.dtype)
        rest[: len(values) - last] = values[last:]
        parts.append(_checked(blosc.encode(rest)))
    places = np.full((array.shape[1] // width, 2), _ABSENT, dtype="<u8")
    lengths = [len(part) for part in parts]
    places[: len(parts)] = np.stack([np.cumsum([0, *lengths[:-1]]), lengths], axis=1)
    content = default_buffer_prototype().buffer.from_bytes(b"".join([*parts, _checked(places.tobytes())]))
    sync((array.store_path / metadata.encode_chunk_key((index, 0))).set(content))


def _blosc(sharding: ShardingCodec) -> Blosc:
    """Return the compressor of the chunks."""
    _, blosc, _ = sharding.codecs
    assert [type(codec) for codec in sharding.codecs] == [BytesCodec, BloscCodec, Crc32cCodec]
    assert [type(codec) for codec in sharding.index_codecs] == [BytesCodec, Crc32cCodec]
    assert isinstance(blosc, BloscCodec)
    return Blosc(blosc.cname.value, blosc.clevel, _SHUFFLES[blosc.shuffle.value], blosc.blocksize)


def _checked(content: bytes) -> bytes:
    """Append the checksum."""
    return content + google_crc32c.value(content).to_bytes(4, "little")
