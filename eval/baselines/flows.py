r"""MI by normalizing flows (as MIENF): one flow per side, trained together until both sides are jointly normal.

Flows are invertible maps of one side, so MI(f(X); g(Y)) = MI(X; Y), and that of a jointly normal law is in closed form.
With (u, v) = (f(x), g(y)) and S the covariance of (u, v), maximum likelihood makes

    ln det S / 2 - < ln |det f'(x)| + ln |det g'(y)| >

small, S being at its own best value. Columns enter as normal scores, so that the flows need not learn the margins. They
are trained on two thirds of the rows until the likelihood of the other third falls, whose (u, v) then give the
estimate in closed form, with the small-sample correction of GCMI. Laws that no flows of the two sides make jointly
normal, such as Student's, and maps that these small flows cannot undo are underestimated: of the .65 nats of a normal
law whose sides are rolled up as spirals in three dimensions a third to a half is found at n = 2000.

Reference: Butakov et al. (2024), Mutual Information Estimation via Normalizing Flows, NeurIPS 37.
"""

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import rankdata

from data_gen.transforms.flow import Flow, trainable
from eval.baselines.base import CannotEstimate, PointBaseline
from eval.baselines.content import content_rng
from eval.baselines.gcmi import Gcmi
from eval.baselines.one_torch import seeded_torch
from eval.baselines.registry import register

if TYPE_CHECKING:
    from torch import Tensor

_LAYERS = 4
_GAIN = 0.05  # nearly the identity to begin with
_RATE = 1e-2
_STEEPEST = 10.0  # norm at which gradients are cut, against leaps (guess)
_BATCH = 256
_MOST_STEPS = 400
_EVERY = 10  # steps between looks
_PATIENCE = 6  # looks without a rise of the likelihood
_MOST_WATCHED = 2000  # rows of the watched third


@register
class Flows(PointBaseline):
    """Normalizing flows to a jointly normal law (as MIENF), for n >= 3 (d_x + d_y) + 24."""

    name: ClassVar[str] = "flows"

    def nats(self, x: np.ndarray, y: np.ndarray) -> float:
        """Train on two thirds of the rows, estimate from the others."""
        least = 3 * (x.shape[1] + y.shape[1]) + 24  # both parts keep covariances of full rank, with rows to spare
        if len(x) < least:
            raise CannotEstimate(f"needs {least} samples or more with so many columns")
        rng = content_rng(x, y)
        with seeded_torch(rng):
            return Gcmi().nats(*_latents(rng, _scores(x), _scores(y)))


def _latents(rng: np.random.Generator, x: NDArray, y: NDArray) -> tuple[NDArray, NDArray]:
    """Train, and return the images of the watched rows, (M, d_x) and (M, d_y), where their likelihood was largest."""
    import torch

    order = torch.from_numpy(rng.permutation(len(x)))
    held = min(len(x) // 3, _MOST_WATCHED)
    watched, rows = order[:held], order[held:]
    sides = [torch.from_numpy(v) for v in (x, y)]
    flows = torch.nn.ModuleList(trainable(_start(rng, v.shape[1])) for v in sides)
    optimizer = torch.optim.Adam(flows.parameters(), lr=_RATE)
    size = max(_BATCH, 4 * (x.shape[1] + y.shape[1]))
    best, images, waited = np.inf, [], 0
    for step in range(_MOST_STEPS):
        batch = rows[torch.randperm(len(rows))[:size]]
        optimizer.zero_grad()
        loss = _minus_likelihood(_mapped(flows, sides, batch))
        if not torch.isfinite(loss):  # ties have no density: the likelihood has no largest value
            break
        loss.backward()
        if not torch.isfinite(torch.nn.utils.clip_grad_norm_(flows.parameters(), _STEEPEST)):
            break
        optimizer.step()
        if step % _EVERY == _EVERY - 1:
            with torch.no_grad():
                found = _mapped(flows, sides, watched)
                watched_loss = float(_minus_likelihood(found))
            waited += 1
            if watched_loss < best:
                best, images, waited = watched_loss, [image.numpy() for image, _ in found], 0
            if waited == _PATIENCE:
                break
    if not images:
        raise CannotEstimate("the flows' likelihood was never finite")
    return images[0], images[1]


def _start(rng: np.random.Generator, d: int) -> Flow:
    return Flow(d, "spline", _LAYERS, _GAIN, int(rng.integers(2**53)))


def _scores(v: np.ndarray) -> NDArray[np.float64]:
    return ndtri(rankdata(v, axis=0) / (len(v) + 1))


def _mapped(flows: Any, sides: list["Tensor"], rows: "Tensor") -> list[tuple["Tensor", "Tensor"]]:
    """Images (rows, d) and log determinants (rows,) of both sides."""
    return [flow(side[rows]) for flow, side in zip(flows, sides, strict=True)]


def _minus_likelihood(mapped: list[tuple["Tensor", "Tensor"]]) -> "Tensor":
    """Minus the mean log likelihood of jointly normal images, at their own mean and covariance, up to a constant."""
    import torch

    (u, u_volume), (v, v_volume) = mapped
    covariance = torch.cov(torch.cat([u, v], dim=1).T)
    return torch.logdet(covariance) / 2 - (u_volume + v_volume).mean()
