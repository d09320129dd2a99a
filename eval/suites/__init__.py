"""Named suites of tables with known MI; importing this package registers them all."""

from eval.suites import bmi, mist_grids, null, prior, quick
from eval.suites.base import SUITES, Case, Plan, Suite, SuiteOptions, suite

__all__ = ["SUITES", "Case", "Plan", "Suite", "SuiteOptions", "bmi", "mist_grids", "null", "prior", "quick", "suite"]
