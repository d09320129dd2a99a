"""Workplaces, and what is said when they are not there; test_kills has whole runs in each of them."""

import logging
import os
import sys

import pytest

from data_gen import cluster
from data_gen.errors import DataGenError
from data_gen.plan import GenerateConfig


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
