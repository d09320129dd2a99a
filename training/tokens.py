"""Meta-dataset shards -> statistics tokens, once, in parallel, kept on disk.

Statistics cost ten times a training step, so every shard is turned into tokens one time. A cached shard carries a
fingerprint of the store's configuration and of the code that makes tokens: another store or other statistics are never
mistaken for it. Files are written beside and renamed, so none is ever half there; a checksum tells a damaged one.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
import threading
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

import mist.copula
import mist.prepare
import mist.statistics
from data_gen.store import Store
from mist.batch import Batch

ROWS = "tokens.rows"  # kept as float16: half of a cached table, and no row matters to its third digit


@dataclass(frozen=True)
class Labelled:
    """Tokens of tables with their truth.

    Attributes:
        batch: B tables.
        mi_nats: True mutual information, (B,) float32.
        family: Position in the store's list of families, (B,) int64.
    """

    batch: Batch
    mi_nats: Tensor
    family: Tensor

    def __len__(self) -> int:
        return len(self.mi_nats)

    def take(self, index: Tensor) -> Labelled:
        """The tables at `index`, (B',) int64."""
        return Labelled(self.batch.take(index), self.mi_nats[index], self.family[index])

    @staticmethod
    def cat(parts: Sequence[Labelled]) -> Labelled:
        """Join along B."""
        return Labelled(
            Batch.cat([part.batch for part in parts]),
            torch.cat([part.mi_nats for part in parts]),
            torch.cat([part.family for part in parts]),
        )


@dataclass(frozen=True)
class TokenCache:
    """The tokens of one split of a meta-dataset.

    Attributes:
        data: The store's folder or URI.
        split: Name of the split.
        folder: Where cached shards lie.
        most: Shards to use, the first ones; None for all.
    """

    data: str
    split: str
    folder: Path
    most: int | None = None

    def __len__(self) -> int:
        """Number of shards."""
        there = Store.open(self.data).splits[self.split]
        return there if self.most is None else min(there, self.most)

    def fill(self, workers: int = 0, quiet: bool = False) -> None:
        """Make every shard's tokens that are not there yet, in parallel processes, with progress and time left."""
        self.folder.mkdir(parents=True, exist_ok=True)
        store = Store.open(self.data)
        marks = {index: fingerprint(store, self.split, index) for index in range(len(self))}
        missing = [index for index, mark in marks.items() if not self._is_there(index, mark)]
        if not missing:
            return
        workers = min(workers or os.cpu_count() or 1, len(missing))
        columns = (TextColumn("tokens of {task.fields[split]}"), BarColumn(), MofNCompleteColumn())
        with (
            Progress(
                *columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True), disable=quiet
            ) as progress,
            ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin_worker) as pool,
        ):
            task = progress.add_task("tokens", total=len(missing), split=self.split)
            jobs = [pool.submit(_make, self, index, marks[index]) for index in missing]
            try:
                for job in as_completed(jobs):
                    job.result()
                    progress.advance(task)
            except BaseException:  # an interruption above all: what waits is not begun
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def read(self, index: int) -> Labelled:
        """Tokens of one shard; `fill` must have run."""
        flat = load_file(self.path(index))
        flat[ROWS] = flat[ROWS].float()
        return Labelled(Batch.from_state(flat), flat["mi_nats"], flat["family"])

    def read_all(self) -> Labelled:
        """Tokens of the whole split."""
        return Labelled.cat([self.read(index) for index in range(len(self))])

    def path(self, index: int) -> Path:
        """File of one shard."""
        return self.folder / f"{self.split}-{index:05d}.safetensors"

    def _is_there(self, index: int, mark: str) -> bool:
        if not self.path(index).exists():
            return False
        try:
            with safe_open(self.path(index), "pt") as file:
                kept = file.metadata() or {}
            return kept.get("fingerprint") == mark and kept.get("checksum") == _checksum(load_file(self.path(index)))
        except SafetensorError:  # cut short on the disk: made anew
            return False


def token_folder(tokens: str | None, out: str, data: str) -> Path:
    """Folder of the tokens of the meta-dataset `data`: inside `tokens`, or else inside the run's folder `out`."""
    root = Path(tokens) if tokens else Path(out) / "tokens"
    return root / hashlib.sha256(data.encode()).hexdigest()[:12]


def fingerprint(store: Store, split: str, index: int) -> str:
    """A name for the tokens of a shard: what made its tables, and the source code that makes tokens.

    The size of the store is no part of it: a store that has grown keeps the tokens of its old shards.
    """
    made_by = {key: value for key, value in store.config.items() if key != "tables"}
    place = [split, index, store.n_tables(split, index)]
    digest = hashlib.sha256(json.dumps([made_by, dict(store.manifest.versions), place], sort_keys=True).encode())
    digest.update(_sources())
    return digest.hexdigest()


@cache
def _sources() -> bytes:
    folder = Path(mist.statistics.__file__).parent
    ours = [path for path in folder.rglob("*") if path.suffix in (".py", ".cpp", ".h")]
    paths = [Path(mist.copula.__file__), *sorted(ours)]
    return b"".join(path.read_bytes() for path in paths)


def _begin_worker() -> None:
    torch.set_num_threads(1)  # small matrices: more threads only wait for each other
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent says when to stop, and what is in hand gets done
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _make(cache: TokenCache, index: int, mark: str) -> None:
    store = Store.open(cache.data)
    tables = store.read_shard(cache.split, index)
    batch = mist.prepare.tabulate([(table.x, table.y) for table in tables])
    flat = batch.state()
    flat[ROWS] = flat[ROWS].half()
    flat["mi_nats"] = torch.tensor(np.array([table.mi_nats for table in tables]), dtype=torch.float32)
    codes = {name: code for code, name in enumerate(store.manifest.families)}
    flat["family"] = torch.tensor([codes[table.family] for table in tables])
    path = cache.path(index)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    flat = {name: part.contiguous() for name, part in flat.items()}
    save_file(flat, partial, {"fingerprint": mark, "checksum": _checksum(flat)})
    os.replace(partial, path)


def _checksum(flat: Mapping[str, Tensor]) -> str:
    """CRC-32 of tensors, which one changed bit alters."""
    found = 0
    for name in sorted(flat):
        found = zlib.crc32(flat[name].numpy().tobytes(), zlib.crc32(name.encode(), found))
    return f"{found:08x}"
