"""Which code and which network a result comes from: what makes a stored result stale.

A result is kept as long as nothing that could change it has changed: the source of the suites and of the estimators,
the numerical libraries, the trained network, a user's own files. Cautious by design: an edit that changes nothing costs
a run, a stale result costs its reader's trust.
"""

import hashlib
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path
from platform import python_version

_ROOT = Path(__file__).parent.parent
_NUMERICAL = ("numpy", "scipy", "torch", "scikit-learn", "nflows", "ennemi")
_PACKAGES = ("mist-mi", *_NUMERICAL)
_TRAINED = "ours"  # the one estimator with a checkpoint; its source is all of `mist`


def packages() -> dict[str, str]:
    """Versions of Python and of the libraries behind the figures."""
    known = {name: _package(name) for name in _PACKAGES}
    return {"python": python_version()} | {name: version for name, version in known.items() if version}


def of_checkpoint(checkpoint: str | None) -> str:
    """Name a checkpoint by what its answers depend on, so not by its card; None is the packaged one."""
    from mist.checkpoint import CARD, SUMS, locate
    from mist.estimator import PACKAGED

    sums = (locate(PACKAGED if checkpoint is None else Path(checkpoint)) / SUMS).read_text("utf-8").splitlines()
    digest = hashlib.sha256("\n".join(line for line in sums if line.split()[-1] != CARD).encode()).hexdigest()[:16]
    return f"{'packaged' if checkpoint is None else Path(checkpoint).name} sha256:{digest}"


def of_result(suite: str, estimator: str, checkpoint: str | None) -> str:
    """Sixteen hexadecimal digits that change with anything a result of this estimator on this suite depends on."""
    parts = [_source("eval/suites"), _source("data_gen"), _source("eval/baselines")]
    parts += [f"{name} {_package(name)}" for name in _NUMERICAL]
    if estimator.partition("+")[0] == _TRAINED:
        parts += [_source("mist"), of_checkpoint(checkpoint).rpartition(":")[2]]
    if Path(suite).is_dir():
        parts.append(_files(sorted(path for path in Path(suite).rglob("*") if path.is_file())))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def of_all(results: Iterable[str]) -> str:
    """Sixteen hexadecimal digits for several of `of_result`, whatever their order."""
    return hashlib.sha256("\n".join(sorted(results)).encode()).hexdigest()[:16]


@cache
def _source(folder: str) -> str:
    return _files(sorted(path for path in (_ROOT / folder).rglob("*") if path.suffix in (".py", ".cpp", ".h")))


def _files(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


@cache
def _package(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:  # run from a checkout, or an optional library that is not installed
        return None
