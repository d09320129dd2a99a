"""Validation: every planted fault is found, named and, where that is possible, mended."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from data_gen.errors import DataGenError
from data_gen.generate import GenerateConfig, make_shard, open_or_create
from data_gen.store import Store, Table
from data_gen.validate import ValidateConfig, validate


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound") / "store"
    made = GenerateConfig(out=str(folder), tables=64, shard_tables=16)
    store = open_or_create(made)
    for shard in store.missing():
        store.write_shard(*shard, make_shard(made, *shard))
    store.finish()
    return folder


@pytest.fixture
def copy(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "store"))


def found(folder: Path, match: str, **options: object) -> None:
    with pytest.raises(DataGenError, match=match):
        validate(ValidateConfig(str(folder), **options))  # type: ignore[arg-type]


def test_sound_store_gets_a_card_and_stays_as_it_is(
    copy: Path, sound: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = Path(validate(ValidateConfig(str(copy), truths=10)))
    assert card == copy.with_name("store-card")
    assert contents(copy) == contents(sound)
    values = json.loads((card / "card.json").read_text())
    assert values["sound"] is True
    assert values["problems"] == []
    assert values["splits"] == {"train": 64, "validation": 8, "calibration": 16, "test": 8}
    assert values["checks"]["tables made again from their specs"] == 10
    assert values["all"]["tables"] == sum(summary["tables"] for summary in values["families"].values()) == 96
    assert all(sum(s["mi_histogram"]) == s["tables"] for s in values["families"].values())
    text = (card / "card.md").read_text()
    assert all(family in text for family in values["families"])
    assert (card / "card.png").read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().out.splitlines()[-1] == str(card)


def test_card_is_the_same_at_every_run(copy: Path, tmp_path: Path) -> None:
    cards = [validate(ValidateConfig(str(copy), truths=4, out=f"{tmp_path}/{name}")) for name in "ab"]
    assert contents(Path(cards[0])) == contents(Path(cards[1]))


def test_every_damage_is_named_and_repair_mends_exactly_it(
    copy: Path, sound: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / "train/values/c/0/0").write_bytes(b"")
    content = (copy / "train/values/c/1/0").read_bytes()
    (copy / "train/values/c/1/0").write_bytes(content[:1000] + bytes([content[1000] ^ 1]) + content[1001:])
    (copy / "train/index/c/2/0/0").unlink()
    (copy / "validation/mi/c/0/0").write_bytes(b"")
    (copy / "test/family/c/0/0").write_bytes((copy / "test/family/c/0/0").read_bytes()[:5])
    (copy / "test/catalog/c/0/0").unlink()
    untouched = (copy / "train/values/c/3/0").stat().st_mtime_ns
    found(copy, r"5 problems.*train 0 .*train 1 .*train 2 .*validation 0 .*test 0 .*--repair` makes", truths=0)
    card = json.loads((copy.with_name("store-card") / "card.json").read_text())
    assert card["sound"] is False
    assert len(card["problems"]) == 5
    validate(ValidateConfig(str(copy), repair=True, truths=8, workers=1))
    assert "making again: train 0, train 1, train 2, validation 0, test 0" in capsys.readouterr().out
    assert contents(copy) == contents(sound)
    assert (copy / "train/values/c/3/0").stat().st_mtime_ns == untouched


def test_damaged_catalog_is_found_and_mended(copy: Path, sound: Path) -> None:
    (copy / "train/catalog/c/0/0").write_bytes(b"")
    found(copy, "catalog of train .* is damaged", truths=0)
    validate(ValidateConfig(str(copy), repair=True, truths=1))
    assert contents(copy) == contents(sound)


def test_unfinished_store_is_found_and_finished(copy: Path, sound: Path) -> None:
    root = copy / "zarr.json"
    root.write_text(root.read_text().replace('"complete": true', '"complete": false'))
    found(copy, "was never finished")
    validate(ValidateConfig(str(copy), repair=True, truths=1))
    assert contents(copy) == contents(sound)


def changed(table: Table, **changes: object) -> Table:
    fields = {name: getattr(table, name) for name in ("x", "y", "mi_nats", "stderr", "family")}
    return Table(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda table: changed(table, mi_nats=table.mi_nats + 0.01), "has a true MI of .* nats; its spec gives"),
        (lambda table: changed(table, x=table.x + np.float32(0.1)), "has another x than its spec gives"),
        (lambda table: changed(table, y=table.y[::-1].copy()), "has another y than its spec gives"),
        (lambda table: changed(table, family="independence"), "is of family independence; its spec is of"),
    ],
)
def test_tables_that_are_not_their_specs_are_found(copy: Path, change: object, match: str) -> None:
    store = Store.open(str(copy))
    tables = store.read_shard("test", 0)
    row = next(row for row, table in enumerate(tables) if table.family != "independence")
    tables[row] = change(tables[row])  # type: ignore[operator]
    store.write_shard("test", 0, tables)
    store.finish()
    found(copy, f"table {row} of shard test 0 {match}", truths=96)


def test_repeated_tables_are_found(copy: Path) -> None:
    store = Store.open(str(copy))
    tables = store.read_shard("train", 0)
    tables[5] = tables[2]
    store.write_shard("train", 0, tables)
    found(copy, "table 5 of shard train 0 repeats table 2 of shard train 0", truths=0)


def test_catalog_that_differs_from_the_shards_is_found(copy: Path) -> None:
    store = Store.open(str(copy))
    store.write_shard("train", 0, store.read_shard("train", 0)[::-1])
    found(copy, "catalog of train differs from its shards", truths=0)


def test_store_without_a_readable_shard(tmp_path: Path) -> None:
    made = GenerateConfig(out=str(tmp_path / "store"), tables=8)
    open_or_create(made)
    found(tmp_path / "store", "has no readable shard: .*train 0")


def test_wrong_requests_are_refused(tmp_path: Path) -> None:
    found(tmp_path / "nothing", "there is no store at")
    found(tmp_path, "--truths must be 0 or more; got -1", truths=-1)


def test_card_of_a_remote_store_lies_in_this_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = GenerateConfig(out=f"memory://{tmp_path.name}/remote", tables=8)
    store = open_or_create(made)
    for shard in store.missing():
        store.write_shard(*shard, make_shard(made, *shard))
    store.finish()
    monkeypatch.chdir(tmp_path)
    assert validate(ValidateConfig(made.out, truths=2)) == "remote-card"
    assert (tmp_path / "remote-card" / "card.md").exists()
