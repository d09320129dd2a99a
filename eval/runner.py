"""The work of a run: one job per case, for all estimators that have not done it yet, here or in parallel processes."""

import os
import signal
import sys
import threading
from collections.abc import Collection, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context, parent_process

from eval.baselines import Baseline, Guess, build
from eval.errors import EvalError
from eval.memory import PeakMemory
from eval.records import Cell, Cost, Record
from eval.suites import Case, Suite, SuiteOptions, suite
from eval.versions import of_result

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

Results = list[tuple[Record, Cost]]


@dataclass(frozen=True)
class Setup:
    """What a process needs to know to take part."""

    suites: tuple[str, ...]
    options: SuiteOptions
    estimators: tuple[str, ...]
    checkpoint: str | None


@dataclass(frozen=True)
class Job:
    """One case and what is still to be asked of it.

    Attributes:
        suite: Name of the suite.
        index: Place of the case in it.
        cells: The results that are missing, one per estimator.
    """

    suite: str
    index: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Bench:
    """Planned suites and the estimators to measure on them."""

    suites: dict[str, Suite]
    estimators: dict[str, Baseline]
    versions: dict[tuple[str, str], str]

    @classmethod
    def of(cls, setup: Setup) -> "Bench":
        """Plan the suites and make the estimators; every name is looked up here, before any work."""
        suites = {name: suite(name, setup.options) for name in setup.suites}
        estimators = {name: build(name, setup.checkpoint) for name in setup.estimators}
        versions = {(s, e): of_result(s, e, setup.checkpoint) for s in suites for e in estimators}
        return cls(suites, estimators, versions)

    def cells(self, suite_name: str, estimator: str) -> list[Cell]:
        """All results of one estimator on one suite, in the suite's order."""
        planned, version = self.suites[suite_name], self.versions[suite_name, estimator]
        return [Cell(suite_name, planned.seed, key, estimator, version) for key in planned.keys]

    def jobs(self, finished: Collection[Cell]) -> list[Job]:
        """What is left to do, case by case."""
        jobs = []
        for name in self.suites:
            by_case = zip(*(self.cells(name, estimator) for estimator in self.estimators), strict=True)
            for index, cells in enumerate(by_case):
                missing = tuple(cell for cell in cells if cell not in finished)
                jobs += [Job(name, index, missing)] if missing else []
        return jobs

    def do(self, job: Job) -> Results:
        """Draw the case of a job and ask each estimator, one table at a time: so times and peaks are those of one."""
        case = self.suites[job.suite][job.index]
        return [self._ask(case, cell) for cell in job.cells]

    def _ask(self, case: Case, cell: Cell) -> tuple[Record, Cost]:
        estimator = self.estimators[cell.estimator]
        guesses, peaks = [], []
        for x, y in case.tables:
            with PeakMemory() as memory:
                guesses.append(estimator.estimate(x, y))
            peaks.append(memory.peak_bytes)
        known = [peak for peak in peaks if peak is not None]
        cost = Cost(cell, sum(guess.seconds for guess in guesses), max(known) if known else None)
        return Record.of(cell, case, _of_case(case, guesses)), cost


def _of_case(case: Case, guesses: list[Guess]) -> Guess:
    """The estimate of a case; of one that holds several tables against each other, how far they contradict."""
    if case.violation is None:
        return guesses[0]
    failed = next((guess.failed for guess in guesses if guess.failed), None)
    return Guess(0.0 if failed else case.violation([guess.mi_nats for guess in guesses]), 0.0, failed=failed)


def run(bench: Bench, setup: Setup, jobs: list[Job], workers: int) -> Iterator[Results]:
    """Yield the results of each job as it is done, in any order.

    Raises:
        EvalError: If a process was ended from outside.
    """
    if workers <= 1 or len(jobs) < 2:
        with _one_thread_here():
            yield from map(bench.do, jobs)
        return
    context = get_context("spawn")
    with _one_thread_each(), ProcessPoolExecutor(workers, context, initializer=_start) as pool:
        waiting = [pool.submit(_do, setup, job) for job in jobs]
        try:
            yield from (done.result() for done in as_completed(waiting))
        except BrokenProcessPool as error:
            raise EvalError(
                "a process was ended from outside, by the system if memory ran out; "
                "run the same command again to go on, with fewer --workers"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _start() -> None:
    """Leave Ctrl-C to the parent, and end with it however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _do(setup: Setup, job: Job) -> Results:
    return _bench_of_this_process(setup).do(job)


@lru_cache(maxsize=1)
def _bench_of_this_process(setup: Setup) -> Bench:
    return Bench.of(setup)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let processes that start meanwhile use one thread: small matrices under many threads are far slower."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _one_thread_here() -> Iterator[None]:
    """The same for this process, so that times mean the same however many processes share the work."""
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 0
    with threadpool_limits(1):
        if torch:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            if torch:
                torch.set_num_threads(before)
