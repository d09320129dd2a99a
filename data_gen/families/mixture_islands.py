"""Small clusters in a cloud that tells nothing."""

from dataclasses import dataclass

import numpy as np

from data_gen.families.base import correlation_of
from data_gen.families.mixture import Components, Mixture, even_weights, paired
from data_gen.registry import FAMILIES
from data_gen.rng import seeded

_INNER = 5.0  # most nats within an island


@FAMILIES.register("mixture_islands")
@dataclass(frozen=True)
class MixtureIslands(Mixture):
    """Rows of independent sides among 1 to 4 narrow, correlated clusters: all dependence is in some of the rows."""

    def components(self) -> Components:
        """Return the cloud, and islands as narrow, as far off and as correlated as the strength asks, nearly."""
        law = seeded(self.seed)
        count, pairs, k = int(law.integers(1, 5)), min(self.k_x, self.k_y), self.k_x + self.k_y
        share = max(law.uniform(0.1, 0.5), min(self.strength / _INNER, 0.95))
        weights = np.append(1 - share, share * even_weights(law, count))
        means = min(np.sqrt(self.strength), 2.0) / np.sqrt(k / 2) * law.standard_normal((count + 1, k))
        means[0] = 0.0
        inner = min((0.6 * self.strength + 0.3 * np.sqrt(self.strength)) / share, _INNER) / pairs
        rho = correlation_of(inner) * law.choice([-1.0, 1.0], size=(count + 1, pairs))
        rho[0] = 0.0
        width = np.append(1.0, np.full(count, np.exp(-min(self.strength, 1.0))))
        return Components(weights, means, paired(self.k_x, self.k_y, rho) * width[:, None, None], np.inf)
