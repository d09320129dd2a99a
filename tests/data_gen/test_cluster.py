"""Workplaces: a scheduler that runs elsewhere, a batch queue, and what is said when they are not there."""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from data_gen import cluster
from data_gen.errors import DataGenError
from data_gen.generate import GenerateConfig, generate, make_shard, open_or_create

ROOT = Path(__file__).parent.parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference") / "store"
    made = GenerateConfig(out=str(folder), tables=64, shard_tables=16)
    store = open_or_create(made)
    for shard in store.missing():
        store.write_shard(*shard, make_shard(made, *shard))
    store.finish()
    return folder


def test_processes_are_as_many_as_asked_or_the_cores() -> None:
    assert cluster.processes(GenerateConfig(out="a", workers=3)) == 3
    assert cluster.processes(GenerateConfig(out="a")) == len(os.sched_getaffinity(0))


def test_workers_have_one_thread_each() -> None:
    with cluster.connect(GenerateConfig(out="a", workers=2)) as client:
        assert list(client.nthreads().values()) == [1, 1]
        threads = client.run(os.environ.get, "OMP_NUM_THREADS")
    assert set(threads.values()) == {"1"}


def test_logs_are_as_before() -> None:
    before = logging.getLogger("distributed").level
    with cluster._quiet():
        assert logging.getLogger("distributed").level == logging.CRITICAL
    assert logging.getLogger("distributed").level == before


def test_silent_scheduler_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_CONNECT_SECONDS", 0.2)
    with (
        pytest.raises(DataGenError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9: .*`dask scheduler`"),
        cluster.connect(GenerateConfig(out="a", scheduler="tcp://127.0.0.1:9")),
    ):
        pass


def test_slurm_needs_a_number_of_workers() -> None:
    with (
        pytest.raises(DataGenError, match="needs the number of worker processes; give it with --workers"),
        cluster.connect(GenerateConfig(out="a", cluster="slurm")),
    ):
        pass


def test_slurm_needs_dask_jobqueue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    with (
        pytest.raises(DataGenError, match=r"pip install mist-mi\[slurm\]"),
        cluster.connect(GenerateConfig(out="a", cluster="slurm", workers=1)),
    ):
        pass


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[str]:
    """Address of a scheduler with two workers, in processes of their own."""
    address = tmp_path / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    place = ["--scheduler-file", str(address), "--no-dashboard"]
    commands = [
        [*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", *place],
        *([*dask, "worker", "--nthreads", "1", "--local-directory", str(tmp_path), *place] for _ in range(2)),
    ]
    running = [subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.DEVNULL) for command in commands]
    give_up = time.monotonic() + 30
    while not address.exists() and time.monotonic() < give_up:
        time.sleep(0.05)
    yield json.loads(address.read_text())["address"]
    for process in reversed(running):
        process.terminate()
    for process in running:
        process.wait()


@pytest.mark.slow
def test_external_scheduler_leaves_no_trace(tmp_path: Path, scheduler: str, reference: Path) -> None:
    out = tmp_path / "store"
    generate(GenerateConfig(out=str(out), tables=64, shard_tables=16, scheduler=scheduler))
    assert contents(out) == contents(reference)


SBATCH = """#!/bin/sh
nohup sh "$1" > "$1.log" 2>&1 &
echo "Submitted batch job $!"
"""
SCANCEL = """#!/bin/sh
kill "$@" 2> /dev/null || true
"""


@pytest.mark.slow
def test_slurm_with_a_stand_in_queue_leaves_no_trace(
    tmp_path: Path, reference: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "store"
    generate(GenerateConfig(out=str(out), tables=64, shard_tables=16, cluster="slurm", workers=2, memory="1GB"))
    assert contents(out) == contents(reference)
