"""A few laws that everybody knows, for suites that are otherwise drawn from a prior."""

import numpy as np

from eval.suites import maps
from eval.suites.bmi import two_pair
from eval.suites.laws import Law, additive_noise, dense, mapped, normal, student


def known() -> dict[str, Law]:
    """The laws by the name of their task."""
    bivariate = normal(dense(1, 0.75), 1)
    return {
        "known-normal": bivariate,
        "known-half-cube": mapped(bivariate, maps.half_cube, maps.half_cube),
        "known-additive-noise": additive_noise(0.75),
        "known-two-pair": two_pair(5),
        "known-student": student(np.eye(4), 2, df=2),
        "known-independent": normal(np.eye(4), 2, family="independence"),
    }
