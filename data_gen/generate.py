"""Fill a store with tables: one pure function per shard, spread over a Dask cluster.

Every table draws from its own stream, so the number of workers, a crash and a resume leave no trace in the bytes.
"""

from __future__ import annotations

import itertools
import math
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from data_gen.cluster import connect
from data_gen.errors import DataGenError
from data_gen.manifest import Manifest
from data_gen.plan import (
    GenerateConfig,
    capacity,
    check_versions,
    content,
    differences,
    largest_shard,
    plan,
    shape_of,
    versions,
)
from data_gen.prior import Prior, Shape
from data_gen.progress import progress_bar
from data_gen.registry import FAMILIES
from data_gen.rng import stream
from data_gen.spec import Spec
from data_gen.store import Store, Table

if TYPE_CHECKING:
    from distributed import Client, Future

Shard = tuple[str, int]  # split, number of the shard in its split

_RETRIES = 2  # a full disk or a lost connection may pass; what fails three times will not
_NAMED = 20  # failures that the message spells out; the progress log has named them all
_WINDOW = 32  # least number of shards on their way: enough for workers that join an empty cluster later
_ONE_AT_A_TIME = threading.Lock()  # flows draw from torch's global generator: no second thread beside them


def generate(config: GenerateConfig) -> str:
    """Fill the store at ``config.out``, going on where an earlier run stopped; a finished store is left alone.

    Returns:
        The place of the store.

    Raises:
        DataGenError: The configuration is not one, the store there was made by another, or shards failed.
    """
    plan(config)
    if not config.out.strip():
        raise DataGenError(f"--out must be a folder or a URI; got {config.out!r}")
    if config.out.startswith("memory://"):
        raise DataGenError("memory:// is not shared between processes; give a path or the URI of a shared place")
    store = open_or_create(config)
    if store.complete:
        print(f"{config.out} is complete: nothing to do.")
    else:
        started, missing = time.perf_counter(), store.missing()
        fill(config, store, missing)
        _summarise(store)
        made, seconds = sum(store.n_tables(*shard) for shard in missing), time.perf_counter() - started
        print(f"{made:,} tables in {len(missing):,} shards made in {seconds:,.0f} s, {made / seconds:,.0f} tables/s")
    print(config.out)
    return config.out


def fill(config: GenerateConfig, store: Store, shards: Sequence[Shard]) -> None:
    """Generate and write the given shards on the cluster, then finish the store.

    Raises:
        DataGenError: The libraries differ from those that made the rest, or shards failed after all retries.
    """
    check_versions(store)
    failed = _run(config, store, shards) if shards else {}
    if failed:
        reasons = [f"{split} {index}: {reason}" for (split, index), reason in sorted(failed.items())]
        named = "; ".join(reasons[:_NAMED]) + f"; and {len(reasons) - _NAMED} more" * (len(reasons) > _NAMED)
        raise DataGenError(
            f"{len(failed)} of {len(shards)} shards of {config.out} failed, the others are kept; "
            f"the same command tries only these again: {named}"
        )
    store.finish()


def make_shard(config: GenerateConfig, split: str, index: int) -> list[Table]:
    """Draw the tables of one shard: a pure function of the configuration's content and the shard's place.

    Raises:
        DataGenError: There is no such shard, or a law gave values or a truth that cannot be stored.
    """
    planned = plan(config)
    number = min(planned.shard_tables, planned.tables.get(split, 0) - index * planned.shard_tables)
    if number < 1 or index < 0:
        raise DataGenError(f"preset {config.preset!r} plans no shard {split} {index}; its tables: {planned.tables}")
    tables = []
    for first in range(0, number, planned.prior.tables_per_shape):
        shape = shape_of(planned.prior, config.seed, split, index, first)
        for row in range(first, min(first + planned.prior.tables_per_shape, number)):
            tables.append(_draw(planned.prior, shape, config.seed, (split, index, row))[0])
    return tables


def make_table(config: GenerateConfig, split: str, index: int, row: int) -> tuple[Table, Spec]:
    """Draw one table and the spec behind it, the same that `make_shard` draws at this place.

    Raises:
        DataGenError: The law gave values or a truth that cannot be stored.
    """
    prior = plan(config).prior
    return _draw(prior, shape_of(prior, config.seed, split, index, row), config.seed, (split, index, row))


def _draw(prior: Prior, shape: Shape, seed: int, place: tuple[str, int, int]) -> tuple[Table, Spec]:
    """Draw the table at a place (split, index, row) whose shape is known already."""
    rng = stream(seed, *place)
    spec = prior.draw(rng, shape)
    joint = spec.build()
    with np.errstate(over="ignore"):  # an overflow in float32 is reported below, with its spec
        x, y = (side.astype(np.float32) for side in joint.sample(rng, shape.n))
    truth = joint.truth()
    where = f"table {place[2]} of shard {place[0]} {place[1]}"
    if (x.shape, y.shape) != ((shape.n, shape.d_x), (shape.n, shape.d_y)):
        raise DataGenError(f"{where} has shapes {x.shape} and {y.shape}; wanted {shape} from {spec.to_json()}")
    if not (np.isfinite(x).all() and np.isfinite(y).all() and 0 <= truth.nats < math.inf):
        raise DataGenError(f"{where} is not finite in float32, or its truth is not one: {spec.to_json()}")
    return Table(x, y, float(truth.nats), float(truth.stderr), spec.family), spec


def open_or_create(config: GenerateConfig) -> Store:
    """The store that a configuration fills: new, or one that the same configuration began, or grown from it.

    Raises:
        DataGenError: Another configuration made the store, or it may not or cannot grow.
    """
    wanted = content(config)
    if not Store.exists(config.out):
        planned = plan(config)
        manifest = Manifest(
            config=wanted,
            versions=versions(),
            tables=planned.tables,
            shard_tables=planned.shard_tables,
            capacity=capacity(largest_shard(planned, config.seed)),
            families=FAMILIES.names(),
        )
        return Store.create(config.out, manifest)
    store = Store.open(config.out, require_complete=False)
    differing = differences(store.config, wanted)
    if not differing:
        return store
    if any(not line.startswith("tables.") for line in differing):
        raise DataGenError(
            f"{config.out} was made by another configuration: {'; '.join(differing)}. "
            "Repeat that configuration, or give another --out."
        )
    _extend(config, store, wanted, differing)
    return store


def _extend(config: GenerateConfig, store: Store, wanted: dict[str, Any], differing: list[str]) -> None:
    smaller = any(number < store.n_tables(split) for split, number in wanted["tables"].items())
    if smaller or not config.extend:
        hint = "A store cannot shrink" if smaller else "Add --extend to let it grow"
        raise DataGenError(f"{config.out} has another size: {'; '.join(differing)}. {hint}, or give another --out.")
    if (largest := largest_shard(plan(config), config.seed)) > store.manifest.capacity:
        raise DataGenError(
            f"{config.out} has room for {store.manifest.capacity} values per shard and would need {largest} to grow "
            "to this size. Give another --out or fewer --tables."
        )
    check_versions(store)
    store.grow(wanted, wanted["tables"])


def _write(config: GenerateConfig, split: str, index: int) -> int:
    """The task of a worker: make one shard and write it. Returns how many tables it has."""
    with _ONE_AT_A_TIME:
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(1)  # the last bits of a flow depend on the number of threads
        tables = make_shard(config, split, index)
    Store.open(config.out, require_complete=False).write_shard(split, index, tables)
    return len(tables)


def _run(config: GenerateConfig, store: Store, shards: Sequence[Shard]) -> dict[Shard, str]:
    """Do the tasks with a progress bar. Returns the shards that never succeeded, with the reasons.

    Raises:
        DataGenError: The scheduler was lost.
    """
    from distributed.client import ClosedClientError

    if "://" not in config.out:
        config = replace(config, out=os.path.abspath(config.out))  # workers elsewhere have another working directory
    failed: dict[Shard, str] = {}
    total = sum(store.n_tables(*shard) for shard in shards)
    with connect(config) as client, progress_bar() as progress:
        bar = progress.add_task("generate", total=total)
        try:
            for shard, future in _in_window(client, config, shards):
                if future.status == "finished":
                    progress.advance(bar, future.result())
                elif future.status == "error":
                    failed[shard] = _reason(future)
                    progress.console.print(f"shard {shard[0]} {shard[1]} failed", style="red")
                else:  # nobody has it any more
                    raise OSError(f"shard {shard[0]} {shard[1]} was {future.status}")
        except (OSError, CancelledError, ClosedClientError) as error:
            raise DataGenError(
                f"the Dask scheduler was lost ({error}); what {config.out} has is kept, and the same command goes on "
                "with the rest; give a running one with --scheduler, if it was not our own"
            ) from error
    return failed


def _in_window(client: Client, config: GenerateConfig, shards: Sequence[Shard]) -> Iterator[tuple[Shard, Future]]:
    """Submit the tasks a window at a time; yield each with its future as it ends, well or badly."""
    from distributed import as_completed

    waiting = iter(shards)
    owner: dict[str, Shard] = {}

    def submit(shard: Shard) -> Future:
        future = client.submit(_write, config, *shard, pure=False, retries=_RETRIES)
        owner[str(future.key)] = shard
        return future

    window = max(_WINDOW, 4 * sum(client.nthreads().values()))
    running = as_completed([submit(shard) for shard in itertools.islice(waiting, window)])
    for future in running:
        yield owner.pop(str(future.key)), future
        for shard in itertools.islice(waiting, 1):
            running.add(submit(shard))


def _reason(future: Future) -> str:
    """Why a task failed, in one line."""
    error = future.exception()
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _summarise(store: Store) -> None:
    """Print sizes and truths per split."""
    from rich.console import Console
    from rich.table import Table as Sheet

    sheet = Sheet(title=f"{store.uri}: preset {store.config['preset']}, seed {store.config['seed']}")
    for heading in ("split", "shards", "tables", "n", "d_x + d_y", "MI: median, 95 %, largest (nats)"):
        sheet.add_column(heading, justify="left" if heading == "split" else "right")
    for split, shards in store.splits.items():
        catalog = store.catalog(split)
        d = catalog.d_x + catalog.d_y
        mi_nats = " ".join(f"{value:.2f}" for value in np.quantile(catalog.mi_nats, [0.5, 0.95, 1.0]))
        ranges = (f"{values.min()}..{values.max()}" for values in (catalog.n, d))
        sheet.add_row(split, f"{shards:,}", f"{store.n_tables(split):,}", *ranges, mi_nats)
    Console().print(sheet)
