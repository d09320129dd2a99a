"""Suite `quick`: fresh tables from the prior `small`, and a few laws that everybody knows. About a minute."""

import numpy as np

from eval.suites import maps
from eval.suites.base import Plan, SuiteOptions, fixed, grid, register
from eval.suites.bmi import two_pair
from eval.suites.laws import Law, additive_noise, dense, mapped, normal, student
from eval.suites.prior import prior_plans

_PRIOR_TABLES = 400
_KNOWN_N = (100, 500)
_KNOWN_REPEATS = 4


@register("quick")
def plans(options: SuiteOptions) -> list[Plan]:
    """Plan 400 tables of the prior, with their own n unless n is given, and the known laws four times at two n."""
    known = {f"known-{name}": fixed(law) for name, law in _known().items()}
    repeats = _KNOWN_REPEATS * (options.repeats or 1)
    return prior_plans("small", _PRIOR_TABLES, options) + grid(known, options.n or _KNOWN_N, repeats)


def _known() -> dict[str, Law]:
    bivariate = normal(dense(1, 0.75), 1)
    return {
        "normal": bivariate,
        "half-cube": mapped(bivariate, maps.half_cube, maps.half_cube),
        "additive-noise": additive_noise(0.75),
        "two-pair": two_pair(5),
        "student": student(np.eye(4), 2, df=2),
        "independent": normal(np.eye(4), 2, family="independence"),
    }
