"""The estimator of this project: one trained network, predictive quantiles by default and cautious ones beside them."""

import time
from collections.abc import Sequence
from typing import ClassVar

from eval.baselines.base import Baseline, Guess, Pair
from eval.baselines.registry import register_trained


@register_trained
class Ours(Baseline):
    """The trained network of --checkpoint, by default the packaged one: predictive median and quantiles."""

    name: ClassVar[str] = "ours"

    def __init__(self, checkpoint: str | None = None):
        import mist  # with torch behind it, so only where it is asked for

        self.estimator = mist.load() if checkpoint is None else mist.load(checkpoint)
        calibration = self.estimator.checkpoint.calibration
        self.has_cautious = calibration is not None and calibration.cautious is not None

    def estimate_batch(self, pairs: Sequence[Pair]) -> list[Guess]:
        """Estimate in one pass; where one table is refused, each by itself.

        Seconds are those of the default answer alone, shared out evenly: nobody asks for both.
        """
        from mist.errors import MistError

        start = time.process_time()
        try:
            answers = self.estimator.estimate_batch(list(pairs))
        except MistError as refusal:
            if len(pairs) == 1:
                return [Guess(0.0, time.process_time() - start, failed=str(refusal))]
            return [self.estimate(x, y) for x, y in pairs]
        seconds = (time.process_time() - start) / len(pairs)
        cautious = self._cautious(pairs)
        return [Guess(a.mi, seconds, a.taus, a.quantiles, cautious=c) for a, c in zip(answers, cautious, strict=True)]

    def _cautious(self, pairs: Sequence[Pair]) -> list[tuple[float, ...]]:
        if not self.has_cautious:
            return [()] * len(pairs)
        return [answer.quantiles for answer in self.estimator.estimate_batch(list(pairs), cautious=True)]
