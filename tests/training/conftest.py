"""A small whole meta-dataset that any test may read."""

import pytest

from data_gen.generate import make_shard
from data_gen.manifest import Manifest
from data_gen.plan import GenerateConfig, capacity, content, largest_shard, plan, versions
from data_gen.registry import FAMILIES
from data_gen.store import Store


def write_store(config: GenerateConfig) -> Store:
    """Generate a store in this very process."""
    planned = plan(config)
    manifest = Manifest(
        config=content(config),
        versions=versions(),
        tables=planned.tables,
        shard_tables=planned.shard_tables,
        capacity=capacity(largest_shard(planned, config.seed)),
        families=FAMILIES.names(),
    )
    store = Store.create(config.out, manifest)
    for split, index in store.manifest.shards:
        store.write_shard(split, index, make_shard(config, split, index))
    store.finish()
    return store


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> str:
    """A store of 800 training, 100 validation, 200 calibration and 100 test tables."""
    out = tmp_path_factory.mktemp("data") / "tiny"
    write_store(GenerateConfig(out=str(out), preset="tiny", tables=800, shard_tables=160, flow_share=0.0))
    return str(out)


@pytest.fixture(scope="session")
def other_data(tmp_path_factory) -> str:
    """A store of another seed with 200 training tables."""
    out = tmp_path_factory.mktemp("data") / "other"
    config = GenerateConfig(out=str(out), preset="tiny", seed=1, tables=200, shard_tables=200, flow_share=0.0)
    write_store(config)
    return str(out)


@pytest.fixture(scope="session")
def test_data(tmp_path_factory) -> str:
    """A store with a test split alone."""
    out = tmp_path_factory.mktemp("data") / "blind"
    write_store(GenerateConfig(out=str(out), preset="wide-blind", tables=8, shard_tables=8, flow_share=0.0))
    return str(out)


@pytest.fixture(scope="session")
def tokens(tmp_path_factory) -> str:
    """A token cache shared by all tests."""
    return str(tmp_path_factory.mktemp("tokens"))
