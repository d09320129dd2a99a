"""Suites of few and of many samples: `small-n`, 10 to 64 of them, and `large-n`, up to 100,000."""

from dataclasses import replace

import numpy as np

from eval.suites import tied_laws as tied
from eval.suites.base import Plan, SuiteOptions, fixed, grid, register
from eval.suites.bmi import tasks as bmi_tasks
from eval.suites.known import known
from eval.suites.laws import Law, dense, normal
from eval.suites.prior import prior_plans

_SMALL_N, _LARGE_N = (10, 12, 16, 24, 32, 48, 64), (10_000, 30_000, 100_000)
_PRIOR_TABLES, _KNOWN_REPEATS = 400, 5
_FROM_BMI = (
    "1v1-normal",
    "1v1-half-cube",
    "1v1-wiggly",
    "1v1-additive-0.1",
    "1v1-student-1",
    "2v1-swiss-roll",
    "3v3-2pair-spiral",
    "3v3-student-2",
    "5v5-dense",
    "25v25-dense",
)


@register("small-n")
def small_n(options: SuiteOptions) -> list[Plan]:
    """Plan 400 tables of the widest prior with 10 to 64 samples, and the known laws five times at each n."""
    options = replace(options, n=options.n or _SMALL_N)
    drawn = [replace(plan, group="drawn from a prior") for plan in prior_plans("wide", _PRIOR_TABLES, options)]
    tasks = {name: fixed(law) for name, law in known().items()}
    return drawn + grid(tasks, options.n, options.repeats or _KNOWN_REPEATS, lambda task, n: "known laws")


@register("large-n")
def large_n(options: SuiteOptions) -> list[Plan]:
    """Plan one table of each task at 10,000, 30,000 and 100,000 samples, where bias can no longer hide in noise."""
    laws = {task: law for task, law in bmi_tasks().items() if task in _FROM_BMI} | _further()
    return grid({task: fixed(law) for task, law in laws.items()}, options.n or _LARGE_N, options.repeats or 1)


def _further() -> dict[str, Law]:
    return {
        "1v1-weak": normal(dense(1, 0.05), 1),  # .00125 nats: more than 0, for those who have the samples
        "5v5-independent": normal(np.eye(10), 5, family="independence"),
        "1v1-poisson-inflated": tied.zero_inflated_poisson(5.0, 0.3),
        "1v1-letters": tied.channel(10, 0.4),
    }
