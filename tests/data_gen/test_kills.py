"""kill -9 of a worker, of the scheduler and of the whole run, then the same command again: always the same bytes.

In a local and in a SLURM cluster the scheduler lives in the run's own process, so that it dies with the run.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from data_gen.generate import GenerateConfig, make_shard, open_or_create
from data_gen.store import Store

ROOT = Path(__file__).parent.parent.parent
SIZE = ["--tables", "384", "--shard-tables", "8", "--flow-share", "0.0"]
GENERATE = "import tyro; from data_gen.generate import GenerateConfig, generate; generate(tyro.cli(GenerateConfig))"
PATIENCE = 240.0  # seconds, for machines with much other work

pytestmark = pytest.mark.slow


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference") / "store"
    made = GenerateConfig(out=str(folder), tables=384, shard_tables=8, flow_share=0.0)  # that is SIZE
    store = open_or_create(made)
    for shard in store.missing():
        store.write_shard(*shard, make_shard(made, *shard))
    store.finish()
    return folder


class Workplace:
    """Where a run finds its workers."""

    def __init__(self, folder: Path, *flags: str):
        self.folder, self.flags = folder, list(flags)
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    def workers(self, run: subprocess.Popen[bytes]) -> list[psutil.Process]:
        """The processes that do the work."""
        raise NotImplementedError

    def kill(self, victim: str, run: subprocess.Popen[bytes]) -> None:
        """Kill a worker, the scheduler or the run."""
        (self.workers(run)[0] if victim == "worker" else run).kill()

    def renew(self) -> None:
        """Put back what was killed."""

    def close(self) -> None:
        """Stop what was started."""


def descendants(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True) if psutil.pid_exists(pid) else []


def spawned(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that a nanny spawned."""
    return [process for process in processes if "spawn_main" in " ".join(process.cmdline())]


class Local(Workplace):
    """Processes of the run's own."""

    def __init__(self, folder: Path):
        super().__init__(folder, "--workers", "2")

    def workers(self, run: subprocess.Popen[bytes]) -> list[psutil.Process]:
        return spawned(descendants(run.pid))


class External(Workplace):
    """A scheduler and two workers on the loopback."""

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.started: list[subprocess.Popen[bytes]] = []
        self.renew()

    def renew(self) -> None:
        self.close()
        address = self.folder / "scheduler.json"
        address.unlink(missing_ok=True)
        dask, place = [sys.executable, "-m", "dask"], ["--scheduler-file", str(address), "--no-dashboard"]
        worker = [*dask, "worker", "--nthreads", "1", "--local-directory", str(self.folder), *place]
        for command in ([*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", *place], worker, worker):
            self.started.append(subprocess.Popen(command, env=self.environment, stderr=subprocess.DEVNULL))
        wait_for(address.exists)
        time.sleep(0.2)  # the file is there before its content
        self.flags = ["--scheduler", json.loads(address.read_text())["address"]]

    def workers(self, run: subprocess.Popen[bytes]) -> list[psutil.Process]:
        return spawned([child for nanny in self.started[1:] for child in descendants(nanny.pid)])

    def kill(self, victim: str, run: subprocess.Popen[bytes]) -> None:
        if victim == "scheduler":
            self.started[0].kill()
        else:
            super().kill(victim, run)

    def close(self) -> None:
        for process in reversed(self.started):
            process.terminate()
        for process in self.started:
            process.wait(PATIENCE)
        self.started = []


# Like the real one it keeps a copy of the script, which is removed as soon as it returns.
SBATCH = """#!/bin/sh
cp "$1" "{jobs}.$$"
nohup sh "{jobs}.$$" > "{jobs}.$$.log" 2>&1 &
echo $! >> "{jobs}"
echo "Submitted batch job $!"
"""
SCANCEL = """#!/bin/sh
kill "$@" 2> /dev/null || true
"""


class Slurm(Workplace):
    """Jobs of a queue whose commands start processes here."""

    def __init__(self, folder: Path):
        super().__init__(folder, "--cluster", "slurm", "--workers", "2", "--memory", "1GB")
        self.jobs = folder / "jobs"
        commands = folder / "bin"
        commands.mkdir()
        for name, text in (("sbatch", SBATCH.format(jobs=self.jobs)), ("scancel", SCANCEL)):
            (commands / name).write_text(text)
            (commands / name).chmod(0o755)
        self.environment["PATH"] = f"{commands}:{os.environ['PATH']}"

    def kill(self, victim: str, run: subprocess.Popen[bytes]) -> None:
        if victim == "worker":  # all of them, as at their time limit: new jobs must take their place
            self.end_jobs()
        else:
            super().kill(victim, run)

    def end_jobs(self) -> None:
        for job in map(int, self.jobs.read_text().split()):
            for process in descendants(job):
                with suppress(psutil.NoSuchProcess):
                    process.kill()

    def close(self) -> None:
        self.end_jobs()


def wait_for(done: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < give_up
        time.sleep(0.02)


@contextmanager
def running(place: Workplace, out: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", GENERATE, "--out", str(out), *SIZE, *place.flags]
    run = subprocess.Popen(command, env=place.environment, cwd=place.folder, stderr=subprocess.PIPE)
    try:
        yield run
    finally:
        if run.poll() is None:
            run.kill()
        run.communicate()


def written(out: Path) -> int:
    return len(list((out / "train" / "mi" / "c").glob("*/0")))


@pytest.mark.parametrize("victim", ["worker", "scheduler", "run"])
@pytest.mark.parametrize("kind", [Local, External, Slurm])
def test_kill_and_resume_leave_no_trace(tmp_path: Path, reference: Path, kind: type[Workplace], victim: str) -> None:
    if victim == "scheduler" and kind is not External:
        pytest.skip("this scheduler lives in the run's own process, which is killed in another test")
    place, out = kind(tmp_path), tmp_path / "store"
    try:
        with running(place, out) as run:
            wait_for(lambda: written(out) >= 4 or run.poll() is not None)
            place.kill(victim, run)
            told = run.communicate(timeout=PATIENCE)[1].decode()
        assert (run.returncode == 0) == (victim == "worker"), told
        assert victim != "scheduler" or "the Dask scheduler was lost" in told
        if victim != "worker":
            missing = Store.open(str(out), require_complete=False).missing()
            assert missing
            place.renew()
            with running(place, out) as again:
                told = again.communicate(timeout=PATIENCE)[1].decode()
            assert again.returncode == 0, told
        assert contents(out) == contents(reference)
    finally:
        place.close()
