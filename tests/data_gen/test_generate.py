"""Generation: one configuration has one sequence of bytes, whoever makes it and however often it is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from distributed import Client

from data_gen.errors import DataGenError, IncompleteStore
from data_gen.generate import GenerateConfig, _write, generate, make_shard, make_table, open_or_create
from data_gen.manifest import CHUNK, Manifest
from data_gen.plan import capacity, config_of, content, largest_shard, plan, versions
from data_gen.prior import PRESETS
from data_gen.registry import FAMILIES
from data_gen.store import Store

ROOT = Path(__file__).parent.parent.parent
SMALL = {"tables": 64, "shard_tables": 16, "workers": 1}  # 7 shards: 4 + 1 + 1 + 1


def config(out: Path | str, **changes: object) -> GenerateConfig:
    return GenerateConfig(out=str(out), **{**SMALL, **changes})  # type: ignore[arg-type]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def made_here(made: GenerateConfig) -> Store:
    """The same store without a cluster."""
    store = open_or_create(made)
    for shard in store.missing():
        store.write_shard(*shard, make_shard(made, *shard))
    store.finish()
    return store


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference") / "store"
    made_here(config(folder))
    return folder


def assert_quiet(capsys: pytest.CaptureFixture[str], out: Path) -> None:
    printed, noise = capsys.readouterr()
    assert printed.splitlines()[-1] == str(out)
    assert "train" in printed
    assert "Warning" not in noise
    assert "Traceback" not in noise


def test_two_workers_leave_no_trace(tmp_path: Path, reference: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "store"
    assert generate(config(out, workers=2)) == str(out)
    assert contents(out) == contents(reference)
    assert_quiet(capsys, out)


def test_one_worker_makes_only_what_is_missing(
    tmp_path: Path, reference: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "store"
    open_or_create(config(out)).write_shard("train", 2, make_shard(config(out), "train", 2))
    written = (out / "train" / "values" / "c" / "2" / "0").stat().st_mtime_ns
    assert generate(config(out, workers=1)) == str(out)
    assert (out / "train" / "values" / "c" / "2" / "0").stat().st_mtime_ns == written
    assert contents(out) == contents(reference)
    assert_quiet(capsys, out)


def test_second_run_does_nothing_and_says_so(reference: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in reference.rglob("*")}
    generate(config(reference))
    assert "is complete: nothing to do" in capsys.readouterr().out
    assert before == {path: path.stat().st_mtime_ns for path in reference.rglob("*")}


def test_interrupted_creation_is_made_anew(tmp_path: Path, reference: Path) -> None:
    out = tmp_path / "store"
    open_or_create(config(out))
    root = out / "zarr.json"
    root.write_text('{"zarr_format": 3, "node_type": "group", "attributes": {"begun": true}}')
    made_here(config(out))
    assert contents(out) == contents(reference)


KILLED = """
from data_gen.generate import GenerateConfig, generate
if __name__ == "__main__":
    generate(GenerateConfig(out={out!r}, tables=512, shard_tables=8, workers=2, flow_share=0.0))
"""


def test_kill_and_resume_leave_no_trace(tmp_path: Path) -> None:
    made = config(tmp_path / "killed", tables=512, shard_tables=8, workers=2, flow_share=0.0)
    script = tmp_path / "run.py"
    script.write_text(KILLED.format(out=made.out))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    run = subprocess.Popen([sys.executable, str(script)], env=environment, stderr=subprocess.DEVNULL)
    marks = tmp_path / "killed" / "train" / "mi" / "c"
    give_up = time.monotonic() + 60
    while len(list(marks.glob("*/0"))) < 5 and run.poll() is None and time.monotonic() < give_up:
        time.sleep(0.005)
    run.send_signal(signal.SIGKILL)
    run.wait()
    missing = Store.open(made.out, require_complete=False).missing()
    assert 0 < len(missing) < 96
    with pytest.raises(IncompleteStore, match="shards missing"):
        Store.open(made.out)
    generate(made)
    made_here(replace(made, out=str(tmp_path / "whole")))
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_other_configuration_is_refused(reference: Path) -> None:
    with pytest.raises(DataGenError, match=r"another configuration: seed: 0 there, 7 here\..*another --out"):
        generate(config(reference, seed=7))
    with pytest.raises(DataGenError, match=r"shard_tables: 16 there, 32 here"):
        generate(config(reference, shard_tables=32))
    with pytest.raises(DataGenError, match=r"prior\.flow_share: 0\.05 there, 0\.5 here"):
        generate(config(reference, flow_share=0.5))


def test_no_place_is_refused() -> None:
    with pytest.raises(DataGenError, match="--out must be a folder or a URI; got ''"):
        generate(GenerateConfig(out=""))


def test_other_size_is_refused_without_extend(reference: Path) -> None:
    with pytest.raises(DataGenError, match=r"tables\.train: 64 there, 80 here.*Add --extend"):
        generate(config(reference, tables=80))
    with pytest.raises(DataGenError, match=r"tables\.train: 64 there, 48 here.*cannot shrink"):
        generate(config(reference, tables=48, extend=True))


def test_extended_store_equals_one_made_at_once(tmp_path: Path) -> None:
    made_here(config(tmp_path / "grown", tables=40))
    made_here(config(tmp_path / "grown", tables=64, extend=True))
    made_here(config(tmp_path / "once", tables=64))
    assert contents(tmp_path / "grown") == contents(tmp_path / "once")


def test_store_without_room_cannot_grow(tmp_path: Path) -> None:
    made_here(config(tmp_path, tables=8, shard_tables=128))
    made = config(tmp_path, tables=128, shard_tables=128, extend=True)
    store = Store.open(str(tmp_path), require_complete=False)
    tight = replace(store.manifest, capacity=CHUNK)
    store.manifest = tight
    store._root.attrs["manifest"] = tight.to_json()
    with pytest.raises(DataGenError, match=f"has room for {CHUNK} values per shard and would need"):
        generate(made)


def test_failed_shards_are_listed_and_others_kept(tmp_path: Path) -> None:
    """Shards of 128 tables do not fit into one chunk; those of the smaller splits do."""
    made = config(tmp_path, tables=128, shard_tables=128, flow_share=0.0)
    planned = plan(made)
    sizes = {"tables": planned.tables, "shard_tables": 128, "capacity": CHUNK}
    assert largest_shard(planned, made.seed) > CHUNK
    Store.create(made.out, Manifest(config=content(made), versions=versions(), families=FAMILIES.names(), **sizes))
    with pytest.raises(DataGenError, match=r"1 of 4 shards .* failed.*train 0: DataGenError: .*has room"):
        generate(made)
    assert Store.open(made.out, require_complete=False).missing() == [("train", 0)]


def flaky(made: GenerateConfig, split: str, index: int) -> int:
    """Fail twice at every shard, as a full disk does that someone then clears."""
    log = Path(f"{made.out}-{split}-{index}")
    log.write_text((log.read_text() if log.exists() else "") + "x")
    if len(log.read_text()) < 3:
        raise OSError("no space left on device")
    return _write(made, split, index)


def test_passing_failures_are_retried(tmp_path: Path, reference: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def here(made: GenerateConfig) -> Iterator[Client]:
        with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None) as client:
            yield client

    monkeypatch.setattr("data_gen.generate._write", flaky)
    monkeypatch.setattr("data_gen.generate.connect", here)
    generate(config(tmp_path / "store"))
    assert contents(tmp_path / "store") == contents(reference)
    assert {log.read_text() for log in tmp_path.glob("store-*")} == {"xxx"}


def test_other_libraries_are_refused(tmp_path: Path) -> None:
    store = open_or_create(config(tmp_path))
    manifest = replace(store.manifest, versions={**store.manifest.versions, "numpy": "1.0"})
    store._root.attrs["manifest"] = manifest.to_json()
    with pytest.raises(DataGenError, match=r"begun with other libraries.*numpy: 1.0 there"):
        generate(config(tmp_path))


def test_memory_is_refused() -> None:
    with pytest.raises(DataGenError, match="memory:// is not shared between processes"):
        generate(config("memory://store"))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"preset": "tyni"}, "unknown preset 'tyni'.*tiny.*small"),
        ({"tables": 0}, "--tables must be 1 or more; got 0"),
        ({"shard_tables": 0}, "--shard-tables must be 1 or more; got 0"),
        ({"seed": -1}, "--seed must be 0 or more; got -1"),
        ({"workers": -1}, "--workers must be 0 .* or more; got -1"),
        ({"flow_share": 7.0}, "--flow-share must be from 0 to 1; got 7.0"),
        ({"flow_share": float("nan")}, "--flow-share must be from 0 to 1; got nan"),
    ],
)
def test_wrong_configurations_are_refused(tmp_path: Path, changes: dict[str, object], match: str) -> None:
    with pytest.raises(DataGenError, match=match):
        generate(config(tmp_path / "store", **changes))
    assert not (tmp_path / "store").exists()


def test_shards_are_pure_and_streams_are_not_shared(tmp_path: Path) -> None:
    made = config(tmp_path)
    shards = {shard: make_shard(made, *shard) for shard in [("train", 0), ("train", 1), ("test", 0)]}
    again = make_shard(replace(made, workers=5, out="elsewhere"), "train", 1)
    for table, other in zip(shards["train", 1], again, strict=True):
        np.testing.assert_array_equal(table.x, other.x)
    table, spec = make_table(made, "train", 1, 3)
    np.testing.assert_array_equal(table.y, again[3].y)
    assert spec.family == again[3].family
    seen = {table.x.tobytes() for tables in shards.values() for table in tables}
    assert len(seen) == sum(map(len, shards.values()))


def test_neighbours_share_a_shape(tmp_path: Path) -> None:
    tables = make_shard(config(tmp_path), "train", 0)
    size = plan(config(tmp_path)).prior.tables_per_shape
    for first in range(0, 16, size):
        assert len({(t.x.shape, t.y.shape) for t in tables[first : first + size]}) == 1


def test_smaller_stores_shrink_every_split() -> None:
    assert plan(config("a", tables=64)).tables == {"train": 64, "validation": 8, "calibration": 16, "test": 8}
    whole = plan(config("a", tables=None))
    assert plan(config("a", tables=10 * whole.tables["train"])).tables["test"] == whole.tables["test"]


def test_presets_without_a_training_split() -> None:
    name = next(name for name, preset in PRESETS.items() if "train" not in preset.tables)
    largest = max(PRESETS[name].tables.values())
    tables = plan(config("a", preset=name, tables=16)).tables
    assert max(tables.values()) == 16
    assert all(tables[split] >= 16 * number // largest for split, number in PRESETS[name].tables.items())
    with pytest.raises(DataGenError, match="plans no shard train 0"):
        make_shard(config("a", preset=name), "train", 0)


def test_capacity_is_a_power_of_two_of_chunks_with_headroom() -> None:
    for largest in (1, CHUNK, 10 * CHUNK + 1):
        room = capacity(largest)
        assert room >= 4 * largest
        assert room % CHUNK == 0
        assert (room // CHUNK).bit_count() == 1


def test_configuration_comes_back_from_the_store(reference: Path) -> None:
    store = Store.open(str(reference))
    assert content(config_of(store)) == store.config
    changed = replace(store.manifest, config={**store.config, "prior": {**store.config["prior"], "n": [1, 2]}})
    store.manifest = changed
    with pytest.raises(DataGenError, match=r"preset 'tiny' has changed .*prior\.n: \[1, 2\] there"):
        config_of(store)
