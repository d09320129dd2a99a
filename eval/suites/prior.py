"""Suites of fresh tables from the meta-distributions: `tiny`, `wide`, `small-n` and `held-out-families`.

Their root seeds and their split are not those of any meta-dataset, so no table was seen in training. The laws of
`wide` and `small-n` may have been; those of `held-out-families` are in no training split of the preset `wide-seen`, and
so are new to a network that was trained on it (its card says on what it was trained).
"""

from collections.abc import Callable
from dataclasses import replace

from numpy.random import Generator

from data_gen.prior import Prior, Shape, preset
from data_gen.rng import stream
from eval.suites.base import ROOT, Plan, SuiteOptions, register
from eval.suites.laws import Law

_TABLES = 400
_TINY_TABLES = 160
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
    """Plan 400 tables of the families that the preset `wide-seen` leaves out."""
    return prior_plans("wide-unseen", _TABLES, options)


def prior_plans(name: str, tables: int, options: SuiteOptions) -> list[Plan]:
    """Plan tables of a preset's prior, with their own n unless n is given; `repeats` times as many if given."""
    prior = preset(name).prior
    rows = range(tables * (options.repeats or 1))
    shapes = [prior.draw_shape(stream(ROOT + options.seed, "test", _SHAPE_STREAM, row)) for row in rows]
    if options.n:
        shapes = [replace(shape, n=options.n[row % len(options.n)]) for row, shape in zip(rows, shapes, strict=True)]
    return [Plan(f"prior-{name}", shape.n, row, _law(prior, shape)) for row, shape in zip(rows, shapes, strict=True)]


def _law(prior: Prior, shape: Shape) -> Callable[[Generator], Law]:
    def law(rng: Generator) -> Law:
        spec = prior.draw(rng, shape)
        joint = spec.build()
        truth = joint.truth()
        return Law(spec.family, truth.nats, joint.sample, truth.stderr)

    return law
