"""Read a whole store, find what is wrong with it, mend what can be mended and describe it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from tyro.conf import Positional

from data_gen.card import Columns, describe, write_card
from data_gen.errors import DataGenError, IncompleteStore
from data_gen.families.base import Truth
from data_gen.generate import Shard, fill, make_table
from data_gen.layout import mend_root
from data_gen.plan import GenerateConfig, config_of
from data_gen.progress import progress_bar
from data_gen.rederive import sampled_truth
from data_gen.rng import from_text, seeded
from data_gen.spec import Spec
from data_gen.store import Store, Table

_NAMED = 20  # problems that the message names; the card names all
# Tables are made again on this machine, whose linear algebra may round the last bits otherwise than the maker's did.
_VALUE_TOLERANCE = 1e-4  # of a column's largest value
_TRUTH_TOLERANCE = 1e-6  # nats
_MOST_ERRORS = 5.0  # standard errors; a right truth is further off once in two million times


@dataclass(frozen=True)
class ValidateConfig:
    """Which store to check, and how.

    Attributes:
        store: Where the store lies: a local path or any fsspec URI.
        repair: Generate missing and damaged shards again, and finish the store.
        truths: Number of tables, chosen at random, that are made again from their specs and compared.
        workers: Worker processes of a repair; 0 for one per core.
        benchmark: File of `python -m data_gen.benchmark`, whose figures the card is to show.
        out: Folder of the card; by default the store's name and ``-card``, beside a local store.
    """

    store: Annotated[str, Positional]
    repair: bool = False
    truths: int = 64
    workers: int = 0
    benchmark: Path | None = None
    out: str | None = None


@dataclass
class _Findings:
    """What a reading of the store found; all but ``others`` can be mended."""

    broken: dict[Shard, str] = field(default_factory=dict)
    unfinished: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    metadata: list[str] = field(default_factory=list)
    entries: list[tuple[str, str, int, int, int, float, float]] = field(default_factory=list)
    digests: dict[bytes, str] = field(default_factory=dict)
    values: int = 0
    compared: int = 0
    sampled: int = 0

    @property
    def problems(self) -> list[str]:
        return [*self.metadata, *self.broken.values(), *self.unfinished, *self.others]


def validate(config: ValidateConfig) -> str:
    """Check a store, mend it if asked to, write its card.

    Returns:
        The folder of the card.

    Raises:
        DataGenError: There is no store, or problems remain; the message names them.
    """
    if config.truths < 0:
        raise DataGenError(f"--truths must be 0 or more; got {config.truths}")
    if config.workers < 0:
        raise DataGenError(f"--workers must be 0 (one per core) or more; got {config.workers}")
    if config.repair and mend_root(config.store):
        print(f"writing again: the root of {config.store}")
    store = Store.open(config.store, require_complete=False)
    recipe = config_of(store) if config.truths or config.repair else None
    findings = _read(store, recipe, config.truths)
    if config.repair and findings.metadata:
        print(f"writing again: metadata of {config.store}")
        store.mend_metadata()
        findings = _read(store, recipe, config.truths)
    if config.repair and recipe is not None and (findings.broken or findings.unfinished or findings.metadata):
        print(f"making again: {', '.join(f'{split} {index}' for split, index in findings.broken) or 'the catalog'}")
        fill(replace(recipe, workers=config.workers), store, sorted(findings.broken))
        findings = _read(store, recipe, config.truths)
    folder = _card(config, store, findings)
    if problems := findings.problems:
        named = "; ".join(problems[:_NAMED]) + ("; ..." if len(problems) > _NAMED else "")
        hint = "" if config.repair else f"; `mist validate {config.store} --repair` makes broken shards again"
        raise DataGenError(
            f"{config.store} has {len(problems)} problem{'s' * (len(problems) > 1)} (all in {folder}): {named}{hint}"
        )
    print(f"{config.store} is sound: {len(findings.entries):,} tables, {findings.compared} made again and equal.")
    print(folder)
    return str(folder)


def _read(store: Store, recipe: GenerateConfig | None, truths: int) -> _Findings:
    """Read every shard; make ``truths`` of its tables again by ``recipe`` and compare."""
    findings = _Findings(metadata=store.metadata_problems())
    picked = _pick(store, truths)
    with progress_bar() as progress:
        bar = progress.add_task("validate", total=sum(store.manifest.tables.values()))
        for shard in store.manifest.shards:
            progress.advance(bar, store.n_tables(*shard))
            try:
                tables = store.read_shard(*shard)
            except IncompleteStore as error:
                findings.broken[shard] = _what(error)
                continue
            _take(findings, shard, tables)
            for row in picked.get(shard, ()):
                assert recipe is not None
                _compare(findings, recipe, (*shard, row), tables[row])
    if not findings.broken:
        findings.unfinished = _catalog_problems(store, findings)
    return findings


def _what(error: IncompleteStore) -> str:
    """What an error says is wrong, without its advice."""
    return str(error).partition(". Run ")[0]


def _pick(store: Store, number: int) -> dict[Shard, list[int]]:
    """Choose tables at random, the same ones at every run, as rows per shard."""
    places = [(shard, row) for shard in store.manifest.shards for row in range(store.n_tables(*shard))]
    picked: dict[Shard, list[int]] = {}
    for choice in seeded(0).choice(len(places), size=min(number, len(places)), replace=False):
        shard, row = places[choice]
        picked.setdefault(shard, []).append(row)
    return picked


def _take(findings: _Findings, shard: Shard, tables: list[Table]) -> None:
    """Note sizes and truths, and tables that were there before."""
    for row, table in enumerate(tables):
        findings.entries.append((shard[0], table.family, *table.x.shape, table.y.shape[1], table.mi_nats, table.stderr))
        findings.values += table.x.size + table.y.size
        digest = hashlib.blake2b(table.x.tobytes(), digest_size=16)
        digest.update(table.y.tobytes())
        here = f"table {row} of shard {shard[0]} {shard[1]}"
        if (first := findings.digests.setdefault(digest.digest(), here)) != here:
            findings.others.append(f"{here} repeats {first}")


def _compare(findings: _Findings, recipe: GenerateConfig, place: tuple[str, int, int], stored: Table) -> None:
    """Make a table again and compare; where the law allows it, find its truth from fresh rows too."""
    made, spec = make_table(recipe, *place)
    joint = Spec.from_json(spec.to_json()).build()  # by way of the JSON, as anyone else would
    here = f"table {place[2]} of shard {place[0]} {place[1]}"
    findings.compared += 1
    if (what := _difference(stored, made, joint.truth())) is not None:
        findings.broken[place[:2]] = f"{here} {what}"
    elif (sampled := sampled_truth(joint.family, from_text(spec.to_json()))) is not None:
        findings.sampled += 1
        if abs(sampled.nats - stored.mi_nats) > _MOST_ERRORS * sampled.stderr:
            rows = f"fresh rows give {sampled.nats:.4f} with standard error {sampled.stderr:.4f}"
            findings.others.append(f"{here} has a true MI of {stored.mi_nats:.4f} nats; {rows}")


def _difference(stored: Table, made: Table, truth: Truth) -> str | None:
    """What differs between a stored table and the same table made again, or None."""
    if stored.family != made.family:
        return f"is of family {stored.family}; its spec is of {made.family}"
    if abs(stored.mi_nats - truth.nats) > _TRUTH_TOLERANCE or abs(stored.stderr - truth.stderr) > _TRUTH_TOLERANCE:
        return f"has a true MI of {stored.mi_nats} nats; its spec gives {truth.nats}"
    for name, there, here in (("x", stored.x, made.x), ("y", stored.y, made.y)):
        if there.shape != here.shape or not (np.abs(there - here) <= _VALUE_TOLERANCE * np.abs(here).max(axis=0)).all():
            return f"has another {name} than its spec gives"
    return None


def _catalog_problems(store: Store, findings: _Findings) -> list[str]:
    """What is wrong with the catalogs of a store whose shards are all sound."""
    if not store.complete:
        return [f"{store.uri} was never finished"]
    problems = []
    for split in store.splits:
        entries = [entry for entry in findings.entries if entry[0] == split]
        try:
            catalog = store.catalog(split)
        except IncompleteStore as error:
            problems.append(_what(error))
            continue
        columns = (catalog.family, catalog.n, catalog.d_x, catalog.d_y, catalog.mi_nats)
        listed = [(split, *entry) for entry in zip(*(column.tolist() for column in columns), strict=True)]
        if listed != [entry[:6] for entry in entries]:
            problems.append(f"the catalog of {split} differs from its shards")
    return problems


def _card(config: ValidateConfig, store: Store, findings: _Findings) -> Path:
    """Write the card beside the store (never inside: a store's bytes depend on its configuration alone)."""
    name = config.store.rstrip("/").removeprefix("file://")
    folder = Path(config.out or f"{name.rsplit('/', 1)[-1] if '://' in name else name}-card")
    if not findings.entries:
        raise DataGenError(f"{config.store} has no readable shard: {'; '.join(findings.problems[:_NAMED])}")
    split, family, n, d_x, d_y, mi_nats, stderr = map(np.array, zip(*findings.entries, strict=True))
    columns = Columns(split=split, family=family, n=n, d_x=d_x, d_y=d_y, mi_nats=mi_nats, stderr=stderr)
    checks = {
        "shards read whole": len(store.manifest.shards) - len(findings.broken),
        "values finite and of the right checksum": findings.values,
        "tables compared pairwise for duplicates": len(findings.entries),
        "tables made again from their specs": findings.compared,
        "truths of normal laws found again from fresh rows": findings.sampled,
    }
    speed = None if config.benchmark is None else _figures(config.benchmark)
    write_card(folder, describe(store.manifest, config.store, columns, checks, findings.problems, speed), columns)
    return folder


def _figures(file: Path) -> dict[str, Any]:
    """The figures of a benchmark.

    Raises:
        DataGenError: There is no such file, or it is of another kind.
    """
    try:
        figures = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataGenError(f"{file} cannot be read ({error}); `python -m data_gen.benchmark` makes one") from error
    if not isinstance(figures, dict) or not {"command", "cases", "speedups", "tables", "machine"} <= set(figures):
        raise DataGenError(f"{file} holds no figures of a benchmark; `python -m data_gen.benchmark` makes some")
    return figures
