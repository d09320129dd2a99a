"""What lies beneath a store: the place, its keys, and the documents in which Zarr keeps shapes and codecs.

The documents follow from the manifest alone. So a reader can tell a damaged one, and a repair can write it again.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import zarr
import zarr.abc.store
from zarr.codecs import BloscCodec, Crc32cCodec
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import FsspecStore, LocalStore, MemoryStore

from data_gen.errors import DataGenError
from data_gen.manifest import Manifest

DAMAGE = (ValueError, RuntimeError)  # what zarr raises for a wrong checksum or length, or a block it cannot decode
MANIFEST = "manifest.json"  # a copy of the manifest that the root's document holds, from which that can be mended
_BEGUN = {"begun": True}  # attributes of a root until it has its manifest
_DOCUMENT = "zarr.json"
_COLUMNS = 5  # of a catalog


def storage_of(uri: str) -> zarr.abc.store.Store:
    """The key-value store behind a local path or an fsspec URI.

    Raises:
        DataGenError: A store that is not local does not answer.
    """
    if "://" not in uri or uri.startswith("file://"):
        return LocalStore(uri.removeprefix("file://"))
    _reach(uri)
    return FsspecStore.from_url(uri)


@cache
def _reach(uri: str) -> None:
    """Ask a remote store for a key, once: every protocol's library has errors of its own for what may be wrong."""
    try:
        read(FsspecStore.from_url(uri), MANIFEST)
    except Exception as error:
        raise DataGenError(
            f"got {uri}, which does not answer ({type(error).__name__}: {error}); "
            "check the address, the network, the credentials, and that the package of its protocol is installed"
        ) from error


def open_root(uri: str, consolidated: bool) -> zarr.Group | None:
    """The root group of a store, or None where there is none or its making was interrupted.

    Raises:
        DataGenError: The metadata are damaged.
    """
    storage = storage_of(uri)
    if isinstance(storage, LocalStore) and not storage.root.is_dir():
        return None  # zarr would make the folder
    try:
        root = zarr.open_group(storage, mode="r+", use_consolidated=None if consolidated else False)
        if "manifest" in root.attrs:
            return root
        if root.attrs.asdict() == _BEGUN or read(storage, MANIFEST) is None:
            return None
        raise KeyError("manifest")
    except FileNotFoundError:
        if read(storage, MANIFEST) is None:
            return None
        raise DataGenError(f"{uri} has lost its {_DOCUMENT}; `mist validate {uri} --repair` writes it again") from None
    except (KeyError, TypeError, *DAMAGE) as error:
        raise DataGenError(
            f"the metadata of {uri} are damaged ({error}); `mist validate {uri} --repair` writes them again"
        ) from error


def keep_manifest(uri: str, manifest: Manifest) -> None:
    """Write the copy of the manifest."""
    write(storage_of(uri), MANIFEST, json.dumps(manifest.to_json(), indent=1).encode())


def kept_manifest(uri: str) -> Manifest | None:
    """The copy of the manifest, or None where there is none that can be read."""
    found = _parsed(read(storage_of(uri), MANIFEST))
    try:
        return None if found is None else Manifest.from_json(found)
    except (DataGenError, KeyError, TypeError):
        return None


def mend_root(uri: str) -> bool:
    """Write the root's document again where it cannot be read; the store then counts as unfinished.

    Returns:
        Whether that was needed.

    Raises:
        DataGenError: The copy of the manifest cannot be read either.
    """
    try:
        open_root(uri, consolidated=False)
    except DataGenError as error:
        if (manifest := kept_manifest(uri)) is None:
            raise DataGenError(
                f"the {_DOCUMENT} of {uri} and its copy in {MANIFEST} are both damaged or missing; "
                "remove the store and generate it again"
            ) from error
        made = MemoryStore()
        zarr.create_group(made, attributes={"manifest": manifest.to_json(), "complete": False})
        content = read(made, _DOCUMENT)
        assert content is not None
        write(storage_of(uri), _DOCUMENT, content)
        return True
    return False


def begin(uri: str) -> zarr.Group:
    """A root group without a manifest, new or left by a creation that was interrupted.

    Raises:
        DataGenError: Something lies there that we did not make.
    """
    storage = storage_of(uri)
    found = [key for key in keys(storage) if not key.endswith(".partial")]
    if not found:
        return zarr.create_group(storage, attributes=dict(_BEGUN))  # a copy: zarr keeps and changes it
    if "zarr.json" in found:
        root = zarr.open_group(storage, mode="r+", use_consolidated=False)
        if root.attrs.asdict() == _BEGUN:
            return root
    raise DataGenError(f"{uri} holds something that is no store of ours ({found[0]}); give an empty or a new place")


def lay_out(root: zarr.Group, manifest: Manifest) -> None:
    """Make the groups and the empty arrays of a store, in place of what is there."""
    for split in manifest.tables:
        group = root.require_group(split)
        for name, options in manifest.arrays(split).items():
            group.create_array(name, overwrite=True, compressors=_compressors(), **options)


def new_catalog(root: zarr.Group, split: str, tables: int) -> zarr.Array:
    """Make the empty catalog of a split, in place of what is there."""
    shape = (tables, _COLUMNS)
    return root.require_group(split).create_array(
        "catalog", overwrite=True, shape=shape, chunks=shape, dtype="float64", fill_value=np.nan,
        compressors=_compressors(),
    )  # fmt: skip


def _compressors() -> list[BloscCodec | Crc32cCodec]:
    # Tables are nearly noise: lz4 leaves 89.3 % of them where zstd leaves 88.6 %, in a third of the time (measured).
    return [BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle"), Crc32cCodec()]


def documents(manifest: Manifest, catalogs: bool) -> dict[str, bytes]:
    """The documents of all groups and arrays but the root, by their keys, as this code writes them."""
    storage = MemoryStore()
    root = zarr.create_group(storage)
    lay_out(root, manifest)
    for split, tables in manifest.tables.items():
        if catalogs:
            new_catalog(root, split, tables)
    wanted = {key: read(storage, key) for key in keys(storage) if key.endswith(f"/{_DOCUMENT}")}
    return {key: content for key, content in wanted.items() if content is not None}


def damaged_documents(storage: zarr.abc.store.Store, manifest: Manifest, finished: bool) -> dict[str, bytes]:
    """Documents to write again, by their keys: missing, unreadable, or not what the manifest wants.

    Codecs may be those of an older version of this code, unless the copy in a finished store's root says otherwise.
    """
    damaged, copies = {}, _copies(storage) if finished else {}
    for key, content in documents(manifest, finished).items():
        found, wanted, copy = _parsed(read(storage, key)), _parsed(content), copies.get(key)
        altered = found != wanted and _plain(copy) == _plain(wanted)
        if found is None or altered or _without_codecs(found) != _without_codecs(wanted):
            damaged[key] = content
    return damaged


def stale_copies(storage: zarr.abc.store.Store, manifest: Manifest) -> list[str]:
    """Keys of the documents of a finished store that differ from their copies in the document of the root."""
    copies = _copies(storage)
    return [key for key in documents(manifest, True) if _plain(copies.get(key)) != _plain(_parsed(read(storage, key)))]


def _copies(storage: zarr.abc.store.Store) -> dict[str, Any]:
    root = _parsed(read(storage, _DOCUMENT)) or {}
    copies = (root.get("consolidated_metadata") or {}).get("metadata", {})
    return {f"{name}/{_DOCUMENT}": copy for name, copy in copies.items()}


def _parsed(content: bytes | None) -> dict[str, Any] | None:
    try:
        value = json.loads(content or b"")
    except ValueError:  # of the JSON, or of its UTF-8
        return None
    return value if isinstance(value, dict) else None


def _without_codecs(document: dict[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (document or {}).items() if name != "codecs"}


def _plain(document: dict[str, Any] | None) -> dict[str, Any]:
    """A document without the copies of others, which only some have."""
    return {name: value for name, value in (document or {}).items() if name != "consolidated_metadata"}


def keys(storage: zarr.abc.store.Store) -> list[str]:
    """All keys of a store, sorted."""

    async def collect() -> list[str]:
        return [key async for key in storage.list()]

    return sorted(sync(collect()))


def read(storage: zarr.abc.store.Store, key: str) -> bytes | None:
    """The bytes of a key, or None where there are none."""
    buffer = sync(storage.get(key, default_buffer_prototype()))
    return None if buffer is None else buffer.to_bytes()


def write(storage: zarr.abc.store.Store, key: str, content: bytes) -> None:
    """Set the bytes of a key."""
    sync(storage.set(key, default_buffer_prototype().buffer.from_bytes(content)))


def erase(array: zarr.Array, index: int) -> None:
    """Delete a shard's file: zarr reads a file before it writes over it, and stumbles when the file is damaged."""
    key = array.metadata.encode_chunk_key((index,) + (0,) * (array.ndim - 1))
    sync((array.store_path / key).delete())


def sweep(storage: zarr.abc.store.Store) -> None:
    """Delete what killed writers left behind, so that an interrupted and a smooth run end in the same files."""
    for key in keys(storage):
        if key.endswith(".partial"):
            sync(storage.delete(key))
