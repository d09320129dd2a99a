"""Tables per second of the generator as a user meets it: whole processes, from the command to the finished store.

`python -m data_gen.benchmark --out FILE.json` runs every case several times in turn, so that a machine that is slow for
a while is slow for all of them, and reports medians. Rates count every table of every split, and the seconds the start
of all processes and the finishing of the store. Seconds of processor time, of all processes together, stand beside
them: on a machine with other work they say more.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data_gen.errors import DataGenError
from data_gen.plan import GenerateConfig, plan, versions

# The same that `mist generate` does, without the other packages.
_GENERATE = "import tyro; from data_gen.generate import GenerateConfig, generate; generate(tyro.cli(GenerateConfig))"


@dataclass(frozen=True, kw_only=True)
class BenchmarkConfig:
    """What to time.

    Attributes:
        out: JSON file of the figures.
        preset: Name of the meta-distribution.
        tables: Tables in the largest split.
        workers: Numbers of worker processes.
        flow_shares: Shares of tables with a random flow; negative for the preset's own.
        repeats: Times that each case runs.
        folder: Where the stores are written, one after another, and removed; by default the place for temporary files.
    """

    out: Path
    preset: str = "wide"
    tables: int = 16_384
    workers: tuple[int, ...] = (1, 2)
    flow_shares: tuple[float, ...] = (0.0, -1.0)
    repeats: int = 3
    folder: Path | None = None


@dataclass(frozen=True)
class Case:
    """One of the things that are timed: so many workers, and this share of flows."""

    workers: int
    flow_share: float


@dataclass(frozen=True)
class Run:
    """How long a case took: seconds on the clock, and seconds of processor time of all its processes."""

    seconds: float
    processor_seconds: float


def benchmark(config: BenchmarkConfig, run: Callable[[list[str]], None] | None = None) -> Path:
    """Time all cases and write the figures.

    Args:
        config: What to time.
        run: What takes a generator's flags and runs it; a process of its own unless a test gives something quicker.

    Returns:
        The JSON file.

    Raises:
        DataGenError: There is nothing to time, or a run failed.
    """
    if config.repeats < 1 or not config.workers or not config.flow_shares or min(config.workers) < 1:
        raise DataGenError(f"a benchmark needs --repeats and --workers of 1 or more, and --flow-shares; got {config}")
    planned = plan(GenerateConfig(out="", preset=config.preset, tables=config.tables))
    shares = [planned.prior.flow_share if share < 0 else share for share in config.flow_shares]
    runs: dict[Case, list[Run]] = {Case(workers, share): [] for share in shares for workers in config.workers}
    stolen = [_stolen()]
    for repeat in range(config.repeats):
        for case in runs:
            runs[case].append(_timed(config, case, run or _process))
            print(f"{repeat + 1}: {case}, {runs[case][-1]}", file=sys.stderr)
    stolen.append(_stolen())
    record = {
        "command": f"python -m data_gen.benchmark --preset {config.preset} --tables {config.tables}",
        "preset": config.preset,
        **report(sum(planned.tables.values()), runs),
        "machine": {**machine(), "stolen_share": _share(*stolen)},
        "versions": versions(),
    }
    config.out.parent.mkdir(parents=True, exist_ok=True)
    config.out.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(_in_words(record))
    print(config.out)
    return config.out


def report(tables: int, runs: Mapping[Case, Sequence[Run]]) -> dict[str, Any]:
    """Sum up the runs.

    Args:
        tables: Tables that one run makes.
        runs: Durations of each case; runs of one place were made one after another.

    Returns:
        ``tables``; ``cases`` with their seconds, and rates by the median; ``speedups`` over the fewest workers, each
        the median of the ratios of runs made one after another.
    """
    cases = [
        {
            **asdict(case),
            "tables_per_second": tables / statistics.median(run.seconds for run in of_case),
            "tables_per_processor_second": tables / max(_median_work(of_case), 1e-3),
            "runs": [asdict(run) for run in of_case],
        }
        for case, of_case in runs.items()
    ]
    speedups = []
    for share in dict.fromkeys(case.flow_share for case in runs):
        same = sorted((case for case in runs if case.flow_share == share), key=lambda case: case.workers)
        for case in same[1:]:
            ratios = [few.seconds / many.seconds for few, many in zip(runs[same[0]], runs[case], strict=True)]
            speedups.append({**asdict(case), "over": same[0].workers, "ratio": statistics.median(ratios)})
    return {"tables": tables, "cases": cases, "speedups": speedups}


def _median_work(runs: Sequence[Run]) -> float:
    return statistics.median(run.processor_seconds for run in runs)


def _timed(config: BenchmarkConfig, case: Case, run: Callable[[list[str]], None]) -> Run:
    with tempfile.TemporaryDirectory(dir=config.folder) as folder:
        flags = {
            "out": f"{folder}/store",
            "preset": config.preset,
            "tables": config.tables,
            "workers": case.workers,
            "flow-share": case.flow_share,
        }
        started, worked = time.perf_counter(), _processor_seconds()
        run([word for name, value in flags.items() for word in (f"--{name}", str(value))])
        return Run(time.perf_counter() - started, _processor_seconds() - worked)


def _processor_seconds() -> float:
    """Processor time of all processes that this one started and saw end, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _process(flags: Sequence[str]) -> None:
    done = subprocess.run([sys.executable, "-c", _GENERATE, *flags], capture_output=True, text=True)
    if done.returncode != 0:
        raise DataGenError(f"the generator failed with {' '.join(flags)}: {done.stderr.strip()[-500:]}")


def machine() -> dict[str, Any]:
    """What a benchmark runs on: processor, cores, system and load."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "load_average": list(os.getloadavg()),
    }


def _processor() -> str:
    """Name of the processor as Linux has it, elsewhere its kind."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _stolen() -> list[int]:
    """Time that the machine's host gave to others, and all time, in ticks since its start; both 0 elsewhere."""
    file = Path("/proc/stat")
    ticks = [int(word) for word in file.read_text().splitlines()[0].split()[1:]] if file.exists() else []
    return [ticks[7], sum(ticks[:8])] if len(ticks) > 7 else [0, 0]


def _share(before: Sequence[int], after: Sequence[int]) -> float:
    return (after[0] - before[0]) / max(after[1] - before[1], 1)


def _in_words(record: Mapping[str, Any]) -> str:
    lines = [
        f"{case['workers']} workers, flow share {case['flow_share']:g}: {case['tables_per_second']:,.0f} tables/s, "
        f"{case['tables_per_processor_second']:,.0f} per second of processor time"
        for case in record["cases"]
    ]
    lines += [
        f"{speedup['workers']} workers over {speedup['over']}, flow share {speedup['flow_share']:g}: "
        f"{speedup['ratio']:.2f} times as fast"
        for speedup in record["speedups"]
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    import tyro

    benchmark(tyro.cli(BenchmarkConfig))
