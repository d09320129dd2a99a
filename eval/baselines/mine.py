r"""MINE: the Donsker-Varadhan bound E T - ln E' exp T, with E' over independent pairs.

The logarithm of a batch's mean biases the gradient, which the paper repairs by a running mean over batches of as many
independent pairs as rows. Here a batch has all its 256 x 255 independent pairs, whose mean needs no such repair.

Reference: Belghazi et al. (2018), Mutual Information Neural Estimation, ICML.
"""

from typing import TYPE_CHECKING, ClassVar

from eval.baselines.critic import CriticBaseline, log_mean_exp_apart
from eval.baselines.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class Mine(CriticBaseline):
    """MINE: Donsker-Varadhan bound by a critic trained on two thirds of the table, read off on the rest."""

    name: ClassVar[str] = "mine"

    def loss(self, scores: "Tensor") -> "Tensor":
        """Less the bound."""
        return -self.bound(scores)

    def bound(self, scores: "Tensor") -> "Tensor":
        """Donsker and Varadhan's."""
        return scores.diagonal().mean() - log_mean_exp_apart(scores)
