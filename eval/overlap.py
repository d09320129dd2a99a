"""Which laws of a suite a trained network has met before: its checkpoint's own record against the plan."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from eval.suites import Suite


def notes(suite: Suite, checkpoint: str | None) -> list[str]:
    """What a reader of this network's figures on this suite must know, a sentence each; none if there is nothing.

    Args:
        suite: A planned suite.
        checkpoint: Folder of the network; None for the packaged one.

    Raises:
        mist.errors.CheckpointError: There is no such checkpoint.
    """
    if not suite.families:
        return []
    record = provenance(checkpoint)
    trained = families_in([record.get(key) for key in ("data", "also", "training")])  # the last: weights begun with
    fitted = families_in(record.get("calibration"))
    if not trained:
        return ["The checkpoint does not say on which families it was trained, so no family here counts as unseen."]
    found = [_told("the network was trained on", sorted(trained & set(suite.families)))]
    found.append(_told("its intervals were fitted on", sorted((fitted - trained) & set(suite.families))))
    if not fitted:
        found.append(_shifted(record.get("calibration")))
    return [note for note in found if note]


def provenance(checkpoint: str | None) -> dict[str, Any]:
    """What a checkpoint says of the data, the calibration and the runs that made it."""
    from mist.checkpoint import CONFIG, locate
    from mist.estimator import PACKAGED

    folder = locate(PACKAGED if checkpoint is None else Path(checkpoint))
    return json.loads((folder / CONFIG).read_text("utf-8"))["provenance"]


def families_in(record: Any) -> set[str]:
    """Families with a share in any prior of a record, however deep it lies; of a product of families, those as well."""
    found: set[str] = set()
    for prior in _priors(record):
        if prior.get("mist_share", 0) < 1:
            found |= {name for name, weight in prior["families"].items() if weight > 0}
        if prior.get("mist_share", 0) > 0:
            found |= {law[0] for law in prior.get("mist_laws", ())}
    return found


def _priors(record: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(record, Mapping):
        if isinstance(record.get("families"), Mapping):
            yield record
        for value in record.values():
            yield from _priors(value)
    elif isinstance(record, list | tuple):
        for value in record:
            yield from _priors(value)


def _told(what: str, names: list[str]) -> str:
    return (
        f"NOT unseen: {what} {', '.join(names)}; figures of these families say nothing about new laws." if names else ""
    )


def _shifted(calibration: Any) -> str:
    """A calibration that names its further meta-datasets but not their families leaves a question, which is told."""
    names = [Path(name).name for name in calibration.get("shifted", ())] if isinstance(calibration, Mapping) else []
    if not names:
        return ""
    return (
        f"The cautious intervals were fitted on further meta-datasets ({', '.join(names)}); if those hold families of "
        "this suite, their coverage here is not that of new laws."
    )
