"""Multivariate Student laws over the dispersions of the normal families."""

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from scipy.special import digamma, gammaln

from data_gen.errors import DataGenError
from data_gen.families.base import Family, Tails, Truth, log_uniform
from data_gen.families.gaussian import Dense, Gaussian, LatentVariables, Sparse, TwoPairs
from data_gen.families.gaussian_dispersion import Blocks, Factors, Toeplitz, Wishart
from data_gen.families.gaussian_spectrum import Spectrum
from data_gen.registry import FAMILIES


def common_scale_nats(df: float | np.ndarray, d_x: int, d_y: int) -> np.ndarray:
    r"""Return the MI that the common scale of a multivariate Student law carries, in nats.

    c = f(df) + f(df + d_x + d_y) - f(df + d_x) - f(df + d_y) with f(u) = log Gamma(u/2) - (u/2) psi(u/2).

    Reference: Arellano-Valle, Contreras-Reyes and Genton (2013), Scandinavian Journal of Statistics 40.
    """
    df = np.asarray(df, float)
    half = np.stack([df, df + d_x + d_y, df + d_x, df + d_y]) / 2
    f = gammaln(half) - half * digamma(half)
    return f[0] + f[1] - f[2] - f[3]


def _df_of(nats: float, d_x: int, d_y: int) -> float:
    """Return the degrees of freedom, within .7..200, whose common scale carries most nearly that MI."""
    grid = np.logspace(np.log10(200), np.log10(0.7), 32)
    return float(np.exp(np.interp(nats, common_scale_nats(grid, d_x, d_y), np.log(grid))))


@dataclass(frozen=True)
class Student(Family, ABC):
    """Multivariate Student law: a normal law whose rows are each divided by sqrt(chi2(df) / df).

    I is that of the normal law plus common_scale_nats; so columns independent under the normal law depend here.

    Attributes:
        df: Degrees of freedom.
        dispersion: Parameters of the normal law, but for d_x and d_y.
    """

    tails: ClassVar[Tails] = "heavy"
    law: ClassVar[type[Gaussian]]
    df: float
    dispersion: Mapping[str, Any]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.df <= 0:
            raise DataGenError(f"a Student law needs df > 0, got {self.df}")
        _ = self._gaussian  # builds it, and so checks its fields

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw df from U(1, 10), MIST's law; or the scale takes a part of the aim and the dispersion the rest."""
        if aim is None:
            df, rest = float(rng.uniform(1.0, 10.0)), None
        else:
            df = max(log_uniform(rng, 1.0, 30.0), _df_of(aim * rng.uniform(0.3, 1.0), d_x, d_y))
            rest = max(aim - float(common_scale_nats(df, d_x, d_y)), 0.0)
        dispersion = cls.law.draw(rng, d_x, d_y, rest).params()
        return cls(d_x, d_y, df, {key: value for key, value in dispersion.items() if key not in ("d_x", "d_y")})

    @cached_property
    def _gaussian(self) -> Gaussian:
        return self.law.from_params({"d_x": self.d_x, "d_y": self.d_y, **self.dispersion})

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Scale the rows of the normal law; a row keeps one scale for both sides."""
        x, y = self._gaussian.sample(rng, n)
        # Below df = 1 the scale overflows with a visible chance; its floor is out of reach for df >= 1.
        scale = np.sqrt(self.df / np.maximum(rng.chisquare(self.df, size=(n, 1)), 1e-20))
        return x * scale, y * scale

    def truth(self) -> Truth:
        """Closed form."""
        return Truth(self._gaussian.truth().nats + float(common_scale_nats(self.df, self.d_x, self.d_y)))


@FAMILIES.register("student_dense")
@dataclass(frozen=True)
class StudentDense(Student):
    """Student law with equicorrelated dispersion."""

    law = Dense


@FAMILIES.register("student_sparse")
@dataclass(frozen=True)
class StudentSparse(Student):
    """Student law with interacting pairs of columns."""

    law = Sparse


@FAMILIES.register("student_two_pairs")
@dataclass(frozen=True)
class StudentTwoPairs(Student):
    """Student law with two interacting pairs of columns."""

    law = TwoPairs


@FAMILIES.register("student_lvm")
@dataclass(frozen=True)
class StudentLatentVariables(Student):
    """Student law with the dispersion of the latent variable model."""

    law = LatentVariables


@FAMILIES.register("student_spectrum")
@dataclass(frozen=True)
class StudentSpectrum(Student):
    """Student law with prescribed canonical correlations of the dispersion."""

    law = Spectrum


@FAMILIES.register("student_toeplitz")
@dataclass(frozen=True)
class StudentToeplitz(Student):
    """Student law whose dispersion is that of a chain."""

    law = Toeplitz


@FAMILIES.register("student_blocks")
@dataclass(frozen=True)
class StudentBlocks(Student):
    """Student law whose dispersion has equicorrelated blocks."""

    law = Blocks


@FAMILIES.register("student_factors")
@dataclass(frozen=True)
class StudentFactors(Student):
    """Student law whose dispersion has low-rank factors."""

    law = Factors


@FAMILIES.register("student_wishart")
@dataclass(frozen=True)
class StudentWishart(Student):
    """Student law whose dispersion is a Wishart matrix."""

    law = Wishart


@FAMILIES.register("student_identity")
@dataclass(frozen=True)
class StudentIdentity(Student):
    """Student law with identity dispersion: dependence through the common scale alone."""

    law = Dense

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dispersion != {"rho": 0.0}:
            raise DataGenError(f'student_identity needs the dispersion {{"rho": 0.0}}, got {dict(self.dispersion)}')

    @classmethod
    def draw(cls, rng: np.random.Generator, d_x: int, d_y: int, aim: float | None = None) -> Self:
        """Draw df from U(1, 10), or the df between .7 and 100 whose MI is nearest to the aim."""
        if aim is None:
            return cls(d_x, d_y, float(rng.uniform(1.0, 10.0)), {"rho": 0.0})
        return cls(d_x, d_y, _df_of(aim, d_x, d_y), {"rho": 0.0})
