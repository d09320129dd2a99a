"""The store: its layout, its commit mark, and every way in which a shard can be broken."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from data_gen.errors import DataGenError, IncompleteStore
from data_gen.manifest import CHUNK, Manifest
from data_gen.store import Store, Table

FAMILIES = ("gaussian", "student")
TABLES = {"train": 7, "test": 2}  # shards of 3: two whole ones and one of a single table


def manifest(**changes: object) -> Manifest:
    values: dict[str, object] = {
        "config": {"seed": 0},
        "versions": {"numpy": "2"},
        "tables": TABLES,
        "shard_tables": 3,
        "capacity": 2 * CHUNK,
        "families": FAMILIES,
    }
    return Manifest(**{**values, **changes})  # type: ignore[arg-type]


def some_tables(number: int, seed: int = 0) -> list[Table]:
    rng = np.random.default_rng(seed)
    tables = []
    for place in range(number):
        n, d_x, d_y = rng.integers([9, 1, 1], [40, 5, 5])
        x, y = (rng.standard_normal((n, d)).astype(np.float32) for d in (d_x, d_y))
        tables.append(Table(x, y, rng.uniform(0, 3), 0.01 * place, FAMILIES[place % 2]))
    return tables


def filled(uri: str, finish: bool = True) -> Store:
    store = Store.create(uri, manifest())
    for number, (split, index) in enumerate(store.manifest.shards):
        store.write_shard(split, index, some_tables(store.n_tables(split, index), seed=number))
    if finish:
        store.finish()
    return store


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    filled(str(folder))
    return folder


@pytest.fixture
def copy(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "copy"))


def assert_equal(tables: list[Table], others: list[Table]) -> None:
    assert len(tables) == len(others)
    for table, other in zip(tables, others, strict=True):
        np.testing.assert_array_equal(table.x, other.x)
        np.testing.assert_array_equal(table.y, other.y)
        assert (table.mi_nats, table.stderr, table.family) == (other.mi_nats, other.stderr, other.family)


@pytest.fixture(params=["path", "file", "memory"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    places = {"path": f"{tmp_path}/a/store", "file": f"file://{tmp_path}/b", "memory": f"memory://{tmp_path.name}/c"}
    return places[request.param]


def test_round_trip(uri: str) -> None:
    filled(uri)
    store = Store.open(uri)
    assert store.complete
    assert store.splits == {"train": 3, "test": 1}
    assert [store.n_tables("train"), store.n_tables("train", 2), store.n_tables("test", 0)] == [7, 1, 2]
    assert store.config == {"seed": 0}
    for number, (split, index) in enumerate(store.manifest.shards):
        tables = store.read_shard(split, index)
        assert_equal(tables, some_tables(store.n_tables(split, index), seed=number))
        assert all(side.dtype == np.float32 and side.flags.c_contiguous for t in tables for side in (t.x, t.y))


def test_a_store_that_does_not_answer_is_one_clear_error() -> None:
    with pytest.raises(DataGenError, match=r"got nowhere://store, which does not answer .*; check the address"):
        Store.open("nowhere://store")


def test_catalog_lists_every_table_in_order(uri: str) -> None:
    filled(uri)
    store = Store.open(uri)
    tables = [table for index in range(3) for table in store.read_shard("train", index)]
    catalog = store.catalog("train")
    np.testing.assert_array_equal(catalog.n, [len(table.x) for table in tables])
    np.testing.assert_array_equal(catalog.d_x, [table.x.shape[1] for table in tables])
    np.testing.assert_array_equal(catalog.d_y, [table.y.shape[1] for table in tables])
    np.testing.assert_array_equal(catalog.mi_nats, [table.mi_nats for table in tables])
    assert catalog.family.tolist() == [table.family for table in tables]


def test_layout_on_disk(sound: Path) -> None:
    described = {name: json.loads((sound / "train" / name / "zarr.json").read_text()) for name in ("values", "mi")}
    assert described["values"]["shape"] == [3, 2 * CHUNK]
    assert described["values"]["data_type"] == "float32"
    assert described["mi"]["data_type"] == "float64"
    sharding = described["values"]["codecs"][0]["configuration"]
    assert sharding["chunk_shape"] == [1, CHUNK]
    blosc, crc = sharding["codecs"][1:]
    assert (blosc["configuration"]["cname"], blosc["configuration"]["shuffle"]) == ("lz4", "bitshuffle")
    assert crc["name"] == "crc32c"
    root = json.loads((sound / "zarr.json").read_text())
    assert root["attributes"]["complete"] is True
    assert root["consolidated_metadata"]["metadata"]["train/catalog"]["shape"] == [7, 5]


def test_mi_is_written_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that dies after any of the arrays but the last leaves a shard that counts as missing."""
    store = filled(str(tmp_path), finish=False)
    written: list[str] = []
    reach = store._array

    def watch(split: str, name: str) -> object:
        written.append(name)
        return reach(split, name)

    monkeypatch.setattr(store, "_array", watch)
    store.write_shard("train", 0, some_tables(3))
    assert written[0] == "mi"  # erased first
    assert written[-1] == "mi"
    (tmp_path / "train" / "mi" / "c" / "0" / "0").unlink()
    assert store.missing() == [("train", 0)]
    with pytest.raises(IncompleteStore, match=r"shard train 0 of .* is missing or only half written.*--repair"):
        store.read_shard("train", 0)


def test_incomplete_store_is_refused(tmp_path: Path) -> None:
    store = Store.create(str(tmp_path), manifest())
    store.write_shard("train", 1, some_tables(3))
    with pytest.raises(IncompleteStore, match=r"shards missing: train 0, train 2, test 0.*mist validate .* --repair"):
        Store.open(str(tmp_path))
    with pytest.raises(IncompleteStore, match=r"3 shards of .* are missing"):
        store.finish()
    assert Store.open(str(tmp_path), require_complete=False).is_written("train", 1)


def flip(byte: int) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[byte] ^= 1
        path.write_bytes(content)

    return damage


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGES = {
    "missing": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "cut in half": halve,
    "cut to three bytes": lambda path: path.write_bytes(path.read_bytes()[:3]),
    "first bit": flip(0),
    "tenth byte": flip(10),
    "last bit": flip(-1),
    "other bytes": lambda path: path.write_bytes(b"\xff" * path.stat().st_size),
}
FILES = {"values": "0/0", "index": "0/0/0", "stderr": "0/0", "family": "0/0", "mi": "0/0"}


@pytest.mark.parametrize("array", FILES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_caught_named_and_mended_by_writing_again(copy: Path, damage: str, array: str) -> None:
    path = copy / "train" / array / "c" / FILES[array]
    sound = path.read_bytes()
    DAMAGES[damage](path)
    store = Store.open(str(copy))
    with pytest.raises(IncompleteStore, match=r"shard train 0 of .*Run `mist validate .* --repair`"):
        store.read_shard("train", 0)
    store.read_shard("train", 1)
    store.write_shard("train", 0, some_tables(3, seed=0))
    assert path.read_bytes() == sound


def test_damaged_catalog_is_refused(copy: Path) -> None:
    (copy / "train" / "catalog" / "c" / "0" / "0").write_bytes(b"")
    with pytest.raises(IncompleteStore, match=r"catalog of train .* is damaged"):
        Store.open(str(copy)).catalog("train")


def test_damaged_metadata_are_refused(copy: Path) -> None:
    (copy / "zarr.json").write_text("{")
    with pytest.raises(DataGenError, match=r"metadata of .* are damaged"):
        Store.open(str(copy))


def test_other_layout_is_refused(copy: Path) -> None:
    path = copy / "zarr.json"
    path.write_text(path.read_text().replace('"layout": 1', '"layout": 99'))
    with pytest.raises(DataGenError, match="layout 99, wanted 1; generate it anew"):
        Store.open(str(copy))


def test_no_store_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataGenError, match=r"there is no store at .*; `mist generate --out .*` makes one"):
        Store.open(f"{tmp_path}/nothing")


def test_create_refuses_to_overwrite(uri: str) -> None:
    filled(uri)
    with pytest.raises(DataGenError, match=r"there is a store at .* already"):
        Store.create(uri, manifest())


def test_places_of_others_are_left_alone(tmp_path: Path) -> None:
    assert not Store.exists(f"{tmp_path}/new")
    assert not (tmp_path / "new").exists()
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DataGenError, match=r"holds something that is no store of ours \(notes.txt\); give an empty"):
        Store.create(str(tmp_path), manifest())
    (tmp_path / "notes.txt").unlink()
    (tmp_path / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group", "attributes": {"mine": 1}}')
    with pytest.raises(DataGenError, match=r"no store of ours \(zarr.json\)"):
        Store.create(str(tmp_path), manifest())


@pytest.mark.parametrize("capacity", [0, CHUNK + 1, 2**31])
def test_capacity_must_be_whole_chunks(capacity: int) -> None:
    with pytest.raises(DataGenError, match=f"multiple of {CHUNK} below 2\\*\\*31 values; got {capacity}"):
        manifest(capacity=capacity)


def test_shard_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataGenError, match="shard train 2 has 1 tables; got 3"):
        Store.create(str(tmp_path), manifest()).write_shard("train", 2, some_tables(3))


def test_shard_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    store = Store.create(str(tmp_path), manifest(capacity=CHUNK))
    table = Table(np.zeros((CHUNK, 1), np.float32), np.zeros((CHUNK, 1), np.float32), 0.0, 0.0, "gaussian")
    with pytest.raises(DataGenError, match=f"has room for {CHUNK} values; got {2 * CHUNK}"):
        store.write_shard("train", 2, [table])


@pytest.mark.parametrize(("x", "mi_nats"), [(np.nan, 0.0), (np.inf, 0.0), (0.0, np.nan), (0.0, -0.1)])
def test_values_that_are_no_values_are_refused(tmp_path: Path, x: float, mi_nats: float) -> None:
    table = Table(np.full((9, 1), x, np.float32), np.zeros((9, 1), np.float32), mi_nats, 0.0, "gaussian")
    store = Store.create(str(tmp_path), manifest())
    with pytest.raises(DataGenError, match=r"shard train 2 cannot be stored: (values|truths)"):
        store.write_shard("train", 2, [table])


@pytest.mark.parametrize(("split", "index", "match"), [("tset", 0, "no split 'tset'"), ("train", 3, "shards 0 to 2")])
def test_unknown_shards_are_refused(sound: Path, split: str, index: int, match: str) -> None:
    with pytest.raises(DataGenError, match=match):
        Store.open(str(sound)).read_shard(split, index)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_order_of_writing_leaves_no_trace(sound: Path, tmp_path: Path) -> None:
    store = Store.create(str(tmp_path), manifest())
    shards = list(enumerate(store.manifest.shards))
    for number, (split, index) in [*shards[::-1], shards[0]]:
        store.write_shard(split, index, some_tables(store.n_tables(split, index), seed=number))
    (tmp_path / "train" / "mi" / "c" / "0" / "0.0123.partial").write_bytes(b"left by a writer that was killed")
    store.finish()
    assert contents(tmp_path) == contents(sound)


def test_growing_keeps_whole_shards(copy: Path) -> None:
    store = Store.open(str(copy), require_complete=False)
    before = contents(copy)
    store.grow({"seed": 0, "more": True}, {"train": 10, "test": 2})
    assert store.missing() == [("train", 2), ("train", 3)]  # the shard of one table is now to have three
    with pytest.raises(IncompleteStore, match="train 2, train 3"):
        Store.open(str(copy))
    store.write_shard("train", 2, some_tables(3, seed=2))
    store.write_shard("train", 3, some_tables(1, seed=9))
    store.finish()
    grown = Store.open(str(copy))
    assert grown.n_tables("train") == 10
    assert len(grown.catalog("train").n) == 10
    changed = {name for name, content in before.items() if contents(copy)[name] != content}
    assert not [name for name in changed if "/c/" in name and "/c/2" not in name and "catalog" not in name]
