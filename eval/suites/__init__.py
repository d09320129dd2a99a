"""Named suites of tables with known MI; importing this package registers them all."""

from eval.suites import bmi, discrete, high_mi, mist_grids, null, prior, quick, redundancy, sizes, unequal
from eval.suites.base import SUITES, Case, Plan, Suite, SuiteOptions, suite

__all__ = [
    "SUITES",
    "Case",
    "Plan",
    "Suite",
    "SuiteOptions",
    "bmi",
    "discrete",
    "high_mi",
    "mist_grids",
    "null",
    "prior",
    "quick",
    "redundancy",
    "sizes",
    "suite",
    "unequal",
]
