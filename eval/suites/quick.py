"""Suite `quick`: fresh tables from the prior `small`, and a few laws that everybody knows. About a minute."""

from eval.suites.base import Plan, SuiteOptions, fixed, grid, register
from eval.suites.known import known
from eval.suites.prior import prior_plans

_PRIOR_TABLES = 400
_KNOWN_N = (100, 500)
_KNOWN_REPEATS = 4


@register("quick")
def plans(options: SuiteOptions) -> list[Plan]:
    """Plan 400 tables of the prior, with their own n unless n is given, and the known laws four times at two n."""
    tasks = {name: fixed(law) for name, law in known().items()}
    repeats = _KNOWN_REPEATS * (options.repeats or 1)
    return prior_plans("small", _PRIOR_TABLES, options) + grid(tasks, options.n or _KNOWN_N, repeats)
