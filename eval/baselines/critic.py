r"""Shared training of neural critics T(x, y), whose bounds of the MI need no density.

Normal scores of the columns (the MI is the same, and heavy tails do no harm) go into a separable critic

    T(x, y) = f(x) . g(y) / sqrt(32),    f and g perceptrons with two hidden layers of 64

trained on two thirds of the rows; a bound reads the scores of all pairs of a batch, the diagonal from the joint law,
the rest from the product of the marginals. The bound is watched on the other third. Taking its largest value would make
noise count as information, so that third has two halves: the step is chosen where one is largest, and read off on the
other, both ways round. No clock decides anything, so that answers are the same every time: training ends after
_MOST_STEPS (some seconds) or when the bound has not risen for _PATIENCE looks.
"""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import rankdata

from eval.baselines.base import CannotEstimate, PointBaseline
from eval.baselines.content import content_rng
from eval.baselines.one_torch import seeded_torch

if TYPE_CHECKING:
    from torch import Tensor

_LEAST = 24  # rows: 16 to train on, two times 4 to look at
_BATCH = 256
_HIDDEN, _EMBEDDED = 64, 32
_RATE = 3e-3  # as accurate as 1e-3 on four laws at n = 1000, in a third of the time
_MOST_STEPS = 1500
_EVERY = 10  # steps between looks
_PATIENCE = 15  # looks without a rise
_MOST_WATCHED = 4096  # rows of the watched third: their score matrices of 2048 x 2048 take 32 MB


class CriticBaseline(PointBaseline, ABC):
    """An estimator that trains a critic on each table."""

    @abstractmethod
    def loss(self, scores: "Tensor") -> "Tensor":
        """What training makes small, from the scores of a batch (B, B) with the joint law's pairs on the diagonal."""

    @abstractmethod
    def bound(self, scores: "Tensor") -> "Tensor":
        """The bound in nats, from the scores of held-out rows (M, M), the same layout."""

    def nats(self, x: np.ndarray, y: np.ndarray) -> float:
        """Train on two thirds of the rows, estimate from the others."""
        if len(x) < _LEAST:
            raise CannotEstimate(f"needs {_LEAST} samples or more")
        rng = content_rng(x, y)
        with seeded_torch(rng):
            return _chosen(self._looks(rng, _scores(x), _scores(y)))

    def _looks(self, rng: np.random.Generator, x: NDArray, y: NDArray) -> NDArray[np.float64]:
        """Train, and return the bound on both halves of the watched rows, (looks, 2)."""
        import torch

        order = torch.from_numpy(rng.permutation(len(x)))
        held = min(len(x) // 3, _MOST_WATCHED) // 2
        halves, rows = (order[:held], order[held : 2 * held]), order[2 * held :]
        sides = [torch.from_numpy(v) for v in (x, y)]
        networks = torch.nn.ModuleList(_perceptron(v.shape[1]) for v in sides)
        optimizer = torch.optim.Adam(networks.parameters(), lr=_RATE)
        looks: list[NDArray[np.float64]] = []
        for step in range(_MOST_STEPS):
            batch = rows[torch.randperm(len(rows))[:_BATCH]]
            optimizer.zero_grad()
            self.loss(_matrix(networks, sides, batch)).backward()
            optimizer.step()
            if step % _EVERY == _EVERY - 1:
                with torch.no_grad():
                    bounds = [float(self.bound(_matrix(networks, sides, half))) for half in halves]
                looks.append(np.nan_to_num(bounds, nan=-np.inf, posinf=-np.inf))  # a critic that has diverged
                means = np.mean(looks, axis=1)
                if len(means) - 1 - means.argmax() >= _PATIENCE:
                    break
        return np.array(looks)


def _chosen(looks: NDArray[np.float64]) -> float:
    """Each half's value where the other's is largest, averaged."""
    best = looks.argmax(axis=0)
    return float(looks[best[0], 1] + looks[best[1], 0]) / 2


def _scores(v: np.ndarray) -> NDArray[np.float32]:
    return ndtri(rankdata(v, axis=0) / (len(v) + 1)).astype(np.float32)


def _perceptron(d: int) -> Any:
    from torch import nn

    return nn.Sequential(
        nn.Linear(d, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, _EMBEDDED)
    )


def _matrix(networks: Any, sides: list["Tensor"], rows: "Tensor") -> "Tensor":
    """Scores of all pairs among these rows, (rows, rows)."""
    f, g = (network(side[rows]) for network, side in zip(networks, sides, strict=True))
    return f @ g.T / _EMBEDDED**0.5


def log_mean_exp_apart(scores: "Tensor") -> "Tensor":
    """Log of the mean exponential of the scores off the diagonal."""
    import torch

    apart = scores.masked_fill(torch.eye(len(scores), dtype=torch.bool), -torch.inf)
    return torch.logsumexp(apart.flatten(), 0) - np.log(len(scores) * (len(scores) - 1))
