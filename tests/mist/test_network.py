import numpy as np
import pytest
import torch

from mist import forward
from mist.batch import Batch
from mist.forward import Forward
from mist.network import Network, NetworkConfig
from mist.prepare import tabulate
from mist.quantiles import LEVELS
from mist.statistics import GROUPS


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(5)
    sizes = [(20, 1, 1), (40, 3, 2), (90, 2, 6), (20, 1, 1), (30, 16, 16)]
    return tabulate([(rng.normal(size=(n, d_x)), rng.normal(size=(n, d_y))) for n, d_x, d_y in sizes])


@pytest.fixture(params=[True, False], ids=["rows", "statistics only"])
def network(request):
    torch.manual_seed(0)
    network = Network(NetworkConfig(width=32, depth=2, heads=2, row_width=16, row_queries=2, rows=request.param))
    for weight in network.parameters():  # far from the gentle start, where crossing would be easy
        weight.data += 0.5 * torch.randn_like(weight) if weight.requires_grad else 0.0
    return network.eval().requires_grad_(False)


def test_quantiles_never_cross_and_are_never_negative(network, batch):
    quantiles = network(batch)
    assert quantiles.shape == (len(batch), len(LEVELS))
    assert (quantiles.diff(dim=1) >= 0).all()
    assert (quantiles >= 0).all()


def test_padding_changes_nothing(network, batch):
    together = network(batch)
    for index in range(len(batch)):
        alone = network(batch.take(torch.tensor([index])))
        torch.testing.assert_close(alone[0], together[index], atol=1e-5, rtol=1e-5)


def test_order_of_tokens_changes_nothing(network, batch):
    index = torch.tensor([4])
    one = batch.take(index)
    tokens = {name: group[:, torch.randperm(group.shape[1])] for name, group in one.tokens.items()}
    two = Batch(tokens, one.masks, one.anchors, one.n, one.d_x, one.d_y)
    torch.testing.assert_close(network(one), network(two), atol=1e-5, rtol=1e-5)


@pytest.mark.skipif(not forward.COMPILED, reason="built without a compiler")
@pytest.mark.parametrize("threads", [1, 2])
def test_compiled_answers_are_those_of_torch(network, batch, threads, monkeypatch):
    monkeypatch.setattr(forward, "SHARED", 2)
    wanted, state = network(batch), {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        torch.testing.assert_close(Forward(network)(batch, threads), wanted, atol=1e-5, rtol=1e-5)
    for name, value in network.state_dict().items():  # what a checkpoint holds
        assert torch.equal(value, state[name])


@pytest.mark.skipif(not forward.COMPILED, reason="built without a compiler")
def test_compiled_answers_do_not_depend_on_who_is_beside(network, batch):
    answers = Forward(network)
    together = answers(batch)
    for index in range(len(batch)):
        assert torch.equal(answers(batch.take(torch.tensor([index])))[0], together[index])


def test_a_network_that_does_not_fit_the_extension_is_answered_by_torch(batch):
    torch.manual_seed(1)
    network = Network(NetworkConfig(width=24, depth=1, heads=2, rows=False)).eval().requires_grad_(False)
    torch.testing.assert_close(Forward(network)(batch), network(batch))


@pytest.mark.skipif(not forward.COMPILED, reason="built without a compiler")
def test_compiled_answers_refuse_what_does_not_fit(network, batch):
    answers = Forward(network)
    weights, sizes, features = answers._packed
    tokens, masks = (tuple(part[name].numpy() for name in GROUPS) for part in (batch.tokens, batch.masks))
    given = {
        "weights": weights,
        "sizes": sizes,
        "features": features,
        "tokens": tokens,
        "masks": masks,
        "anchors": batch.anchors.numpy(),
        "tables": len(batch),
        "out": np.zeros((len(batch), len(LEVELS)), np.float32),
    }
    forward._forward.forward(*given.values())
    for changed in (
        {"weights": weights[:-1]},
        {"features": features + 1},
        {"tokens": tokens[1:]},
        {"anchors": given["anchors"][1:]},
        {"tables": 0},
        {"out": given["out"][:, 1:].copy()},
    ):
        with pytest.raises(ValueError, match="got"):
            forward._forward.forward(*(given | changed).values())


def test_an_untrained_network_answers_near_its_anchors(batch):
    torch.manual_seed(0)
    network = Network(NetworkConfig())
    network.fit_scaling(batch)
    median = network(batch)[:, LEVELS.index(0.5)]
    torch.testing.assert_close(median, batch.anchors.mean(1), atol=0.02, rtol=0.05)


def test_scaling_leaves_alone_what_no_table_has():
    rng = np.random.default_rng(6)
    network = Network(NetworkConfig())
    network.fit_scaling(
        tabulate([(rng.normal(size=(200, 2)), rng.normal(size=(200, 2)))] * 3)
    )  # rows that match columns
    assert (network.means["matching"] == 0).all()
    assert (network.scales["matching"] == 1).all()


def test_scaling_centres_what_is_there_and_ignores_padding(batch):
    network = Network(NetworkConfig())
    network.fit_scaling(batch)
    present = batch.tokens["spectrum"][batch.masks["spectrum"]]
    torch.testing.assert_close(network.means["spectrum"].data, present.mean(0))


def test_a_batch_survives_its_flat_state(batch):
    again = Batch.from_state(batch.state())
    assert again.tokens.keys() == batch.tokens.keys()
    assert torch.equal(again.tokens["pairs"], batch.tokens["pairs"])
    assert torch.equal(again.masks["rows"], batch.masks["rows"])
