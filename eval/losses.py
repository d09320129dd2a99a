"""Where ours loses: groups of tables in which another estimator errs less, or in which the interval is too narrow."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from eval import paired
from eval.metrics import Mean

LOSSES = ("where", "tables", "ours (MAE)", "better", "its MAE", "difference")
NARROW = ("where", "tables", "ours covers", "ours, cautious")
OURS = "ours"
LEVEL = "0.9"
SURE = 3.0  # standard errors: of hundreds of comparisons about one in 700 is that far off by chance
_FEWEST = 10  # tables of a group that may be shown
_ANSWERED = 0.9  # share of a group's tables that an estimator must have answered to be held against ours

Row = tuple[float, list[str]]  # how bad it is, and the cells that say so


def losses(name: str, suite: Mapping[str, Any]) -> Iterator[Row]:
    """Groups in which another estimator errs less than ours, beyond chance, by the difference in nats.

    Those count that answered nine tables in ten of the group, on the tables that they answered: a failure counts as 0,
    which at independence is the truth.
    """
    sections = suite["estimators"]
    if OURS not in sections:
        return
    ours = paired.errors(suite, OURS)
    others = {other for other, section in sections.items() if other != OURS and "variant_of" not in section}
    errors = {other: paired.errors(suite, other) for other in sorted(others)}
    answered = {other: np.array([value is not None for value in sections[other]["estimate"]]) for other in errors}
    for (kind, group), mask in paired.groups(suite).items():
        found = [
            (paired.difference(errors[other], ours, mask & answered[other]), other)
            for other in errors
            if _shown(kind, mask) and answered[other][mask].mean() >= _ANSWERED
        ]
        sure = [(mean.value, other) for mean, other in found if mean.value > SURE * mean.stderr]
        if sure:
            value, other = max(sure)
            both = mask & answered[other]
            means = (Mean.of(ours[both]), Mean.of(errors[other][both]), paired.difference(errors[other], ours, both))
            cells = [f"{mean.value:.3f} ± {mean.stderr:.3f}" for mean in means]
            yield value, [_where(name, kind, group), str(int(both.sum())), cells[0], other, *cells[1:]]


def narrow(name: str, suite: Mapping[str, Any]) -> Iterator[Row]:
    """Groups in which the default interval holds the truth less often than it says, beyond chance, by the lack."""
    held, cautious = (_held(suite, section) for section in (OURS, f"{OURS}, cautious"))
    if held is None:
        return
    for (kind, group), members in paired.groups(suite).items():
        mask = members & _scored(suite["estimators"][OURS])
        if not _shown(kind, mask):
            continue
        count, nominal = int(mask.sum()), float(LEVEL)
        lack = nominal - held[mask].mean()
        if lack > SURE * np.sqrt(nominal * (1 - nominal) / count):
            beside = "–" if cautious is None else f"{100 * cautious[mask].mean():.1f} %"
            yield lack, [_where(name, kind, group), str(count), f"{100 * held[mask].mean():.1f} %", beside]


def _held(suite: Mapping[str, Any], name: str) -> np.ndarray | None:
    """Whether the interval holds the truth, (T,), ends included and both rounded alike; None without intervals."""
    section = suite["estimators"].get(name)
    if section is None or "low" not in section:
        return None
    low, high = (np.array([value or 0.0 for value in section[end]]) for end in ("low", "high"))
    mi_nats = np.round(suite["tables"]["mi_nats"], 4)
    return (low <= mi_nats) & (mi_nats <= high)


def _scored(section: Mapping[str, Any]) -> np.ndarray:
    """Whether an interval counts, (T,): it is there, or missing because the estimate failed; relations have none."""
    return np.array(
        [low is not None or value is None for low, value in zip(section["low"], section["estimate"], strict=True)]
    )


def _shown(kind: str, mask: np.ndarray) -> bool:
    return mask.sum() >= _FEWEST and (kind == "all" or not mask.all())


def _where(suite: str, kind: str, group: str) -> str:
    return suite if kind == "all" else f"{suite}, {kind} {group}"
