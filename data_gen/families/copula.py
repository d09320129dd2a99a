r"""Archimedean copulas with normal margins: Clayton, Gumbel, Frank, Joe and one of dependence in both tails.

An Archimedean copula has a generator psi (the Laplace transform of a positive frailty V): U_i = psi(E_i / V) with
exponential E_i. Its density is psi''(t) / (psi'(t_u) psi'(t_v)) with t_u = psi^{-1}(u) and t = t_u + t_v. As t has the
density t psi''(t), and t_u the density -psi'(t_u), mutual information is a sum of one-dimensional integrals,

    I = int t psi'' log psi'' dt - 2 int (-psi') log(-psi') dt.

References: Marshall and Olkin (1988), JASA 83; McNeil and Neslehova (2009), Annals of Statistics 37.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri_exp

from data_gen.families.copula_pairs import PairedCopula
from data_gen.registry import FAMILIES

_POINTS = 3000  # of the trapezoid rule in log t, which converges exponentially: steps stay below 1


@dataclass(frozen=True)
class Copula(PairedCopula, ABC):
    """Pairs of columns under an Archimedean copula."""

    @classmethod
    def scores(cls, rng: np.random.Generator, theta: float, n: int) -> np.ndarray:
        """Divide exponentials by a shared frailty, then take normal scores."""
        log_t = np.log(rng.standard_exponential((n, 2))) - cls.log_frailty(rng, theta, n)[:, None]
        return ndtri_exp(np.minimum(cls.log_psi(theta, log_t), -1e-300))

    @classmethod
    def pair_nats(cls, theta: float) -> float:
        """Return the quadrature; see the file."""
        log_t = np.linspace(*cls.range_of_log_t(theta), _POINTS)
        log_slope, log_curve = cls.log_slopes(theta, log_t)
        integrand = np.exp(2 * log_t + log_curve) * log_curve - 2 * np.exp(log_t + log_slope) * log_slope
        return float(np.trapezoid(integrand, log_t))

    @classmethod
    @abstractmethod
    def log_frailty(cls, rng: np.random.Generator, theta: float, n: int) -> np.ndarray:
        """Draw logarithms of the frailty, (n,)."""

    @classmethod
    @abstractmethod
    def log_psi(cls, theta: float, log_t: np.ndarray) -> np.ndarray:
        """Return log psi(t)."""

    @classmethod
    @abstractmethod
    def log_slopes(cls, theta: float, log_t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return log(-psi'(t)) and log psi''(t)."""

    @classmethod
    @abstractmethod
    def range_of_log_t(cls, theta: float) -> tuple[float, float]:
        """Return where t psi'(t) and t^2 psi''(t) are above 1e-17 or so."""


def _log_q(log_t: np.ndarray) -> np.ndarray:
    """Return log(1 - exp(-t)), also where t underflows."""
    t = np.exp(np.maximum(log_t, -40))
    return np.where(log_t < -30, log_t, np.where(t > 1, np.log1p(-np.exp(-np.maximum(t, 1))), np.log(-np.expm1(-t))))


def _log_stable(rng: np.random.Generator, theta: float, n: int) -> np.ndarray:
    """Draw logarithms of positive stable numbers of index 1/theta, (n,)."""
    a, angle = 1 / theta, np.pi * rng.uniform(1e-12, 1 - 1e-12, n)
    log_ratio = np.log(np.sin((1 - a) * angle)) - np.log(rng.standard_exponential(n))
    return np.log(np.sin(a * angle)) - theta * np.log(np.sin(angle)) + (theta - 1) * log_ratio


@FAMILIES.register("clayton")
@dataclass(frozen=True)
class Clayton(Copula):
    """Clayton copula: dependence in the lower tail; psi(t) = (1 + t)^(-1/theta), frailty Gamma(1/theta)."""

    low = 0.1
    high = 60.0

    @classmethod
    def log_frailty(cls, rng: np.random.Generator, theta: float, n: int) -> np.ndarray:
        """Draw log Gamma(a) as log Gamma(a + 1) + log(U) / a, which does not underflow."""
        return np.log(rng.standard_gamma(1 + 1 / theta, n)) - theta * rng.standard_exponential(n)

    @classmethod
    def log_psi(cls, theta: float, log_t: np.ndarray) -> np.ndarray:
        """Return log psi(t)."""
        return -np.logaddexp(0.0, log_t) / theta

    @classmethod
    def log_slopes(cls, theta: float, log_t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return log(-psi'(t)) and log psi''(t)."""
        a, log_1t = 1 / theta, np.logaddexp(0.0, log_t)
        return np.log(a) - (a + 1) * log_1t, np.log(a * (a + 1)) - (a + 2) * log_1t

    @classmethod
    def range_of_log_t(cls, theta: float) -> tuple[float, float]:
        """Return where the integrands live."""
        return -45.0, 45.0 * theta + 45.0


@FAMILIES.register("gumbel")
@dataclass(frozen=True)
class Gumbel(Copula):
    """Gumbel copula: dependence in the upper tail; psi(t) = exp(-t^(1/theta)), frailty positive stable."""

    low = 0.05
    high = 30.0
    origin = 1.0

    @classmethod
    def log_frailty(cls, rng: np.random.Generator, theta: float, n: int) -> np.ndarray:
        """Draw by Kanter (1975), "Stable densities under change of scale"."""
        return _log_stable(rng, theta, n)

    @classmethod
    def log_psi(cls, theta: float, log_t: np.ndarray) -> np.ndarray:
        """Return log psi(t)."""
        return -np.exp(log_t / theta)

    @classmethod
    def log_slopes(cls, theta: float, log_t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return log(-psi'(t)) and log psi''(t)."""
        a, power = 1 / theta, np.exp(log_t / theta)  # power = t^a
        common = np.log(a) - power
        return common + (a - 1) * log_t, common + (a - 2) * log_t + np.log(a * power + 1 - a)

    @classmethod
    def range_of_log_t(cls, theta: float) -> tuple[float, float]:
        """Return where the integrands live."""
        return -45.0 * theta, 4.5 * theta


@FAMILIES.register("frank")
@dataclass(frozen=True)
class Frank(Copula):
    """Frank copula: no tail dependence; psi(t) = -log(1 - (1 - exp(-theta)) exp(-t)) / theta, frailty logarithmic."""

    low = 0.4
    high = 150.0

    @classmethod
    def log_frailty(cls, rng: np.random.Generator, theta: float, n: int) -> np.ndarray:
        """Draw by Kemp (1981), "Efficient generation of logarithmically distributed pseudo-random variables"."""
        log_q = _log_q(np.log(theta * rng.uniform(1e-300, 1.0, n)))
        return np.log1p(np.floor(-rng.standard_exponential(n) / np.minimum(log_q, -1e-300)))

    @classmethod
    def log_psi(cls, theta: float, log_t: np.ndarray) -> np.ndarray:
        """Return log psi(t)."""
        return np.log(-cls._log_rest(theta, log_t) / theta)

    @classmethod
    def log_slopes(cls, theta: float, log_t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return log(-psi'(t)) and log psi''(t)."""
        common = np.log(-np.expm1(-theta) / theta) - np.exp(log_t)
        rest = cls._log_rest(theta, log_t)
        return common - rest, common - 2 * rest

    @staticmethod
    def _log_rest(theta: float, log_t: np.ndarray) -> np.ndarray:
        """Return log(1 - (1 - exp(-theta)) exp(-t)), by whichever form does not cancel."""
        t = np.exp(log_t)
        return np.where(
            t > 1, np.log1p(np.expm1(-theta) * np.exp(-np.maximum(t, 1))), np.logaddexp(_log_q(log_t), -theta - t)
        )

    @classmethod
    def range_of_log_t(cls, theta: float) -> tuple[float, float]:
        """Return where the integrands live."""
        return -theta - 45.0, 4.0


@FAMILIES.register("joe")
@dataclass(frozen=True)
class Joe(Copula):
    """Joe copula: strong dependence in the upper tail; psi(t) = 1 - (1 - exp(-t))^(1/theta), frailty Sibuya."""

    low = 0.08
    high = 40.0
    origin = 1.0

    @classmethod
    def log_frailty(cls, rng: np.random.Generator, theta: float, n: int) -> np.ndarray:
        """Draw a geometric number whose chance of success is Beta(1/theta, 1 - 1/theta): a Sibuya number."""
        chance = np.maximum(rng.beta(1 / theta, 1 - 1 / theta, n), 1e-300)
        return np.log(np.maximum(np.ceil(rng.standard_exponential(n) / -np.log1p(-np.minimum(chance, 1 - 1e-16))), 1.0))

    @classmethod
    def log_psi(cls, theta: float, log_t: np.ndarray) -> np.ndarray:
        """Return log psi(t)."""
        log_power = np.minimum(_log_q(log_t) / theta, 0.0)
        small = np.exp(log_t) > 30  # psi = 1 - (1 - exp(-t))^(1/theta) tends to exp(-t) / theta
        return np.where(small, -np.exp(log_t) - np.log(theta), np.log1p(-np.minimum(np.exp(log_power), 1 - 1e-16)))

    @classmethod
    def log_slopes(cls, theta: float, log_t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return log(-psi'(t)) and log psi''(t)."""
        a, t, log_q = 1 / theta, np.exp(log_t), _log_q(log_t)
        common = np.log(a) - t
        bracket = np.log1p(-a * np.exp(-t))  # log of (1 - a) exp(-t) + q
        return common + (a - 1) * log_q, common + (a - 2) * log_q + bracket

    @classmethod
    def range_of_log_t(cls, theta: float) -> tuple[float, float]:
        """Return where the integrands live."""
        return -45.0 * theta, 4.0


@FAMILIES.register("both_tails")
@dataclass(frozen=True)
class BothTails(Copula):
    """Dependence in both tails, the stronger in the lower one; psi(t) = 1 / (1 + t^(1/theta)).

    Its frailty is a positive stable number times Exp(1)^theta. Even theta -> 1 is Clayton's copula of parameter 1.

    Reference: Nelsen (2006), "An introduction to copulas", family 4.2.12.
    """

    low = 0.02
    high = 30.0
    origin = 1.0

    @classmethod
    def log_frailty(cls, rng: np.random.Generator, theta: float, n: int) -> np.ndarray:
        """Draw the product."""
        return _log_stable(rng, theta, n) + theta * np.log(rng.standard_exponential(n))

    @classmethod
    def log_psi(cls, theta: float, log_t: np.ndarray) -> np.ndarray:
        """Return log psi(t)."""
        return -np.logaddexp(0.0, log_t / theta)

    @classmethod
    def log_slopes(cls, theta: float, log_t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return log(-psi'(t)) and log psi''(t)."""
        a, log_p = 1 / theta, log_t / theta  # p = t^a
        log_1p = np.logaddexp(0.0, log_p)
        bracket = np.logaddexp(np.log1p(-a), np.log1p(a) + log_p)
        return np.log(a) + (a - 1) * log_t - 2 * log_1p, np.log(a) + (a - 2) * log_t - 3 * log_1p + bracket

    @classmethod
    def range_of_log_t(cls, theta: float) -> tuple[float, float]:
        """Return where the integrands live."""
        return -45.0 * theta, 45.0 * theta
