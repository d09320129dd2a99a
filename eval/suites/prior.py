"""Suites of fresh tables from the meta-distributions: `tiny`, `wide`, presets, and three of families kept out.

Their root seeds and their split are not those of any meta-dataset, so no table was seen in training. The laws of `wide`
may have been. The families of `held-out-families`, `shift-families` and `blind-families` are in no training split of a
preset whose name ends in `-seen`, so they are new to a network that was trained on such; what a checkpoint says of
itself is compared with them in `eval/overlap.py`.
"""

from collections.abc import Callable
from dataclasses import replace

from numpy.random import Generator

from data_gen.errors import DataGenError
from data_gen.prior import Prior, Shape, preset
from data_gen.rng import stream
from eval.errors import EvalError
from eval.suites.base import ROOT, Plan, SuiteOptions, register
from eval.suites.laws import Law

_TABLES = 400
_TINY_TABLES = 160
_FAMILY_TABLES = 120  # of each family: the standard error of a coverage of .9 is .027
_SHAPE_STREAM = 1  # shard number under which shapes are drawn; cases have a hash of the suite's name there


@register("tiny")
def tiny(options: SuiteOptions) -> list[Plan]:
    """Plan 160 tables of the prior of the preset `tiny`, what a model trained on it can answer for."""
    return prior_plans("tiny", _TINY_TABLES, options)


@register("wide")
def wide(options: SuiteOptions) -> list[Plan]:
    """Plan 400 tables of the widest prior."""
    return prior_plans("wide", _TABLES, options)


@register("held-out-families")
def held_out_families(options: SuiteOptions) -> list[Plan]:
    """Plan 120 tables of each family that the preset `wide-seen` leaves out."""
    return family_plans("wide-unseen", _FAMILY_TABLES, options)


@register("shift-families")
def shift_families(options: SuiteOptions) -> list[Plan]:
    """Plan 120 tables of each family of the second list that `wide-seen` leaves out, on which intervals are fitted."""
    return family_plans("wide-shift", _FAMILY_TABLES, options)


@register("blind-families")
def blind_families(options: SuiteOptions) -> list[Plan]:
    """Plan 120 tables of each family of the third list, which nobody looked at before the model was done."""
    return family_plans("wide-blind", _FAMILY_TABLES, options)


def preset_plans(name: str, options: SuiteOptions) -> list[Plan]:
    """Plan 400 tables of the prior of any preset.

    Raises:
        EvalError: If no preset has this name.
    """
    try:
        return prior_plans(name, _TABLES, options)
    except DataGenError as error:
        raise EvalError(str(error)) from error


def prior_plans(name: str, tables: int, options: SuiteOptions) -> list[Plan]:
    """Plan tables of a preset's prior, with their own n unless n is given; `repeats` times as many if given."""
    prior = preset(name).prior
    shapes = _shapes(prior, tables * (options.repeats or 1), options)
    return [Plan(f"prior-{name}", shape.n, row, _law(prior, shape)) for row, shape in enumerate(shapes)]


def family_plans(name: str, tables: int, options: SuiteOptions) -> list[Plan]:
    """Plan as many tables of each family of a preset, whatever its weight there; shapes are those of its prior."""
    prior = preset(name).prior
    alone = {family: replace(prior, families={family: 1.0}, mist_share=0.0) for family in prior.families}
    shapes = _shapes(prior, tables * (options.repeats or 1), options)
    return [
        Plan(family, shape.n, row, _law(only, shape), family=family)
        for family, only in alone.items()
        for row, shape in enumerate(shapes)
    ]


def _shapes(prior: Prior, count: int, options: SuiteOptions) -> list[Shape]:
    rows = range(count)
    shapes = [prior.draw_shape(stream(ROOT + options.seed, "test", _SHAPE_STREAM, row)) for row in rows]
    if options.n:
        shapes = [replace(shape, n=options.n[row % len(options.n)]) for row, shape in zip(rows, shapes, strict=True)]
    return shapes


def _law(prior: Prior, shape: Shape) -> Callable[[Generator], Law]:
    def law(rng: Generator) -> Law:
        spec = prior.draw(rng, shape)
        joint = spec.build()
        truth = joint.truth()
        return Law(spec.family, truth.nats, joint.sample, truth.stderr)

    return law
