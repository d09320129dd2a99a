"""Suite `bmi`: the 40 tasks of Beyond Normal (Czyz et al., NeurIPS 2023), dimensions up to 50 + 50."""

import numpy as np

from eval.suites import maps
from eval.suites.base import Plan, SuiteOptions, fixed, grid, register
from eval.suites.laws import Law, Map, additive_noise, dense, mapped, normal, sparse, student

_N = (100, 500, 2000)
_REPEATS, _LARGE, _LARGE_REPEATS = 5, 2000, 1  # a table of more than 2000 samples tells as much as five smaller ones
_STRENGTH = 2.0  # of the two tied pairs: correlation 4/5 each


@register("bmi")
def plans(options: SuiteOptions) -> list[Plan]:
    """Plan every task at every n, by default 100, 500 and 2000 samples; five draws each, one beyond 2000."""
    laws = {name: fixed(law) for name, law in tasks().items()}
    return grid(laws, options.n or _N, options.repeats or _repeats)


def _repeats(n: int) -> int:
    return _REPEATS if n <= _LARGE else _LARGE_REPEATS


def tasks() -> dict[str, Law]:
    """The 40 laws by name."""
    return _one_dimensional() | _normal() | _student() | _two_pair_mapped()


def _one_dimensional() -> dict[str, Law]:
    bivariate = normal(dense(1, 0.75), 1)
    cauchy = student(np.eye(2), 1, df=1)
    return {
        "1v1-normal": bivariate,
        "1v1-normal-cdf": mapped(bivariate, maps.normal_cdf, maps.normal_cdf, "normal, mapped"),
        "1v1-bimodal": mapped(bivariate, maps.bimodal_x, maps.bimodal_y, "normal, mapped"),
        "1v1-wiggly": mapped(bivariate, maps.wiggly_x, maps.wiggly_y, "normal, mapped"),
        "1v1-half-cube": mapped(bivariate, maps.half_cube, maps.half_cube, "normal, mapped"),
        "1v1-additive-0.1": additive_noise(0.1),
        "1v1-additive-0.75": additive_noise(0.75),
        "1v1-student-1": cauchy,
        "1v1-asinh-student-1": mapped(cauchy, maps.asinh, maps.asinh, "student, mapped"),
        "2v1-swiss-roll": mapped(bivariate, _rolled_up, maps.normal_cdf, "normal, mapped"),
    }


def _normal() -> dict[str, Law]:
    laws = {f"{d}v{d}-dense": normal(dense(d), d) for d in (2, 3, 5, 25, 50)}
    return laws | {f"{d}v{d}-2pair": two_pair(d) for d in (2, 3, 5, 25)}


def _student() -> dict[str, Law]:
    sizes = ((2, 1), (2, 2), (3, 2), (3, 3), (5, 2), (5, 3))  # (d, df)
    plain = {f"{d}v{d}-student-{df}": student(np.eye(2 * d), d, df) for d, df in sizes}
    softened = {
        f"{d}v{d}-asinh-student-{df}": mapped(plain[f"{d}v{d}-student-{df}"], maps.asinh, maps.asinh, "student, mapped")
        for d, df in ((2, 1), (3, 2), (5, 2))
    }
    return plain | softened


def _two_pair_mapped() -> dict[str, Law]:
    pairs: dict[str, tuple[Map, Map]] = {
        "cdf": (maps.normal_cdf, maps.normal_cdf),
        "half-cube": (maps.half_cube, maps.half_cube),
        "spiral": (maps.spiral_x, maps.spiral_y),
        "spiral-cdf": (_spiral_cdf_x, _spiral_cdf_y),
    }
    return {
        f"{d}v{d}-2pair-{name}": mapped(two_pair(d), *both, "normal, spiral" if "spiral" in name else "normal, mapped")
        for d in (3, 5, 25)
        for name, both in pairs.items()
    }


def two_pair(d: int) -> Law:
    """Normal law of d + d columns in which the first two of each side are tied to their partners."""
    return normal(sparse(d, 2, _STRENGTH), d)


def _rolled_up(v: np.ndarray) -> np.ndarray:
    return maps.swiss_roll(maps.normal_cdf(v))


def _spiral_cdf_x(v: np.ndarray) -> np.ndarray:
    return maps.spiral_x(maps.normal_cdf(v))


def _spiral_cdf_y(v: np.ndarray) -> np.ndarray:
    return maps.spiral_y(maps.normal_cdf(v))
