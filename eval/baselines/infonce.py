r"""InfoNCE: the mean log of each joint pair's share among all pairs of its row, plus ln M; never above ln M.

Reference: van den Oord, Li and Vinyals (2018), Representation Learning with Contrastive Predictive Coding, 1807.03748.
"""

import math
from typing import TYPE_CHECKING, ClassVar

from eval.baselines.critic import CriticBaseline
from eval.baselines.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class InfoNce(CriticBaseline):
    """InfoNCE bound by a critic trained on two thirds of the table, read off on the rest; at most ln(n / 6)."""

    name: ClassVar[str] = "infonce"

    def loss(self, scores: "Tensor") -> "Tensor":
        """Less the bound."""
        return -self.bound(scores)

    def bound(self, scores: "Tensor") -> "Tensor":
        """Mean over both sides' rows."""
        by_row, by_column = scores.logsumexp(1), scores.logsumexp(0)
        return (scores.diagonal() - (by_row + by_column) / 2).mean() + math.log(len(scores))
