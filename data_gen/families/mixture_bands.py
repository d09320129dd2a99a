"""Parallel bands."""

from dataclasses import dataclass

import numpy as np

from data_gen.families.mixture import Components, Mixture, even_weights, paired
from data_gen.quadrature import label_nats
from data_gen.registry import FAMILIES
from data_gen.rng import seeded

# Standard deviations of y within a band given x, among which that for the strength is found: from nearly 1, where there
# is no dependence, to .0006, which float32 still shows.
_WITHIN = np.sqrt(-np.expm1(-np.geomspace(12.0, 4e-7, 40)))


@FAMILIES.register("mixture_bands")
@dataclass(frozen=True)
class MixtureBands(Mixture):
    """Normal rows of one correlation in 3 to 6 parallel bands: x tells y but for the band, which x does not tell.

    With p pairs of correlation rho and bands that are shifted along the pairs' y, all of unit variance within,
    I = -p log s + I(band; y) - I(band; y | x) for s = sqrt(1 - rho^2), both those of a label and one normal number.
    """

    def components(self) -> Components:
        """Return the bands, as narrow as the strength in nats asks."""
        law = seeded(self.seed)
        count, pairs = int(law.integers(3, 7)), min(self.k_x, self.k_y)
        weights, shifts = even_weights(law, count), law.uniform(1.0, 2.5) * np.linspace(-1.0, 1.0, count)

        def nats(within: float) -> float:
            told, lost = (label_nats(weights, shifts, np.full(count, scale)) for scale in (1.0, within))
            return float(-pairs * np.log(within) + told - lost)

        log_within = np.interp(self.strength, [nats(within) for within in _WITHIN], np.log(_WITHIN))
        rho = law.choice([-1.0, 1.0], size=pairs) * np.sqrt(-np.expm1(2 * log_within))
        means = np.zeros((count, self.k_x + self.k_y))
        means[:, self.k_x : self.k_x + pairs] = shifts[:, None] / np.sqrt(pairs)
        return Components(weights, means, paired(self.k_x, self.k_y, np.tile(rho, (count, 1))), np.inf)
