"""Where the work is done: processes on this machine, a running Dask scheduler, or jobs of a SLURM queue."""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from data_gen.errors import DataGenError

if TYPE_CHECKING:
    from distributed import Client, SpecCluster
    from distributed.deploy import Cluster

    from data_gen.generate import GenerateConfig

_ANY_PORT = ":0"  # of the status page: the usual one may be taken by another run, of which Dask would warn
_CONNECT_SECONDS = 10  # a scheduler that is up answers within milliseconds, a busy login node within seconds
_RENEW_SECONDS, _ABSENCES = 15.0, 2  # a nanny needs some seconds to put a new worker in a dead one's place
_START_SECONDS = "600"  # that a job may take to find its scheduler: nodes that all start at once are slow
# Small linear algebra is slower on two spinning threads than on one, and its last bits depend on their number.
_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "passive",
}
# Dask has workers give freed memory back at once; to be given it again, page by page, took a quarter of their time. One
# arena, for only the first is kept whole and tasks run in a thread that would get another.
_KEEP_MEMORY = {
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_ARENA_MAX": "1",
}


@contextmanager
def connect(config: GenerateConfig) -> Iterator[Client]:
    """A client of the cluster that the configuration names; a cluster of our own is stopped at the end.

    Raises:
        DataGenError: No scheduler answers, or dask-jobqueue or a SLURM command is missing.
    """
    import dask
    from distributed import Client

    wanted = {**_ONE_THREAD, **_KEEP_MEMORY}
    environment = {f"distributed.nanny.pre-spawn-environ.{name}": value for name, value in wanted.items()}
    with ExitStack() as stack:
        stack.enter_context(_quiet())
        stack.enter_context(dask.config.set(environment))
        address: str | Cluster
        if config.scheduler is not None:
            address = config.scheduler
        elif config.cluster == "slurm":
            address = jobs = stack.enter_context(_slurm(config))
            stack.enter_context(_renewed(jobs, config.workers))
        else:
            address = stack.enter_context(_local(config))
        try:
            client = Client(address, timeout=_CONNECT_SECONDS)
        except (OSError, ValueError) as error:
            raise DataGenError(
                f"no Dask scheduler answers at {address}: {error}; start one with `dask scheduler`"
            ) from error
        yield stack.enter_context(client)


def processes(config: GenerateConfig) -> int:
    """Worker processes to start: as many as asked for, or one per core this process may use."""
    return config.workers or len(os.sched_getaffinity(0))


def _local(config: GenerateConfig) -> Cluster:
    from distributed import LocalCluster

    return LocalCluster(
        n_workers=processes(config),
        threads_per_worker=1,
        processes=True,
        dashboard_address=_ANY_PORT,
        memory_limit=0,  # Dask must not pause or kill a worker over what a large shard needs for a moment
        silence_logs=logging.CRITICAL,
    )


def _slurm(config: GenerateConfig) -> SpecCluster:
    try:
        from dask_jobqueue import SLURMCluster
    except ImportError as error:
        raise DataGenError(
            "--cluster slurm needs dask-jobqueue; install it with `pip install mist-mi[slurm]`"
        ) from error
    if config.workers == 0:
        raise DataGenError("--cluster slurm needs the number of worker processes; give it with --workers")
    cluster = SLURMCluster(
        queue=config.queue,
        account=config.account,
        cores=config.cores,
        processes=config.cores,
        memory=config.memory,
        walltime=config.walltime,
        death_timeout=_START_SECONDS,
        scheduler_options={"dashboard_address": _ANY_PORT},
        job_script_prologue=[f"export {name}={value}" for name, value in {**_ONE_THREAD, **_KEEP_MEMORY}.items()],
        silence_logs=logging.CRITICAL,
    )
    cluster.scale(config.workers)
    return cluster


@contextmanager
def _renewed(cluster: SpecCluster, workers: int) -> Iterator[None]:
    """Put new jobs in the place of those that have ended, by their time limit or with their node."""
    stop, absences, loop = threading.Event(), Counter[str](), cluster.loop
    assert loop is not None

    def watch() -> None:
        seen: set[str] = set()
        while not stop.wait(_RENEW_SECONDS):
            running = {str(worker["name"]) for worker in cluster.scheduler_info["workers"].values()}
            for job in list(cluster.workers):
                # The processes of one job bear its name and a number.
                if any(name == str(job) or name.startswith(f"{job}-") for name in running):
                    seen.add(job)
                    absences[job] = 0
                elif job in seen:  # not one that still waits in the queue
                    absences[job] += 1
                if absences[job] > _ABSENCES:
                    absences[job] = 0
                    loop.add_callback(cluster.workers.pop(job).close)
            cluster.scale(workers)  # opens again what is planned and not there

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the farewells of closing connections from the user: failures reach us through the futures."""
    loggers = [logging.getLogger(name) for name in ("distributed", "tornado", "asyncio", "bokeh")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
