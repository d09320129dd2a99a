"""Named suites of tables with known MI; importing this package registers them all."""

from eval.suites import (
    bmi,
    consistency,
    discrete,
    folder,
    high_mi,
    mist_grids,
    null,
    prior,
    quick,
    real,
    redundancy,
    sizes,
    unequal,
)
from eval.suites.base import SUITES, Case, Plan, Suite, SuiteOptions
from eval.suites.find import suite

__all__ = [
    "SUITES",
    "Case",
    "Plan",
    "Suite",
    "SuiteOptions",
    "bmi",
    "consistency",
    "discrete",
    "folder",
    "high_mi",
    "mist_grids",
    "null",
    "prior",
    "quick",
    "real",
    "redundancy",
    "sizes",
    "suite",
    "unequal",
]
