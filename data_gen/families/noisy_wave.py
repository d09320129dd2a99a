"""Functions of many periods seen through noise: waves, zigzags, saws, chirps, wavelets, rings, octaves, pulses."""

from dataclasses import dataclass

import numpy as np

from data_gen.families.base import log_uniform
from data_gen.families.noisy_function import NoisyFunction
from data_gen.registry import FAMILIES


@FAMILIES.register("noisy_waves")
@dataclass(frozen=True)
class NoisyWaves(NoisyFunction):
    """A sinusoid of 3 to 10 periods over -1..1."""

    @classmethod
    def draw_shape(cls, rng: np.random.Generator) -> float:
        """Draw the number of periods."""
        return log_uniform(rng, 3.0, 10.0)

    def rows_needed(self) -> float:
        """Eight rows for each half period (guess)."""
        return 16.0 * self.shape

    @staticmethod
    def f(s: np.ndarray, shape: float) -> np.ndarray:
        """Return the sine of the input."""
        return np.sin(np.pi * shape * s)


@FAMILIES.register("noisy_ripples")
@dataclass(frozen=True)
class NoisyRipples(NoisyFunction):
    """A cosine of the inputs' distance from 0: rings in two inputs, shells in three."""

    most_inputs = 3
    summary = "norm"

    @classmethod
    def draw_shape(cls, rng: np.random.Generator) -> float:
        """Draw the number of periods per unit of distance."""
        return float(rng.uniform(0.5, 2.5))

    def rows_needed(self) -> float:
        """Eight rows for each half period in every input (guess)."""
        return 8.0 * max(4 * self.shape, 1.0) ** self.inputs

    @staticmethod
    def f(s: np.ndarray, shape: float) -> np.ndarray:
        """Return the cosine of the radius."""
        return np.cos(2 * np.pi * shape * s)


@FAMILIES.register("noisy_zigzag")
@dataclass(frozen=True)
class NoisyZigzag(NoisyFunction):
    """A triangle wave of 2 to 10 periods over -1..1, of the sum of the inputs."""

    most_inputs = 2

    @classmethod
    def draw_shape(cls, rng: np.random.Generator) -> float:
        """Draw the number of periods."""
        return log_uniform(rng, 2.0, 10.0)

    def rows_needed(self) -> float:
        """Eight rows for each half period in every input (guess)."""
        return 8.0 * (2 * self.shape) ** self.inputs

    @staticmethod
    def f(s: np.ndarray, shape: float) -> np.ndarray:
        """Return the triangle wave of the sum, from 0 to 1 and back in each period."""
        return 2 * np.abs(shape * s / 2 - np.rint(shape * s / 2))


@FAMILIES.register("noisy_target")
@dataclass(frozen=True)
class NoisyTarget(NoisyFunction):
    """Rings of equal width about 0 whose values alternate between 0 and 1: stripes in one input, shells in three."""

    most_inputs = 3
    summary = "norm"

    @classmethod
    def draw_shape(cls, rng: np.random.Generator) -> float:
        """Draw the number of rings per unit of distance."""
        return float(np.floor(log_uniform(rng, 2.0, 9.0)))

    def rows_needed(self) -> float:
        """Eight rows for each ring in every input (guess)."""
        return 8.0 * (2 * self.shape) ** self.inputs

    @staticmethod
    def f(s: np.ndarray, shape: float) -> np.ndarray:
        """Return the value of the ring."""
        return np.floor(shape * s) % 2


@FAMILIES.register("noisy_sawtooth")
@dataclass(frozen=True)
class NoisySawtooth(NoisyFunction):
    """A ramp that starts again at equal distances from 0: a saw in one input, shells in three."""

    most_inputs = 3
    summary = "norm"

    @classmethod
    def draw_shape(cls, rng: np.random.Generator) -> float:
        """Draw the number of ramps per unit of distance."""
        return log_uniform(rng, 1.0, 5.0)

    def rows_needed(self) -> float:
        """Eight rows for each half ramp in every input (guess)."""
        return 8.0 * (4 * self.shape) ** self.inputs

    @staticmethod
    def f(s: np.ndarray, shape: float) -> np.ndarray:
        """Return how far up its ramp each distance is, from 0 to 1."""
        return shape * s - np.floor(shape * s)


@FAMILIES.register("noisy_chirp")
@dataclass(frozen=True)
class NoisyChirp(NoisyFunction):
    """A sinusoid of the sum of the inputs whose frequency grows from one end to the other."""

    most_inputs = 2

    @classmethod
    def draw_shape(cls, rng: np.random.Generator) -> float:
        """Draw the number of periods over -1..1."""
        return log_uniform(rng, 2.0, 8.0)

    def rows_needed(self) -> float:
        """Eight rows for each half of the shortest period in every input (guess)."""
        return 8.0 * (4 * self.shape) ** self.inputs

    @staticmethod
    def f(s: np.ndarray, shape: float) -> np.ndarray:
        """Return the sine of the squared distance from -1, half of the periods in the last .29 of the way to 1."""
        return np.sin(np.pi * shape * (s + 1) ** 2 / 2)


@FAMILIES.register("noisy_wavelet")
@dataclass(frozen=True)
class NoisyWavelet(NoisyFunction):
    """A cosine of the sum of the inputs under a bell: nothing to see at the ends."""

    most_inputs = 2

    @classmethod
    def draw_shape(cls, rng: np.random.Generator) -> float:
        """Draw the number of periods per unit."""
        return log_uniform(rng, 1.0, 4.0)

    def rows_needed(self) -> float:
        """Eight rows for each half period in every input (guess)."""
        return 8.0 * (4 * self.shape) ** self.inputs

    @staticmethod
    def f(s: np.ndarray, shape: float) -> np.ndarray:
        """Return the wavelet."""
        return np.cos(2 * np.pi * shape * s) * np.exp(-4 * np.square(s))


@FAMILIES.register("noisy_beats")
@dataclass(frozen=True)
class NoisyBeats(NoisyFunction):
    """The mean of two sinusoids of near frequencies, which swells and fades."""

    @classmethod
    def draw_shape(cls, rng: np.random.Generator) -> float:
        """Draw the number of periods of the slower one over -1..1."""
        return log_uniform(rng, 2.0, 8.0)

    def rows_needed(self) -> float:
        """Eight rows for each half period of the quicker one (guess)."""
        return 21.0 * self.shape

    @staticmethod
    def f(s: np.ndarray, shape: float) -> np.ndarray:
        """Return the mean."""
        return 0.5 * (np.sin(np.pi * shape * s) + np.sin(1.3 * np.pi * shape * s))


@FAMILIES.register("noisy_octaves")
@dataclass(frozen=True)
class NoisyOctaves(NoisyFunction):
    """Four sinusoids, each of twice the frequency and .7 of the height of the one before: rough at every width.

    Reference: Weierstrass (1872), whose sum of all octaves has no slope anywhere.
    """

    @classmethod
    def draw_shape(cls, rng: np.random.Generator) -> float:
        """Draw the number of periods of the slowest one over -1..1."""
        return log_uniform(rng, 0.5, 2.0)

    def rows_needed(self) -> float:
        """Eight rows for each half period of the quickest one (guess)."""
        return 128.0 * self.shape

    @staticmethod
    def f(s: np.ndarray, shape: float) -> np.ndarray:
        """Return the sum over 1.4, whose standard deviation is that of a sinusoid."""
        return sum(0.7**k * np.sin(2**k * np.pi * shape * s) for k in range(4)) / 1.4


@FAMILIES.register("noisy_pulses")
@dataclass(frozen=True)
class NoisyPulses(NoisyFunction):
    """A train of short pulses at equal distances in the sum of the inputs, low between them."""

    most_inputs = 2

    @classmethod
    def draw_shape(cls, rng: np.random.Generator) -> float:
        """Draw the number of pulses over -1..1."""
        return log_uniform(rng, 2.0, 8.0)

    def rows_needed(self) -> float:
        """Eight rows for each quarter of the distance of two pulses in every input (guess)."""
        return 8.0 * (4 * self.shape) ** self.inputs

    @staticmethod
    def f(s: np.ndarray, shape: float) -> np.ndarray:
        """Return pulses of height 2 that are above 1 in a quarter of the time, shaped like von Mises's density."""
        return 2 * np.exp(2.4 * (np.cos(np.pi * shape * s) - 1))


@FAMILIES.register("noisy_comb")
@dataclass(frozen=True)
class NoisyComb(NoisyFunction):
    """A square wave of the product of the inputs: two levels, with edges along hyperbolas where two inputs are."""

    most_inputs = 2
    summary = "product"

    @classmethod
    def draw_shape(cls, rng: np.random.Generator) -> float:
        """Draw the number of periods over -1..1."""
        return log_uniform(rng, 1.5, 6.0)

    def rows_needed(self) -> float:
        """Eight rows for each half period of one input, which spans -2..2, twice that of two (guess)."""
        return 32.0 * self.shape * self.inputs

    @staticmethod
    def f(s: np.ndarray, shape: float) -> np.ndarray:
        """Return -1 or 1."""
        return np.where(np.sin(np.pi * shape * s) < 0, -1.0, 1.0)
