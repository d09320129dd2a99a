"""From a name on the command line to a planned suite: a registered one, a preset of `data_gen`, or a user's folder."""

from pathlib import Path

import numpy as np

from eval.errors import EvalError
from eval.suites import folder
from eval.suites.base import NOTES, SUITES, Suite, SuiteOptions
from eval.suites.prior import preset_plans

PRESET = "preset:"  # before the name of a preset
_FOLDER_NOTE = "Tables and truths of a user's own folder."
_DEFAULT = SuiteOptions()


def suite(name: str, options: SuiteOptions = _DEFAULT) -> Suite:
    """Plan the suite of this name.

    Args:
        name: A registered name, `preset:` and the name of a preset of `data_gen`, or the path of a folder with tables.
        options: What to choose of it.

    Raises:
        EvalError: If no suite has this name, or the options leave nothing of it.
    """
    _check(options)
    if name in SUITES:
        plans, note = SUITES[name](options), NOTES[name]
    elif name.startswith(PRESET):
        plans, note = preset_plans(name.removeprefix(PRESET), options), ""
    elif Path(name).is_dir():
        plans, note = folder.plans(Path(name), options), _FOLDER_NOTE
    else:
        known = ", ".join(sorted(SUITES))
        raise EvalError(f"got suite {name!r}; wanted one of: {known}; or {PRESET}NAME, or a folder with truths.csv")
    if options.tables is not None and options.tables < len(plans):
        chosen = np.linspace(0, len(plans) - 1, options.tables).round().astype(int)
        plans = [plans[index] for index in chosen]
    return Suite(name, options.seed, tuple(plans), note)


def _check(options: SuiteOptions) -> None:
    if any(n < 8 for n in options.n):
        raise EvalError(f"got n = {' '.join(map(str, options.n))}; wanted 8 or more samples in every table")
    for name, value in (("seeds", options.repeats), ("tables", options.tables)):
        if value is not None and value < 1:
            raise EvalError(f"got {name} = {value}; wanted 1 or more, or none of it for the suite's own number")
    if options.seed < 0:
        raise EvalError(f"got seed = {options.seed}; wanted 0 or more")
