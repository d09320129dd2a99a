"""The meta-dataset on disk: one flat row of values per shard, in Zarr.

Layout, one group per split, S shards of at most P tables::

    values  (S, capacity) float32   the tables of a shard end to end, x then y, each row by row
    index   (S, P, 4)     int32     n, d_x, d_y, offset in ``values``; -1 where there is no table
    stderr  (S, P)        float64   standard error of the true MI in nats
    family  (S, P)        int16     position in the manifest's ``families``
    mi      (S, P)        float64   true MI in nats; written last, so its presence commits the shard
    catalog (T, 5)        float64   n, d_x, d_y, mi, family of every table; written when the store is finished

The manifest (configuration, versions, sizes) lies in the root group's attributes. Nothing that a run's circumstances
decide (clock, host, number of workers) is stored: one configuration has one sequence of bytes.

Zarr reads a missing, zero-byte or half-written file as fill values and raises nothing. Hence every fill value here is
one that no table contains, every chunk carries a crc32c, and the reader checks all of it.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import zarr
from zarr.errors import ZarrUserWarning

from data_gen.errors import DataGenError, IncompleteStore
from data_gen.layout import (
    DAMAGE,
    MANIFEST,
    begin,
    damaged_documents,
    erase,
    keep_manifest,
    kept_manifest,
    lay_out,
    new_catalog,
    open_root,
    stale_copies,
    storage_of,
    sweep,
    write,
)
from data_gen.manifest import Manifest
from data_gen.shard import Catalog, Table, defect, pack, unpack, values_of
from data_gen.sharding import write_row

_SMALL = ("index", "stderr", "family")
_ARRAYS = ("values", *_SMALL, "mi")  # in the order of writing


class Store:
    """A meta-dataset, open for reading and for writing whole shards; made by `create` or `open`.

    Different shards may be written at the same time from different processes; one shard is written by one process.
    """

    def __init__(self, uri: str, root: zarr.Group, manifest: Manifest):
        self.uri = uri
        self.manifest = manifest
        self._root = root

    @staticmethod
    def exists(uri: str) -> bool:
        """Whether a store lies at ``uri``, complete or not.

        Raises:
            DataGenError: The manifest there is damaged or of another layout.
        """
        return open_root(uri, consolidated=False) is not None

    @classmethod
    def create(cls, uri: str, manifest: Manifest) -> Store:
        """Make an empty store at a local path or any fsspec URI.

        Raises:
            DataGenError: There is a store already, or something else.
        """
        if cls.exists(uri):
            raise DataGenError(f"there is a store at {uri} already; give another place or remove it")
        root = begin(uri)
        lay_out(root, manifest)
        keep_manifest(uri, manifest)
        root.attrs.put({"manifest": manifest.to_json(), "complete": False})  # last: without it the store is made anew
        return cls(uri, root, manifest)

    @classmethod
    def open(cls, uri: str, require_complete: bool = True) -> Store:
        """Open the store at ``uri``; without ``require_complete`` it can be written too.

        Raises:
            DataGenError: There is no store, or its manifest is damaged or of another layout.
            IncompleteStore: The store is not finished and ``require_complete`` is set.
        """
        root = open_root(uri, consolidated=require_complete)
        if root is None:
            raise DataGenError(f"there is no store at {uri}; `mist generate --out {uri}` makes one")
        store = cls(uri, root, _manifest(root))
        if require_complete and not store.complete:
            missing = [f"{split} {index}" for split, index in store.missing()]
            what = f"shards missing: {', '.join(missing[:8])}{' ...' * (len(missing) > 8)}" if missing else "no catalog"
            raise IncompleteStore(f"the store {uri} is not complete ({what}). {_advice(uri)}")
        return store

    @property
    def config(self) -> Mapping[str, Any]:
        """The configuration that made the store."""
        return self.manifest.config

    @property
    def complete(self) -> bool:
        """Whether the store was finished."""
        return bool(self._root.attrs["complete"])

    @property
    def splits(self) -> dict[str, int]:
        """Number of shards of every split."""
        return {split: self.manifest.n_shards(split) for split in self.manifest.tables}

    def n_tables(self, split: str, index: int | None = None) -> int:
        """Number of tables of a split, or of one shard of it.

        Raises:
            DataGenError: There is no such split or shard.
        """
        return self.manifest.n_tables(split, index)

    def catalog(self, split: str) -> Catalog:
        """Sizes, truth and family of every table of a finished store, without reading its values.

        Raises:
            IncompleteStore: The catalog is missing or damaged.
        """
        try:
            rows = np.asarray(self._array(split, "catalog")[:])
        except DAMAGE as error:
            raise IncompleteStore(f"the catalog of {split} in {self.uri} is damaged. {_advice(self.uri)}") from error
        if rows.shape != (self.n_tables(split), 5) or not np.isfinite(rows).all():
            raise IncompleteStore(f"the catalog of {split} in {self.uri} has holes. {_advice(self.uri)}")
        n, d_x, d_y, family = rows[:, [0, 1, 2, 4]].astype(np.int64).T
        return Catalog(n=n, d_x=d_x, d_y=d_y, mi_nats=rows[:, 3], family=np.array(self.manifest.families)[family])

    def missing(self) -> list[tuple[str, int]]:
        """The shards, as (split, index), that have no commit mark."""
        return [shard for shard in self.manifest.shards if not self.is_written(*shard)]

    def is_written(self, split: str, index: int) -> bool:
        """Whether a shard bears its commit mark: as many finite truths as it has tables, and no more."""
        wanted = self.n_tables(split, index)
        try:
            mi_nats = np.asarray(self._array(split, "mi")[index])
        except DAMAGE:
            return False
        return bool(np.array_equal(np.isfinite(mi_nats), np.arange(self.manifest.shard_tables) < wanted))

    def write_shard(self, split: str, index: int, tables: Sequence[Table]) -> None:
        """Write one whole shard in place of what is there, the commit mark last.

        Raises:
            DataGenError: The number of tables is not the shard's, or their values are not finite or do not fit.
        """
        number = self.n_tables(split, index)
        if len(tables) != number:
            raise DataGenError(f"shard {split} {index} has {number} tables; got {len(tables)}")
        rows = pack(tables, self.manifest.families, self.manifest.shard_tables)
        if (size := rows["values"].size) > self.manifest.capacity:
            raise DataGenError(f"shard {split} {index} has room for {self.manifest.capacity} values; got {size}")
        if (what := defect(rows, number, len(self.manifest.families))) is not None:
            raise DataGenError(f"shard {split} {index} cannot be stored: {what}")
        for name in reversed(_ARRAYS):  # mi first: from here on the shard counts as missing
            erase(self._array(split, name), index)
        write_row(self._array(split, "values"), index, rows["values"])
        for name in (*_SMALL, "mi"):
            self._array(split, name)[index] = rows[name]

    def read_shard(self, split: str, index: int) -> list[Table]:
        """Read one whole shard; x and y of its tables are views of one array that nothing else holds.

        Raises:
            IncompleteStore: The shard was never written whole, or has been damaged since.
        """
        if not self.is_written(split, index):
            raise self._broken(split, index, "missing or only half written")
        try:
            rows = {name: np.asarray(self._array(split, name)[index]) for name in (*_SMALL, "mi")}
            size = values_of(rows["index"])
            rows["values"] = np.asarray(self._array(split, "values")[index, :size])
        except DAMAGE as error:
            raise self._broken(split, index, f"damaged ({error})") from error
        number = self.n_tables(split, index)
        if (what := defect(rows, number, len(self.manifest.families))) is not None:
            raise self._broken(split, index, f"damaged ({what})")
        return unpack(rows, self.manifest.families, number)

    def grow(self, config: Mapping[str, Any], tables: Mapping[str, int]) -> None:
        """Make room for more tables in every split; shards that were whole keep their bytes.

        Args:
            config: The configuration that makes the larger store.
            tables: Number of tables of every split, none smaller than before.
        """
        self._root = zarr.open_group(storage_of(self.uri), mode="r+", use_consolidated=False)
        self._root.attrs["complete"] = False
        for split, number in tables.items():
            for name in _ARRAYS:
                array = self._array(split, name)
                array.resize((-(-number // self.manifest.shard_tables), *array.shape[1:]))
        self.manifest = replace(self.manifest, config=dict(config), tables=dict(tables))
        keep_manifest(self.uri, self.manifest)
        self._root.attrs["manifest"] = self.manifest.to_json()

    def metadata_problems(self) -> list[str]:
        """What is wrong with the documents that hold shapes, types and codecs, in words."""
        storage, finished = storage_of(self.uri), self.complete
        damaged = damaged_documents(storage, self.manifest, finished)
        stale = [key for key in (stale_copies(storage, self.manifest) if finished else ()) if key not in damaged]
        problems = [f"the metadata {key} of {self.uri} are missing, damaged or not the manifest's" for key in damaged]
        if (kept := kept_manifest(self.uri)) is None:
            problems.append(f"{MANIFEST} of {self.uri}, a copy of the manifest, is missing or damaged")
        elif kept != self.manifest:
            what = f"{MANIFEST} of {self.uri} and the manifest in its root differ: one is damaged, or it was to grow"
            problems.append(f"{what}; the `mist generate` that made it, or was to make it grow, refuses or goes on")
        return problems + [f"the copy of the metadata {key} in the root of {self.uri} is another" for key in stale]

    def mend_metadata(self) -> None:
        """Write damaged documents again; `finish` must follow, which renews their copies in the root."""
        storage = storage_of(self.uri)
        for key, content in damaged_documents(storage, self.manifest, self.complete).items():
            write(storage, key, content)
        if kept_manifest(self.uri) is None:
            keep_manifest(self.uri, self.manifest)
        self._root = zarr.open_group(storage, mode="r+", use_consolidated=False)

    def finish(self) -> None:
        """Write the catalogs, consolidate the metadata and declare the store complete.

        Raises:
            IncompleteStore: Shards are missing.
        """
        if missing := self.missing():
            raise IncompleteStore(f"{len(missing)} shards of {self.uri} are missing. {_advice(self.uri)}")
        storage = storage_of(self.uri)
        root = zarr.open_group(storage, mode="r+", use_consolidated=False)
        for split in self.splits:
            rows = self._catalog_rows(split)
            new_catalog(root, split, len(rows))[:] = rows
        sweep(storage)
        with warnings.catch_warnings():  # zarr warns that other readers may not know this; ours is the only one
            warnings.simplefilter("ignore", ZarrUserWarning)
            self._root = zarr.consolidate_metadata(storage)
        self._root.attrs["complete"] = True

    def _array(self, split: str, name: str) -> zarr.Array:
        try:
            array = self._root[f"{split}/{name}"]
        except (KeyError, TypeError, *DAMAGE) as error:
            what = f"the metadata of {split}/{name} in {self.uri} are missing or damaged"
            raise IncompleteStore(f"{what}. {_advice(self.uri)}") from error
        assert isinstance(array, zarr.Array)
        return array

    def _catalog_rows(self, split: str) -> np.ndarray:
        """Rows of the catalog, (T, 5).

        Raises:
            IncompleteStore: Some entry of the small arrays is missing or damaged.
        """
        try:
            index, mi_nats, family = (np.asarray(self._array(split, name)[:]) for name in ("index", "mi", "family"))
        except DAMAGE as error:
            what = f"a shard of {split} in {self.uri} is damaged ({error})"
            raise IncompleteStore(f"{what}. {_advice(self.uri)}") from error
        rows = np.column_stack([index.reshape(-1, 4)[:, :3], mi_nats.ravel(), family.ravel()])[: self.n_tables(split)]
        if not (np.isfinite(rows).all() and (rows >= 0).all()):
            raise IncompleteStore(f"a shard of {split} in {self.uri} is damaged (no index). {_advice(self.uri)}")
        return rows

    def _broken(self, split: str, index: int, what: str) -> IncompleteStore:
        return IncompleteStore(f"shard {split} {index} of {self.uri} is {what}. {_advice(self.uri)}")


def _advice(uri: str) -> str:
    return f"Run `mist validate {uri} --repair` to make it whole."


def _manifest(root: zarr.Group) -> Manifest:
    return Manifest.from_json(root.attrs.asdict()["manifest"])  # type: ignore[arg-type]
