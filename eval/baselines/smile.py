r"""SMILE: a critic trained to tell joint from independent pairs, read off by Donsker and Varadhan with scores clipped.

Training makes the Jensen-Shannon bound -E softplus(-T) - E' softplus(T) large, whose best T is the log density ratio;
the estimate is E T - ln E' exp(clip(T, -5, 5)), whose variance is bounded. It is not a bound of the MI.

Reference: Song and Ermon (2020), Understanding the Limitations of Variational Mutual Information Estimators, ICLR.
"""

from typing import TYPE_CHECKING, ClassVar

from eval.baselines.critic import CriticBaseline, log_mean_exp_apart
from eval.baselines.registry import register

if TYPE_CHECKING:
    from torch import Tensor

_CLIP = 5.0  # the paper's tau


@register
class Smile(CriticBaseline):
    """SMILE (tau = 5) by a critic trained on two thirds of the table, read off on the rest."""

    name: ClassVar[str] = "smile"

    def loss(self, scores: "Tensor") -> "Tensor":
        """Jensen-Shannon loss."""
        from torch.nn.functional import softplus

        joint = scores.diagonal()
        independent = (softplus(scores).sum() - softplus(joint).sum()) / (len(scores) * (len(scores) - 1))
        return softplus(-joint).mean() + independent

    def bound(self, scores: "Tensor") -> "Tensor":
        """Donsker and Varadhan's, with clipped scores in the exponential."""
        return scores.diagonal().mean() - log_mean_exp_apart(scores.clamp(-_CLIP, _CLIP))
