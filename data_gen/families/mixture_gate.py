"""A gate that lets another column through in each row."""

from dataclasses import dataclass

import numpy as np
from scipy.special import entr

from data_gen.families.base import correlation_of
from data_gen.families.mixture import Components, Mixture
from data_gen.registry import FAMILIES
from data_gen.rng import seeded

_INNER = 7.0  # most nats of a pair behind the gate


@FAMILIES.register("mixture_gate")
@dataclass(frozen=True)
class MixtureGate(Mixture):
    """Normal rows in which the columns of y follow those of x in an order drawn anew, or, in a few rows, follow none.

    In a row of turn g, column j of the side with fewer columns correlates with column j + g (modulo their number) of
    the other. Both sides alone are standard normal whatever the turn, so I is that within a turn less what x and y
    together tell of it.
    """

    def components(self) -> Components:
        """Return a component per turn and the one that follows none, correlated as the strength asks, nearly."""
        law = seeded(self.seed)
        many, pairs = max(self.k_x, self.k_y), min(self.k_x, self.k_y)
        weights = law.dirichlet([5.0] * many + [1.0])
        rho = correlation_of(min(_open_nats(weights, self.strength) / pairs, _INNER)) * law.choice([-1.0, 1.0], pairs)
        factors = np.tile(np.eye(self.k_x + self.k_y), (many + 1, 1, 1))
        for turn in range(many):
            for j in range(pairs):
                turned = (j + turn) % many
                x, y = (turned, j) if self.k_x >= self.k_y else (j, turned)
                factors[turn, self.k_x + y, x] = rho[j]
                factors[turn, self.k_x + y, self.k_x + y] = np.sqrt(1 - rho[j] ** 2)
        return Components(weights, np.zeros((many + 1, self.k_x + self.k_y)), factors, np.inf)


def _open_nats(weights: np.ndarray, nats: float) -> float:
    """Return the nats within a turn that leave so many without knowing it: right for the weakest and the strongest.

    To first order the squared correlations of the same columns count, sum w^2 of those within; where all is told, the
    turn costs its entropy.
    """
    turns = weights[:-1]
    cost, slope = entr(weights).sum(), turns.sum() / np.square(turns).sum()
    return float((nats + cost * -np.expm1(-nats * (slope - 1) / cost)) / turns.sum())
