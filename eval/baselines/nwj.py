r"""NWJ: the bound E T - E' exp(T - 1) of Nguyen, Wainwright and Jordan, with E' over independent pairs.

Reference: Nguyen, Wainwright and Jordan (2010), IEEE Transactions on Information Theory 56.
"""

from typing import TYPE_CHECKING, ClassVar

from eval.baselines.critic import CriticBaseline, log_mean_exp_apart
from eval.baselines.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class Nwj(CriticBaseline):
    """NWJ bound by a critic trained on two thirds of the table, read off on the rest."""

    name: ClassVar[str] = "nwj"

    def loss(self, scores: "Tensor") -> "Tensor":
        """Less the bound."""
        return -self.bound(scores)

    def bound(self, scores: "Tensor") -> "Tensor":
        """Of T + 1, which the critic then need not learn to add."""
        return 1 + scores.diagonal().mean() - log_mean_exp_apart(scores).exp()
