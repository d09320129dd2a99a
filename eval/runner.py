"""The work of a run: cases times estimators, in chunks, here or in parallel processes, in one order always."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context

from eval.baselines import Baseline, Guess, build
from eval.records import Record, Timing
from eval.suites import Case, Suite, SuiteOptions, suite

_CHUNK = 8  # cases drawn and handed to an estimator at once: what a kill can cost, and what a batch can gain
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

Finished = frozenset[tuple[str, str]]  # (key, estimator)
Results = tuple[list[Record], list[Timing]]


@dataclass(frozen=True)
class Setup:
    """What a process needs to know to take part."""

    suite: str
    options: SuiteOptions
    estimators: tuple[str, ...]
    checkpoint: str | None


@dataclass(frozen=True)
class Bench:
    """A planned suite and the estimators to measure on it."""

    suite: Suite
    estimators: dict[str, Baseline]

    @classmethod
    def of(cls, setup: Setup) -> "Bench":
        """Plan the suite and make the estimators; every name is looked up here, before any work."""
        planned = suite(setup.suite, setup.options)
        return cls(planned, {name: build(name, setup.checkpoint) for name in setup.estimators})

    def chunks(self) -> list[tuple[int, ...]]:
        """Indices of the suite's cases, chunk by chunk."""
        size = len(self.suite)
        return [tuple(range(start, min(start + _CHUNK, size))) for start in range(0, size, _CHUNK)]

    def run(self, chunk: tuple[int, ...], finished: Finished) -> Results:
        """Draw the cases of a chunk and give each estimator those that it has not done yet."""
        keys = self.suite.keys
        if all((keys[index], name) in finished for index in chunk for name in self.estimators):
            return [], []
        cases = [self.suite[index] for index in chunk]
        records: list[Record] = []
        timings: list[Timing] = []
        for name, estimator in self.estimators.items():
            todo = [case for case in cases if (case.key, name) not in finished]
            tables = [table for case in todo for table in case.tables]
            guesses = iter(estimator.estimate_batch(tables) if tables else [])
            for case in todo:
                guess = _of_case(case, [next(guesses) for _ in case.tables])
                records.append(Record.of(case, name, guess))
                timings.append(Timing(case.key, name, guess.seconds))
        return records, timings


def _of_case(case: Case, guesses: list[Guess]) -> Guess:
    """The estimate of a case; of one that holds several tables against each other, how far they contradict."""
    if case.violation is None:
        return guesses[0]
    seconds, failed = sum(g.seconds for g in guesses), next((g.failed for g in guesses if g.failed), None)
    return Guess(0.0 if failed else case.violation([g.mi_nats for g in guesses]), seconds, failed=failed)


def results(bench: Bench, setup: Setup, finished: Finished, workers: int) -> Iterator[Results]:
    """Yield the new results of each chunk in the suite's order, however many processes share the work."""
    chunks = bench.chunks()
    if workers <= 1:
        yield from (bench.run(chunk, finished) for chunk in chunks)
        return
    with _one_thread_each(), ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_run, [setup] * len(chunks), chunks, [_among(finished, bench, c) for c in chunks])


def _among(finished: Finished, bench: Bench, chunk: Sequence[int]) -> Finished:
    keys = {bench.suite.plans[index].key for index in chunk}
    return frozenset(pair for pair in finished if pair[0] in keys)


def _run(setup: Setup, chunk: tuple[int, ...], finished: Finished) -> Results:
    return _bench_of_this_process(setup).run(chunk, finished)


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
