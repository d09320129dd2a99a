"""KSG-1 on codes of each side by a small autoencoder trained on the table, for tables too wide for nearest neighbours.

As `pca`, with bends: with P the principal directions,

    code = x P + f(x),    rebuilt x = code P' + g(code),    f and g perceptrons that begin at 0

so that training starts from principal components and their scale. Four fifths of the rows train; the step is chosen
where the other fifth is rebuilt best, which may be the first.

Reference: Butakov et al. (2024), Information Bottleneck Analysis of Deep Neural Networks via Lossy Compression, ICLR.
"""

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from eval.baselines.base import PointBaseline
from eval.baselines.content import content_rng
from eval.baselines.ksg import Floats, Ksg1, standardised
from eval.baselines.one_torch import seeded_torch
from eval.baselines.pca import COMPONENTS, directions
from eval.baselines.registry import register

if TYPE_CHECKING:
    from torch import Tensor

_HIDDEN = 64
_RATE = 3e-3
_BATCH = 256
_MOST_STEPS = 600
_EVERY = 20  # steps between looks at the rows that are not trained on
_PATIENCE = 5  # looks without an improvement


@register
class Autoencoder(PointBaseline):
    """KSG-1 on an autoencoder's 4 codes of each side, trained on the table."""

    name: ClassVar[str] = "autoencoder-ksg"

    def nats(self, x: np.ndarray, y: np.ndarray) -> float:
        """Estimate; a side of no more columns than codes stays as it is."""
        rng = content_rng(x, y)
        with seeded_torch(rng):
            return Ksg1().in_scale(*(_codes(rng, standardised(v)) for v in (x, y)))


def _codes(rng: np.random.Generator, columns: Floats) -> Floats:
    """Codes of standardised columns (n, d), (n, min(n, d, COMPONENTS))."""
    linear = directions(columns)
    d, size = linear.shape
    if d <= COMPONENTS:
        return columns
    import torch

    x, along = (torch.from_numpy(v.astype(np.float32)) for v in (columns, linear))
    order = torch.from_numpy(rng.permutation(len(columns)))
    watched, rows = order[: len(order) // 5], order[len(order) // 5 :]
    f, g = _perceptron(d, size), _perceptron(size, d)
    optimizer = torch.optim.Adam([*f.parameters(), *g.parameters()], lr=_RATE)

    def run(v: "Tensor") -> tuple["Tensor", "Tensor"]:
        code = v @ along + f(v)  # (rows, size)
        return code, (code @ along.T + g(code) - v).square().mean()

    best, codes, waited = np.inf, columns @ linear, 0
    for step in range(_MOST_STEPS):
        if step % _EVERY == 0:
            with torch.no_grad():
                loss = float(run(x[watched])[1])
                waited += 1
                if loss < best:
                    best, codes, waited = loss, run(x)[0].numpy().astype(np.float64), 0
            if waited == _PATIENCE:
                break
        optimizer.zero_grad()
        run(x[rows[torch.randperm(len(rows))[:_BATCH]]])[1].backward()
        optimizer.step()
    return codes


def _perceptron(d_in: int, d_out: int) -> Any:
    """One hidden layer, and 0 to begin with."""
    from torch import nn

    last = nn.Linear(_HIDDEN, d_out)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(d_in, _HIDDEN), nn.ReLU(), last)
