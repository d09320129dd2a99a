"""A trained model that answers: one table in, mutual information with a calibrated interval out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import log
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mist import checkpoint
from mist.batch import Batch
from mist.checkpoint import Checkpoint
from mist.errors import CheckpointError, InputError
from mist.forward import Forward
from mist.notices import Array, Notice
from mist.prepare import Limits, Table, check, on_cpu, one_thread, tabulate
from mist.quantiles import LEVELS, MEDIAN, interpolate, mean, of_a_constant
from mist.statistics import summarise

PACKAGED = Path(__file__).parent / "pretrained"
NATS_PER = {"nats": 1.0, "bits": log(2.0)}
# Tables are answered in chunks of at most so many rows and tables, to bound memory (guess).
CHUNK_ROWS = 50_000
CHUNK_TABLES = 256
# Smooth ranks compare all pairs of rows: 5e7 numbers are 0.4 GB, and a gradient keeps a few copies.
SMOOTH_PAIRS = 5e7
MOST_THREADS = 4  # guess: more would mostly wait for the interpreter


@dataclass(frozen=True, repr=False)
class Estimate:
    """The predictive distribution of one table's mutual information.

    Attributes:
        quantiles: Calibrated quantiles at ``taus``, in ``unit``, increasing.
        level: Nominal coverage of ``interval``.
        n: Rows of the table.
        d_x: Columns of x.
        d_y: Columns of y.
        notices: What the reader of the answer should know; empty if nothing.
        unit: "nats" or "bits".
        taus: The levels of ``quantiles``.
    """

    quantiles: tuple[float, ...]
    level: float
    n: int
    d_x: int
    d_y: int
    notices: tuple[Notice, ...] = ()
    unit: str = "nats"
    taus: tuple[float, ...] = LEVELS

    @property
    def mi(self) -> float:
        """The predictive median."""
        return self.quantile(0.5)

    @property
    def interval(self) -> tuple[float, float]:
        """The central interval (low, high) that holds the true value with probability ``level``."""
        return self.quantile(0.5 - self.level / 2), self.quantile(0.5 + self.level / 2)

    @property
    def mean(self) -> float:
        """The predictive mean."""
        levels = torch.tensor(self.taus, dtype=torch.float64)
        return float(mean(torch.tensor([self.quantiles], dtype=torch.float64), levels)[0])

    def quantile(self, tau: float) -> float:
        """The predictive quantile of a level.

        Raises:
            InputError: The level is outside of those that were learned and calibrated, .005 to .995.
        """
        if not isinstance(tau, Real):
            raise InputError(f"got tau = {tau!r}, wanted one number; ask for several quantiles one by one")
        # An interval's level is a difference of two taus: 1e-12 forgives its rounding.
        if not self.taus[0] - 1e-12 <= tau <= self.taus[-1] + 1e-12:
            raise InputError(
                f"got tau = {tau}, wanted one from {self.taus[0]} to {self.taus[-1]}; no tail beyond was learned"
            )
        return float(interpolate(np.array([self.quantiles]), self.taus, tau)[0])

    def to(self, unit: str) -> "Estimate":
        """The same estimate in "nats" or "bits".

        Raises:
            InputError: The unit is another.
        """
        if unit not in NATS_PER:
            raise InputError(f"got unit {unit!r}, wanted one of {', '.join(NATS_PER)}")
        factor = NATS_PER[self.unit] / NATS_PER[unit]
        return replace(self, quantiles=tuple(value * factor for value in self.quantiles), unit=unit)

    def __float__(self) -> float:
        """The predictive median."""
        return self.mi

    def __str__(self) -> str:
        """One line: median, interval, size."""
        low, high = self.interval
        interval = f"{100 * self.level:g}% interval [{low:.3f}, {high:.3f}]"
        return f"{self.mi:.3f} {self.unit}, {interval} (n={self.n}, {self.d_x}+{self.d_y})"

    __repr__ = __str__


class Estimator:
    """A checkpoint on a device. Made by ``load``; the same call gives the same answer."""

    def __init__(self, model: Checkpoint, device: torch.device):
        self.checkpoint = model
        self.device = device
        self._network = model.network.to(device).eval().requires_grad_(False)
        self._forward = Forward(self._network)

    def estimate(
        self, x: Any, y: Any, level: float = 0.9, cautious: bool = False, allow_untrained_dimensions: bool = False
    ) -> Estimate:
        """Mutual information between x and y, with an interval.

        Args:
            x: One side, (n,) or (n, d_x): numpy, torch, pandas, polars.
            y: The other side, (n,) or (n, d_y), row i belonging to row i of x.
            level: Nominal coverage of the interval, in (0, .99].
            cautious: Use wider offsets, fitted on laws that the network never saw as well.
            allow_untrained_dimensions: Answer for more columns than the model was trained on, with a notice.

        Returns:
            The estimate, in nats.

        Raises:
            InputError: The arrays or the level cannot be answered for; the message says why and what to do.
            DimensionError: A side has more columns than the model was trained on.
            CheckpointError: ``cautious`` was asked of a checkpoint without cautious offsets.
        """
        return self.estimate_batch([(x, y)], level, cautious, allow_untrained_dimensions)[0]

    def estimate_batch(
        self,
        tables: Sequence[tuple[Any, Any]],
        level: float = 0.9,
        cautious: bool = False,
        allow_untrained_dimensions: bool = False,
    ) -> list[Estimate]:
        """Many tables of any shapes, in chunks; arguments and errors as for ``estimate``.

        A copy of the tables is kept until all are answered; beyond that, memory does not grow with their number.

        Returns:
            One estimate per table, in the order given.
        """
        level = _checked_level(level)
        self._check_cautious(cautious)
        checked = _check_all(tables, self.checkpoint.limits, allow_untrained_dimensions)
        answers = {
            index: self._estimate(table, of_a_constant(len(table.x), LEVELS), level)
            for index, table in enumerate(checked)
            if table.constant
        }
        sides = {index: table.informative() for index, table in enumerate(checked) if index not in answers}
        for members in _chunks(sides):
            # Inference mode saves a tenth of the time of small tables, whose cost is the number of calls.
            with torch.inference_mode(), on_cpu():
                batch = tabulate([sides[index] for index in members], _threads())
                quantiles = self.quantiles(batch, cautious)
            for index, row in zip(members, quantiles.tolist(), strict=True):
                answers[index] = self._estimate(checked[index], row, level)
        return [answers[index] for index in range(len(checked))]

    def quantiles(self, batch: Batch, cautious: bool = False) -> Tensor:
        """Calibrated quantiles in nats of tables already summarised, (B, K) float64 on the CPU."""
        with torch.no_grad(), one_thread():
            raw = self._forward(batch.to(self.device), _threads())  # (B, K)
        calibration = self.checkpoint.calibration
        if calibration is None:
            return raw.double().cpu()
        explained = batch.anchors[:, calibration.explained_by]
        return calibration.apply(raw, batch.n, batch.d_x + batch.d_y, explained, cautious)

    def differentiable(self, x: Tensor, y: Tensor) -> Tensor:
        """The predictive median as a scalar with a gradient to x and y, for use inside a larger objective.

        Ranks are replaced by smooth ones, so the value differs from ``estimate``'s: little where columns are spread as
        normal ones are, much where they have heavy tails or outliers, which a map of the column should tame first.
        Memory grows with n^2.

        Args:
            x: One side, (n,) or (n, d_x), a floating-point tensor.
            y: The other side, (n,) or (n, d_y).

        Returns:
            Mutual information in nats, a scalar on x's device.

        Raises:
            InputError: x or y is not a tensor, or as for ``estimate``.
        """
        for name, side in (("x", x), ("y", y)):
            if not isinstance(side, Tensor):
                raise InputError(
                    f"got {name} of type {type(side).__name__}, wanted a torch tensor; a gradient needs one"
                )
            if not side.is_floating_point():
                raise InputError(
                    f"got {name} of {side.dtype}, wanted a floating-point tensor; convert it, as by .float()"
                )
        table = check(x, y, self.checkpoint.limits)
        _check_smooth_size(table)
        if table.constant:
            return ((x.sum() + y.sum().to(x)) * 0.0).to(x.dtype)
        left, right = (
            side.double().cpu().reshape(1, len(side), -1)[..., torch.from_numpy(kept)]  # (1, n, d)
            for side, kept in zip((x, y), table.kept, strict=True)
        )
        with one_thread(), on_cpu():
            batch = summarise(left, right, differentiable=True)
            leaky = self._network.leaky(batch.to(self.device))[0, MEDIAN]  # a gradient also where the median is 0
        return (leaky + (leaky.clamp_min(0.0) - leaky).detach()).to(x.device, x.dtype)

    def __repr__(self) -> str:
        """What it is, where it runs and what it was trained on."""
        limits = self.checkpoint.limits
        state = "calibrated" if self.checkpoint.calibration else "not calibrated"
        trained = f"n {limits.n_min} to {limits.n_max}, up to {limits.d_max} columns per side"
        return f"Estimator({self.device}, {state}, {trained})"

    def _check_cautious(self, cautious: bool) -> None:
        if cautious and self.checkpoint.calibration is None:
            raise CheckpointError("got cautious=True for a checkpoint that was never calibrated; run `mist calibrate`")

    def _estimate(self, table: Table, quantiles: list[float], level: float) -> Estimate:
        notices = table.notices
        if self.checkpoint.calibration is None:
            notices += (Notice("uncalibrated", "this checkpoint is not calibrated; run `mist calibrate`"),)
        n, d_x = table.x.shape
        return Estimate(tuple(quantiles), level, n, d_x, table.y.shape[1], notices)


def load(path: str | Path | None = None, device: str = "auto") -> Estimator:
    """A trained model, ready to answer; needs no network.

    Args:
        path: A checkpoint's or a training run's folder; None for the weights in this package.
        device: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", ...

    Raises:
        CheckpointError: The checkpoint is absent, damaged, incomplete or of another version.
        InputError: The device is not there.
    """
    return _packaged(device) if path is None else _loaded(path, device)


def estimate_mi(x: Any, y: Any, level: float = 0.9, cautious: bool = False) -> Estimate:
    """Mutual information by the weights in this package; as ``load().estimate(x, y, level, cautious)``."""
    return load().estimate(x, y, level, cautious)


@cache
def _packaged(device: str) -> Estimator:
    return _loaded(PACKAGED, device)


def _loaded(path: str | Path, device: str) -> Estimator:
    with torch.inference_mode(False), on_cpu():  # weights made in inference mode would refuse a gradient for good
        return Estimator(checkpoint.load(path), _device(device))


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device).item()
    except (RuntimeError, AssertionError, TypeError) as error:
        raise InputError(
            f"got device {name!r}, which torch cannot use here; wanted 'auto', 'cpu' or a GPU's name"
        ) from error
    return device


def _threads() -> int:
    """Threads for statistics: as many as torch may use, which a caller can set, but no more than MOST_THREADS."""
    return min(torch.get_num_threads(), MOST_THREADS)


def _check_all(tables: Sequence[tuple[Any, Any]], limits: Limits, allow_untrained_dimensions: bool) -> list[Table]:
    """Every table as `check` returns it; where there are several, a refusal says which one it is about."""
    checked = []
    for number, pair in enumerate(tables, start=1):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise InputError(
                f"got {type(pair).__name__} as pair {number} of {len(tables)}, wanted (x, y), both of one table"
            )
        try:
            checked.append(check(*pair, limits, allow_untrained_dimensions))
        except InputError as error:
            if len(tables) == 1:
                raise
            raise type(error)(f"pair {number} of {len(tables)}: {error}") from error
    return checked


def _checked_level(level: Any) -> float:
    widest = LEVELS[-1] - LEVELS[0]
    if not isinstance(level, Real) or not 0 < float(level) <= widest + 1e-6:  # forgives a float32
        raise InputError(f"got level = {level!r}, wanted one above 0 and at most {widest:g}; 0.9 means a 90 % interval")
    return min(float(level), widest)


def _check_smooth_size(table: Table) -> None:
    n, columns = len(table.x), table.x.shape[1] + table.y.shape[1]
    if n * n * columns > SMOOTH_PAIRS:
        most = int((SMOOTH_PAIRS / columns) ** 0.5)
        raise InputError(
            f"got n = {n} with {columns} columns, wanted n of at most {most}; draw a random minibatch of rows"
        )


def _chunks(tables: Mapping[int, tuple[Array, Array]]) -> Iterator[list[int]]:
    """Numbers of tables, equal shapes side by side, in chunks of bounded size."""
    order = sorted(tables, key=lambda index: [side.shape for side in tables[index]])
    chunk: list[int] = []
    rows = 0
    for index in order:
        size = len(tables[index][0])
        if chunk and (rows + size > CHUNK_ROWS or len(chunk) == CHUNK_TABLES):
            yield chunk
            chunk, rows = [], 0
        chunk.append(index)
        rows += size
    if chunk:
        yield chunk
