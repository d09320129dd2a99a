"""Suites `mist-imd` and `mist-oomd`: the test families of MIST (arXiv 2511.18945), inside and outside its own prior.

A cell is a family at one of 20 sizes; each of its draws has parameters and a dimension d_x = d_y in 2..32 of its own.
"""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from eval.suites import maps
from eval.suites.base import Plan, SuiteOptions, grid, register
from eval.suites.laws import Floats, Law, Map, additive_noise, dense, latent, mapped, normal, sparse, student

Base = Callable[[Generator, int], Law]

_N = tuple(int(n) for n in np.linspace(10, 500, 20).round())
_REPEATS = 9
_MAPS: dict[str, tuple[Map | None, Map | None]] = {
    "base": (None, None),
    "halfcube": (maps.half_cube, maps.half_cube),
    "asinh": (maps.asinh, maps.asinh),
    "wiggly": (maps.wiggly_x, maps.wiggly_y),
}


@register("mist-imd")
def in_meta(options: SuiteOptions) -> list[Plan]:
    """Plan the families whose base law and map MIST was trained on."""
    return _plans(
        options,
        {
            "normal-dense": ("base", "halfcube"),
            "normal-latent": ("wiggly",),
            "student-dense": ("base",),
            "student-sparse": ("base", "asinh"),
        },
    )


@register("mist-oomd")
def out_of_meta(options: SuiteOptions) -> list[Plan]:
    """Plan the families that MIST was not trained on."""
    return _plans(
        options,
        {
            "normal-dense": ("wiggly",),
            "normal-sparse": ("halfcube", "asinh"),
            "student-sparse": ("wiggly",),
            "student-dense": ("halfcube",),
            "additive-noise": ("base", "halfcube"),
        },
    )


def _plans(options: SuiteOptions, families: dict[str, tuple[str, ...]]) -> list[Plan]:
    tasks = {f"{base}-{name}": _task(base, name) for base, names in families.items() for name in names}
    return grid(tasks, options.n or _N, options.repeats or _REPEATS, _bin)


def _bin(task: str, n: int) -> str:
    """The bins of n by which MIST's errors were published: up to 100, to 300, to 500."""
    for low, high in ((0, 100), (100, 300), (300, 500)):
        if low < n <= high:
            return f"n {low + 1} to {high}"
    return "n over 500"


def _task(base: str, map_name: str) -> Callable[[Generator], Law]:
    def law(rng: Generator) -> Law:
        d = int(rng.integers(2, 33))
        return mapped(_BASES[base](rng, d), *_MAPS[map_name], family=f"{base}-{map_name}")

    return law


def _dense(rng: Generator, d: int) -> Floats:
    return dense(d, rng.uniform(0, 0.5))


def _sparse(rng: Generator, d: int) -> Floats:
    return sparse(d, int(rng.integers(1, d + 1)), rng.uniform(0.1, 5))


def _latent(rng: Generator, d: int) -> Floats:
    return latent(
        d,
        pairs=int(rng.integers(1, d + 1)),
        shared=rng.uniform(0, 1),
        strength=rng.uniform(0.1, 3),
        shared_within=rng.uniform(0, 1.5),
        noise=rng.uniform(0.1, 5),
    )


_BASES: dict[str, Base] = {
    "normal-dense": lambda rng, d: normal(_dense(rng, d), d),
    "normal-sparse": lambda rng, d: normal(_sparse(rng, d), d),
    "normal-latent": lambda rng, d: normal(_latent(rng, d), d),
    "student-dense": lambda rng, d: student(_dense(rng, d), d, rng.uniform(1, 10)),
    "student-sparse": lambda rng, d: student(_sparse(rng, d), d, rng.uniform(1, 10)),
    "additive-noise": lambda rng, d: additive_noise(rng.uniform(0.1, 2, d)),
}
