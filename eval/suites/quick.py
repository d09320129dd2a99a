"""Suite `quick`: fresh tables from the training prior, and a few laws that everybody knows. About a minute."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.random import Generator

from data_gen.prior import Shape, preset
from data_gen.rng import stream
from eval.suites import maps
from eval.suites.base import ROOT, Plan, SuiteOptions, fixed, grid, register
from eval.suites.bmi import two_pair
from eval.suites.laws import Law, additive_noise, dense, mapped, normal, student

_PRESET = "small"
_PRIOR_TABLES = 400
_KNOWN_N = (100, 500)
_KNOWN_REPEATS = 4
_SHAPE_STREAM = 1  # shard number under which the shapes are drawn; cases use a hash of the suite's name


@register("quick")
def plans(options: SuiteOptions) -> list[Plan]:
    """Plan 400 tables of the prior (with their own n unless n is given) and the known laws four times at two n."""
    known = grid({f"known-{name}": fixed(law) for name, law in _known().items()}, options.n or _KNOWN_N, _KNOWN_REPEATS)
    return _from_prior(options) + known


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


def _from_prior(options: SuiteOptions) -> list[Plan]:
    prior = preset(_PRESET).prior
    count = _PRIOR_TABLES if options.repeats is None else _PRIOR_TABLES * options.repeats
    shapes = [prior.draw_shape(stream(ROOT + options.seed, "test", _SHAPE_STREAM, row)) for row in range(count)]
    if options.n:
        shapes = [replace(shape, n=options.n[row % len(options.n)]) for row, shape in enumerate(shapes)]
    return [Plan("prior", shape.n, row, _prior_law(shape)) for row, shape in enumerate(shapes)]


def _prior_law(shape: Shape) -> Callable[[Generator], Law]:
    def law(rng: Generator) -> Law:
        spec = preset(_PRESET).prior.draw(rng, shape)
        joint = spec.build()
        truth = joint.truth()
        return Law(spec.family, truth.nats, joint.sample, truth.stderr)

    return law
