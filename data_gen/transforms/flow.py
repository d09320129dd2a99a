"""Random normalizing flows: the only file that imports nflows (and torch with it), and only when a flow is used."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Self

import numpy as np

from data_gen.errors import DataGenError
from data_gen.families.base import Tails
from data_gen.registry import TRANSFORMS
from data_gen.rng import draw_seed
from data_gen.transforms.base import BOUNDED, Transform

_KINDS = ("affine", "spline", "autoregressive")
_TAIL_BOUND = 4.0  # splines bend within +-4 and are the identity beyond: 4 standard deviations of a unit normal
_WIDTH = 16  # hidden units of each conditioner: enough for visible bends, 2 ms for a table of 215 x 16


@TRANSFORMS.register("flow")
@dataclass(frozen=True)
class Flow(Transform):
    """An untrained normalizing flow with random weights, in float64 on one thread.

    Attributes:
        kind: Layers: affine or spline couplings, or affine autoregressive; a single column has splines always.
        layers: Number of layers; an orthogonal map stands before each.
        gain: Factor of the conditioners' last weights; 0 leaves only the rotations.
        seed: Seed of the weights.
    """

    accepts = BOUNDED
    leaves: ClassVar[Tails] = "heavy"
    kind: str
    layers: int
    gain: float
    seed: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind not in _KINDS or self.layers < 1:
            raise DataGenError(f"flow needs layers >= 1 and a kind of {', '.join(_KINDS)}; got {self}")

    @classmethod
    def draw(cls, rng: np.random.Generator, d: int) -> Self:
        """Draw the kind, 2 to 4 layers and the gain."""
        kind = _KINDS[int(rng.integers(len(_KINDS)))]
        return cls(d, kind, int(rng.integers(2, 5)), float(rng.uniform(0.5, 1.5)), draw_seed(rng))

    def apply(self, rng: np.random.Generator, v: np.ndarray) -> np.ndarray:
        """Push the rows through the flow."""
        return self._run(v, inverse=False)

    def invert(self, v: np.ndarray) -> np.ndarray:
        """Pull rows back through the flow."""
        return self._run(v, inverse=True)

    def _run(self, v: np.ndarray, inverse: bool) -> np.ndarray:
        import torch

        with _one_thread(), torch.no_grad():
            flow = _build(self)
            rows = torch.from_numpy(np.array(v, dtype=np.float64))
            out = (flow.inverse(rows) if inverse else flow(rows))[0]  # (n, d)
        return out.numpy()


def trainable(flow: Flow) -> Any:
    """Make a flow's layers afresh, to be fitted to data.

    Returns:
        A torch module in float64: rows (n, d) -> (rows (n, d), log of the absolute Jacobian determinant (n,)). A `gain`
        near 0 makes all but its rotations nearly the identity, which is where fitting should begin.
    """
    return _build.__wrapped__(flow)  # not the kept one, whose weights must stay


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch to one thread, for its bits depend on the number of threads."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@lru_cache(maxsize=4)
def _build(flow: Flow) -> Any:
    """Build the layers; the global generator of torch, which their initialisation uses, is put back afterwards."""
    import torch
    from nflows import transforms

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(flow.seed)
        parts: list[Any] = []
        for layer in range(flow.layers):
            if flow.d_in > 1:
                parts.append(_rotation(flow.d_in))
            parts.append(_layer(flow, layer))
        composite = transforms.CompositeTransform(parts).double().eval()
    return composite


def _rotation(d: int) -> Any:
    import torch
    from nflows import transforms

    rotation = transforms.HouseholderSequence(features=d, num_transforms=min(d, 4))
    with torch.no_grad():
        rotation.q_vectors.copy_(torch.randn_like(rotation.q_vectors))
    return rotation


def _layer(flow: Flow, layer: int) -> Any:
    import torch
    from nflows import transforms
    from nflows.nn import nets

    def conditioner(d_in: int, d_out: int) -> Any:
        net = nets.ResidualNet(d_in, d_out, hidden_features=_WIDTH, num_blocks=1, activation=torch.tanh)
        return _louder(net, net.final_layer, 4.0 * flow.gain)

    d = flow.d_in
    if d == 1:
        spline = transforms.PiecewiseRationalQuadraticCDF([1], num_bins=8, tails="linear", tail_bound=_TAIL_BOUND)
        for values in spline.parameters():
            values.data.copy_(0.5 * flow.gain * torch.randn_like(values))  # 1 made slopes whose values tie in float32
        return spline
    if flow.kind == "autoregressive":
        made = transforms.MaskedAffineAutoregressiveTransform(d, hidden_features=max(_WIDTH, d), num_blocks=1)
        _louder(made, made.autoregressive_net.final_layer, 2.0 * flow.gain)
        return made
    mask = torch.arange(d) % 2 == layer % 2
    if flow.kind == "affine":
        return transforms.AffineCouplingTransform(mask, conditioner)
    return transforms.PiecewiseRationalQuadraticCouplingTransform(
        mask, conditioner, num_bins=8, tails="linear", tail_bound=_TAIL_BOUND
    )


def _louder(net: Any, last: Any, factor: float) -> Any:
    """Scale the last layer, for the usual small initialisation makes flows that hardly bend.

    At 4 couplings bend visibly and the inverse still recovers float64 rows to 1e-3 at 64 columns; autoregressive
    layers, in which every column bends by all before it, lost the inverse there at 4 and keep it at 2 (measured).
    """
    import torch

    with torch.no_grad():
        last.weight.mul_(factor)
        last.bias.copy_(0.1 * factor * torch.randn_like(last.bias))
    return net
