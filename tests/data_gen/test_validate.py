"""Validation: every planted fault is found, named and, where that is possible, mended."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from data_gen.benchmark import Case, Run, report
from data_gen.errors import DataGenError
from data_gen.families.base import Truth
from data_gen.generate import GenerateConfig, make_shard, open_or_create
from data_gen.plan import config_of
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
    histograms = ("mi_histogram", "n_histogram", "d_x_histogram", "d_y_histogram")
    assert all(sum(s[name]) == s["tables"] for s in values["families"].values() for name in histograms)
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


@pytest.mark.parametrize(
    ("document", "damage"),
    [
        ("train/values/zarr.json", "missing"),
        ("train/zarr.json", "empty"),
        ("test/mi/zarr.json", "cut in half"),
        ("train/catalog/zarr.json", "altered"),
        ("test/index/zarr.json", "altered"),
    ],
)
def test_damaged_metadata_are_found_and_mended(copy: Path, sound: Path, document: str, damage: str) -> None:
    path = copy / document
    text = path.read_text()
    if damage == "missing":
        path.unlink()
    else:
        altered = text.replace('"zarr_format": 3', '"zarr_format": 2')
        path.write_text({"empty": "", "cut in half": text[: len(text) // 2], "altered": altered}[damage])
    found(copy, f"metadata {document} of .* are missing, damaged or not the manifest's.*--repair", truths=0)
    validate(ValidateConfig(str(copy), repair=True, truths=0, workers=1))
    assert contents(copy) == contents(sound)


@pytest.mark.parametrize("damage", ["missing", "empty", "cut in half", "no attributes"])
def test_a_damaged_root_is_found_and_mended(copy: Path, sound: Path, damage: str) -> None:
    root = copy / "zarr.json"
    text = root.read_text()
    if damage == "missing":
        root.unlink()
    else:
        bare = json.dumps({"zarr_format": 3, "node_type": "group", "attributes": {}})
        root.write_text({"empty": "", "cut in half": text[: len(text) // 2], "no attributes": bare}[damage])
    found(copy, "mist validate .* --repair", truths=0)
    with pytest.raises(DataGenError, match="--repair"):
        Store.open(str(copy))
    validate(ValidateConfig(str(copy), repair=True, truths=0, workers=1))
    assert contents(copy) == contents(sound)


def test_a_damaged_copy_of_the_manifest_is_found_and_mended(copy: Path, sound: Path) -> None:
    (copy / "manifest.json").write_text("{")
    found(copy, "manifest.json of .*, a copy of the manifest, is missing or damaged", truths=0)
    validate(ValidateConfig(str(copy), repair=True, truths=0, workers=1))
    assert contents(copy) == contents(sound)


def test_root_and_manifest_that_differ_or_are_both_gone(copy: Path) -> None:
    kept = copy / "manifest.json"
    kept.write_text(kept.read_text().replace('"seed": 0', '"seed": 1'))
    found(copy, r"manifest.json of .* and the manifest in its root differ", truths=0)
    kept.unlink()
    (copy / "zarr.json").write_text("")
    found(copy, "both damaged or missing; remove the store and generate it again", truths=0, repair=True)


def test_copy_of_metadata_in_the_root_is_checked_too(copy: Path, sound: Path) -> None:
    root = copy / "zarr.json"
    values = json.loads(root.read_text())
    values["consolidated_metadata"]["metadata"]["train/mi"]["shape"][0] += 1
    root.write_text(json.dumps(values))
    found(copy, "copy of the metadata train/mi/zarr.json in the root of .* is another", truths=0)
    validate(ValidateConfig(str(copy), repair=True, truths=0, workers=1))
    assert contents(copy) == contents(sound)


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


def test_truths_of_normal_laws_are_found_again_from_rows(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A formula that is wrong wherever it is used passes the comparison with itself, but not that with rows."""
    card = Path(validate(ValidateConfig(str(copy), truths=96)))
    checks = json.loads((card / "card.json").read_text())["checks"]
    assert 10 < checks["truths of normal laws found again from fresh rows"] < 96
    monkeypatch.setattr("data_gen.rederive._ROWS", 40_000)
    store = Store.open(str(copy), require_complete=False)
    wrong = Truth(1.0)
    monkeypatch.setattr("data_gen.families.gaussian.Dense.truth", lambda self: wrong)
    made = config_of(store)
    for shard in store.manifest.shards:
        store.write_shard(*shard, make_shard(made, *shard))
    store.finish()
    found(copy, r"table \d+ of shard \w+ \d has a true MI of 1.0000 nats; fresh rows give .* standard error", truths=96)


def test_card_shows_the_figures_of_a_benchmark(copy: Path, tmp_path: Path) -> None:
    runs = {Case(1, 0.0): [Run(10.0, 9.0)], Case(2, 0.0): [Run(5.0, 10.0)]}
    machine = {"processor": "a processor", "cores": 2, "stolen_share": 0.125, "load_average": [1.0]}
    file = tmp_path / "figures.json"
    file.write_text(json.dumps({"command": "a command", "machine": machine, **report(1200, runs)}))
    card = Path(validate(ValidateConfig(str(copy), truths=0, benchmark=file)))
    assert "| 2 | 0 | 240 | 120 | 2.00 | 1 |" in (card / "card.md").read_text()
    assert json.loads((card / "card.json").read_text())["benchmark"]["command"] == "a command"
    found(copy, "cannot be read .*data_gen.benchmark` makes one", truths=0, benchmark=tmp_path / "nothing.json")
    file.write_text("[]")
    found(copy, "holds no figures of a benchmark", truths=0, benchmark=file)


def test_wrong_requests_are_refused(tmp_path: Path) -> None:
    found(tmp_path / "nothing", "there is no store at")
    found(tmp_path, "--truths must be 0 or more; got -1", truths=-1)
    found(tmp_path, "--workers must be 0 .* or more; got -1", workers=-1)


def test_card_of_a_remote_store_lies_in_this_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = GenerateConfig(out=f"memory://{tmp_path.name}/remote", tables=8)
    store = open_or_create(made)
    for shard in store.missing():
        store.write_shard(*shard, make_shard(made, *shard))
    store.finish()
    monkeypatch.chdir(tmp_path)
    assert validate(ValidateConfig(made.out, truths=2)) == "remote-card"
    assert (tmp_path / "remote-card" / "card.md").exists()
