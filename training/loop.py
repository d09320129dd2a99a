"""The training run, read top to bottom: tokens, state, resume?, step, validate, save, checkpoint."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import distributed

from data_gen.store import Catalog, Store
from mist.checkpoint import FOLDER, Checkpoint, Weights, load_weights
from mist.checkpoint import save as save_checkpoint
from mist.network import Network
from mist.prepare import Limits
from training import begin
from training.card import training_card
from training.config import Schedule, TrainConfig, TrainingError
from training.loader import Loader
from training.logbook import Logbook, Mode, check, read
from training.measure import loss, predict, summary
from training.schedule import learning_rate
from training.state import State, saved_config, states
from training.tokens import Labelled, TokenCache, token_folder

GRADIENT_NORM = 1.0  # gradients are clipped to this length; guess
SCALING_TABLES = 8192  # tables that set the input scaling
MAPPED_BYTES = 2_000_000_000  # memory below this size goes back to the allocator, not to the system
# what may differ between a run and its resumption
CIRCUMSTANCES = ("resume", "workers", "threads", "device", "wandb", "project", "watch", "tokens", "out", "stop")


def train(config: TrainConfig) -> str:
    """Train a network and return the folder of its run, with the checkpoint in it.

    Raises:
        TrainingError: The folder holds a run of another configuration, or an unfinished one without `resume`.
        data_gen.errors.IncompleteStore: The meta-dataset is not whole.
    """
    console = Console(stderr=True)
    out, schedule = Path(config.out), config.schedule()
    begun = None if config.begin is None else begin.read(config.begin, config.network)
    _check_stores(config)  # one that is not whole raises before anything is written
    record = _record(config, begun)
    if (out / FOLDER).exists() and _same(out, record) and _steps_done(out) >= config.last():
        console.print(f"{out} is finished already; nothing to do. Give another --out to train again.")
        return str(out)
    rank, world, device = _place(config)
    saved = _resumable(out, config, record)
    check(_mode(config, rank))
    out.mkdir(parents=True, exist_ok=True)
    partial = out / f"config.json.{os.getpid()}.partial"
    partial.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    os.replace(partial, out / "config.json")

    def caches(split: str, *places: str) -> list[TokenCache]:
        return [TokenCache(data, split, token_folder(config.tokens, config.out, data)) for data in places]

    learned = caches("train", config.data, *config.also)
    learned[0] = replace(learned[0], most=config.shards)
    validated = caches("validation", config.data, *config.watch)
    for cache in (*learned, *validated):
        if rank == 0:
            cache.fill(config.workers)
    _barrier(world)
    watched = {name: cache.read_all() for name, cache in zip(["validation", *_names(config)], validated, strict=True)}
    loader = Loader(learned, schedule.batch, config.seed, rank, world)

    _keep_memory()
    torch.manual_seed(config.seed)
    network = Network(config.network)
    network.fit_scaling(_sample(learned[0]).batch)
    if begun is not None:
        begin.take_over(network, begun)
    state = State.fresh(network.to(device), schedule.weight_decay)
    if saved is not None:
        state.restore(saved)
        console.print(f"resuming {out} at step {state.step} of {schedule.steps}")

    with _progress(console, rank) as progress, _logbook(out, config, record, state.step, rank) as logbook:
        task = progress.add_task("training", total=schedule.steps, completed=state.step, note="")
        started, last = perf_counter(), config.last()
        for tables in loader.batches(state.step):
            if state.step >= last:
                break
            value = _step(state, tables, schedule, device, world)
            progress.update(task, advance=1, note=f"loss {value:.4f}")
            due = state.step == last
            if rank == 0 and (state.step % schedule.validate_every == 0 or due):
                metrics = _validate(state.average, watched)
                rate = learning_rate(schedule, state.step - 1)
                logbook.log(state.step, loss=value, rate=rate, seconds=perf_counter() - started, **metrics)
                progress.console.print(_line(state.step, metrics))
            if rank == 0 and (state.step % schedule.save_every == 0 or due):
                state.save(out, record)
    if rank == 0:
        _finish(out, config, record, state)
    _barrier(world)
    return str(out)


def _step(state: State, tables: Labelled, schedule: Schedule, device: torch.device, world: int) -> float:
    """One optimizer step; returns the loss."""
    state.network.train()
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(schedule, state.step)
    quantiles = state.network.leaky(tables.batch.to(device))  # (B, K)
    value = loss(quantiles, tables.mi_nats.to(device))
    state.optimizer.zero_grad(set_to_none=True)
    value.backward()
    learned = [weight for weight in state.network.parameters() if weight.grad is not None]
    if world > 1:
        for gradient in (weight.grad for weight in learned if weight.grad is not None):
            distributed.all_reduce(gradient)
            gradient /= world
    length = torch.nn.utils.clip_grad_norm_(learned, GRADIENT_NORM)
    if not torch.isfinite(length):
        raise TrainingError(
            f"got a gradient of length {float(length)} at step {state.step}; resume from the last saved state with a "
            "smaller --learning-rate in another --out, or look for damage with `mist validate`"
        )
    state.optimizer.step()
    state.step += 1
    state.follow(schedule.average)
    return float(value.detach())


def _validate(network: Network, watched: dict[str, Labelled]) -> dict[str, float]:
    metrics = {}
    for name, tables in watched.items():
        for key, value in summary(predict(network, tables), tables.mi_nats).items():
            metrics[f"{name}/{key}"] = value
    return metrics


def _line(step: int, metrics: dict[str, float]) -> str:
    names = dict.fromkeys(key.split("/")[0] for key in metrics)
    parts = [
        f"{name}: pinball {metrics[f'{name}/pinball']:.4f}, mae {metrics[f'{name}/mae']:.4f}, "
        f"90 % covers {metrics[f'{name}/coverage90']:.3f}"
        for name in names
    ]
    return f"step {step}  " + "  ".join(parts)


def _finish(out: Path, config: TrainConfig, record: dict[str, Any], state: State) -> None:
    stores = [Store.open(data) for data in (config.data, *config.also)]
    catalog = _trained_on(stores, config.shards)
    limits = Limits(int(catalog.n.min()), int(catalog.n.max()), int(max(catalog.d_x.max(), catalog.d_y.max())))
    data = {"data": stores[0].config, "also": [store.config for store in stores[1:]]}
    provenance = {"training": record, "steps_done": state.step, **data, "versions": _versions()}
    average = state.average.cpu().eval()
    card = training_card(record, state.step, stores, catalog, read(out / "metrics.jsonl"), limits)
    save_checkpoint(out / FOLDER, Checkpoint(average, None, limits, provenance, card))


def _trained_on(stores: Sequence[Store], shards: int | None) -> Catalog:
    """Sizes and truths of the training tables that were used: the first shards of the first store, and all others."""
    most = None if shards is None else shards * stores[0].manifest.shard_tables
    found = [vars(store.catalog("train")) for store in stores]
    found[0] = {name: values[:most] for name, values in found[0].items()}
    return Catalog(**{name: np.concatenate([of_store[name] for of_store in found]) for name in found[0]})


def _record(config: TrainConfig, begun: Weights | None) -> dict[str, Any]:
    """What decides the weights, as JSON values."""
    given = {key: value for key, value in asdict(config).items() if key not in CIRCUMSTANCES}
    if begun is not None:
        given["begin"] = begin.record(begun)
    given["stores"] = {data: _content(data) for data in (config.data, *config.also)}
    return json.loads(json.dumps(given | {"schedule": asdict(config.schedule())}))


def _content(data: str) -> str:
    """A name for what a meta-dataset holds: another one under the same path has another."""
    store = Store.open(data)
    text = json.dumps([store.config, dict(store.manifest.versions)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _check_stores(config: TrainConfig) -> None:
    """Refuse meta-datasets that are not whole, lack the split they are wanted for, or share a name in the log."""
    wanted = [(data, ("train",)) for data in config.also] + [(data, ("validation",)) for data in config.watch]
    for data, splits in [(config.data, ("train", "validation")), *wanted]:
        there = Store.open(data).splits
        for split in splits:
            if not there.get(split):
                raise TrainingError(f"got {data} without a {split} split, wanted one; it has {', '.join(there)}")
    names = ["validation", *_names(config)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TrainingError(f"got two validation sets named {twice[0]!r}, wanted different names; rename a folder")


def _steps_done(out: Path) -> int:
    """Steps behind the checkpoint of a run."""
    return int(load_weights(out / FOLDER).provenance.get("steps_done", 0))


def _same(out: Path, record: dict[str, Any]) -> bool:
    kept = _kept(out / "config.json")
    if kept != record:
        raise TrainingError(
            f"got a finished run of another configuration in {out} ({_difference(kept, record)}); give another --out"
        )
    return True


def _kept(path: Path) -> dict[str, Any] | None:
    """The record of a run; None where there is none, or a damaged one."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def _resumable(out: Path, config: TrainConfig, record: dict[str, Any]) -> Path | None:
    """The state to go on from, or None to start."""
    found = states(out)
    if not found:
        return None
    if not config.resume:
        raise TrainingError(f"got an unfinished run in {out}; pass --resume to go on with it, or give another --out")
    kept = saved_config(found[-1])
    if kept != record:
        raise TrainingError(
            f"got a run of another configuration in {out} ({_difference(kept, record)}); "
            "resume with the flags it was started with, or give another --out"
        )
    return found[-1]


def _difference(kept: dict[str, Any] | None, record: dict[str, Any]) -> str:
    if kept is None:
        return "no whole config.json"
    keys = [key for key in record if kept.get(key) != record[key]]
    return ", ".join(f"{key}: {kept.get(key)} there, {record[key]} here" for key in keys)


def _place(config: TrainConfig) -> tuple[int, int, torch.device]:
    """Rank, number of processes (as torchrun sets them) and device."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    rank = int(os.environ.get("RANK", "0"))
    cuda = config.device == "cuda" or (config.device == "auto" and torch.cuda.is_available())
    if config.device == "cuda" and not torch.cuda.is_available():
        raise TrainingError("got device cuda, but torch sees no GPU; pass --device cpu or auto")
    if world > 1 and not distributed.is_initialized():
        distributed.init_process_group("nccl" if cuda else "gloo")
    if config.threads:
        torch.set_num_threads(config.threads)
    return rank, world, torch.device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if cuda else "cpu")


def _keep_memory() -> None:
    """Let glibc keep freed memory for the next step: a tenth of a step's time on a CPU was page faults."""
    if platform.libc_ver()[0] == "glibc":
        for option in (-3, -1):  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD of malloc.h
            ctypes.CDLL(None).mallopt(option, MAPPED_BYTES)


def _barrier(world: int) -> None:
    if world > 1:
        distributed.barrier()


def _names(config: TrainConfig) -> list[str]:
    return [Path(data).name or f"watched{number}" for number, data in enumerate(config.watch)]


def _sample(cache: TokenCache) -> Labelled:
    """Tables from the first shards, for the input scaling."""
    parts, count = [], 0
    for index in range(len(cache)):
        parts.append(cache.read(index))
        count += len(parts[-1])
        if count >= SCALING_TABLES:
            break
    return Labelled.cat(parts)


def _logbook(out: Path, config: TrainConfig, record: dict[str, Any], start: int, rank: int) -> Logbook:
    folder = out if rank == 0 else out / f"rank{rank}"
    folder.mkdir(exist_ok=True)
    return Logbook(folder, record, _mode(config, rank), config.project, start)


def _mode(config: TrainConfig, rank: int) -> Mode:
    return config.wandb if rank == 0 else "disabled"


def _progress(console: Console, rank: int) -> Progress:
    return Progress(
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=rank > 0,
    )


def _versions() -> dict[str, str]:
    names = ("mist-mi", "torch", "numpy", "scipy")
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found | {"python": platform.python_version()}
