"""Damage on disk, met on the way to a batch: every kind is told with the shard's name, none becomes a number."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from data_gen.errors import DataGenError, IncompleteStore
from data_gen.generate import GenerateConfig, make_shard, open_or_create
from training.tokens import TokenCache, _make


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound") / "store"
    made = GenerateConfig(out=str(folder), tables=8, shard_tables=8, flow_share=0.0)
    store = open_or_create(made)
    for shard in store.missing():
        store.write_shard(*shard, make_shard(made, *shard))
    store.finish()
    return folder


@pytest.fixture
def copy(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "store"))


def cache_of(store: Path) -> TokenCache:
    cache = TokenCache(str(store), "train", store.with_name("tokens"))
    cache.folder.mkdir(exist_ok=True)
    return cache


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "zero bytes": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "one bit": flip,
}
FILES = {"values": "0/0", "index": "0/0/0", "stderr": "0/0", "family": "0/0", "mi": "0/0"}


@pytest.mark.parametrize("array", FILES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_shard_is_named_and_leaves_no_tokens(copy: Path, damage: str, array: str) -> None:
    cache, whole = cache_of(copy), (copy / "train" / array / "c" / FILES[array]).read_bytes()
    DAMAGES[damage](copy / "train" / array / "c" / FILES[array])
    with pytest.raises(IncompleteStore, match=r"shard train 0 of .* is (missing|damaged).*mist validate .* --repair"):
        _make(cache, 0, "mark")
    assert not list(cache.folder.iterdir())
    (copy / "train" / array / "c" / FILES[array]).write_bytes(whole)
    _make(cache, 0, "mark")
    assert len(cache.read(0)) == 8


def test_damage_comes_through_the_processes_that_make_tokens(copy: Path) -> None:
    flip(copy / "train" / "values" / "c" / "0" / "0")
    with pytest.raises(IncompleteStore, match=r"shard train 0 of .* is damaged"):
        cache_of(copy).fill(workers=1, quiet=True)


@pytest.mark.parametrize(
    ("damage", "match"), [("missing", "lost its zarr.json.*--repair"), ("truncated", "metadata of")]
)
def test_damaged_root_is_refused(copy: Path, damage: str, match: str) -> None:
    DAMAGES[damage](copy / "zarr.json")
    with pytest.raises(DataGenError, match=match):
        cache_of(copy).fill(quiet=True)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_tokens_are_made_anew(copy: Path, damage: str) -> None:
    cache = cache_of(copy)
    _make(cache, 0, "mark")
    assert cache._is_there(0, "mark")
    before = {name: part.clone() for name, part in cache.read(0).batch.state().items()}  # a map of the file would break
    DAMAGES[damage](cache.path(0))
    assert not cache._is_there(0, "mark")
    _make(cache, 0, "mark")
    after = cache.read(0).batch.state()
    assert all(torch.equal(part, after[name]) for name, part in before.items())
