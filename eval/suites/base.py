"""A suite: a named, seeded list of cases, each drawn only when it is looked at and always the same."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from numpy.random import Generator

from data_gen.rng import stream
from eval.suites.laws import Floats, Law, Violation


@dataclass(frozen=True)
class Case:
    """One table with its truth.

    Attributes:
        key: Unique within the suite; with the suite's name and seed it fixes every bit of the table.
        task: The cell of the suite to which it belongs.
        family: Name of its law.
        x: One side, (n, d_x).
        y: The other side, (n, d_y).
        mi_nats: True mutual information.
        stderr: Its standard error, 0 for a closed form.
        group: A cut through the suite that its report shows by itself; empty for none.
        others: Further tables, for a case that holds estimates against each other instead of against a truth.
        violation: Of such a case, the nats by which the estimates of (x, y) and of the others, in this order,
            contradict each other. It takes the place of the estimate, and `mi_nats` is 0.
    """

    key: str
    task: str
    family: str
    x: Floats
    y: Floats
    mi_nats: float
    stderr: float = 0.0
    group: str = ""
    others: tuple[tuple[Floats, Floats], ...] = ()
    violation: Violation | None = None

    @property
    def tables(self) -> list[tuple[Floats, Floats]]:
        """All tables that are to be estimated, (x, y) first."""
        return [(self.x, self.y), *self.others]


@dataclass(frozen=True)
class Plan:
    """A case that is not drawn yet.

    Attributes:
        task: The cell of the suite to which it belongs.
        n: Number of samples.
        repeat: Which draw of this task and n it is.
        law: Makes the law; what it leaves to chance comes from the generator.
        group: A cut through the suite that its report shows by itself; empty for none.
        family: Name of the law in the registry of `data_gen`, if that is where it comes from and it is known already.
    """

    task: str
    n: int
    repeat: int
    law: Callable[[Generator], Law]
    group: str = ""
    family: str | None = None

    @property
    def key(self) -> str:
        """Name of the case, unique within its suite."""
        return f"{self.task}/n={self.n}/{self.repeat}"


@dataclass(frozen=True)
class Suite(Sequence[Case]):
    """A named list of cases. Its tables come from the test split, under root seeds far from those of training.

    Attributes:
        name: Name in the registry.
        seed: Which of the suite's many possible drawings; 0 is the one that is quoted.
        plans: One per case.
        note: What a reader of its figures must know, a sentence or two, or nothing.
    """

    name: str
    seed: int
    plans: tuple[Plan, ...]
    note: str = ""

    def __len__(self) -> int:
        return len(self.plans)

    def __getitem__(self, index: int) -> Case:  # type: ignore[override]
        plan = self.plans[index]
        rng = stream(ROOT + self.seed, "test", _code(self.name), _code(plan.key))
        law = plan.law(rng)
        (x, y), *others = law.tables(rng, plan.n)
        told = (law.mi_nats, law.stderr, plan.group, tuple(others), law.violation)
        return Case(plan.key, plan.task, law.family, x, y, *told)

    def __iter__(self) -> Iterator[Case]:
        return (self[index] for index in range(len(self)))

    @property
    def families(self) -> list[str]:
        """Laws of `data_gen` that the suite was planned from, so far as that is known before they are drawn."""
        return sorted({plan.family for plan in self.plans if plan.family is not None})

    @property
    def keys(self) -> list[str]:
        """Keys of all cases, in order, without drawing any."""
        return [plan.key for plan in self.plans]


@dataclass(frozen=True)
class SuiteOptions:
    """What may be chosen about a suite.

    Attributes:
        seed: Root of all its randomness.
        n: Numbers of samples; empty for the suite's own.
        repeats: Draws of each task and n; None for the suite's own.
        tables: At most so many cases, spread evenly over the suite; None for all.
    """

    seed: int = 0
    n: tuple[int, ...] = ()
    repeats: int | None = None
    tables: int | None = None


Planner = Callable[[SuiteOptions], list[Plan]]

SUITES: dict[str, Planner] = {}
NOTES: dict[str, str] = {}

ROOT = 760_000_000  # arbitrary; the test split alone already keeps these streams apart from those of training


def register(name: str, note: str = "") -> Callable[[Planner], Planner]:
    """Add a function that plans a suite to the registry, with what a reader of its figures must know."""

    def add(plans: Planner) -> Planner:
        if name in SUITES:
            raise ValueError(f"got a second suite named {name!r}; wanted a name of its own: rename one")
        SUITES[name], NOTES[name] = plans, note
        return plans

    return add


def grid(
    tasks: dict[str, Callable[[Generator], Law]],
    n: Sequence[int],
    repeats: int | Callable[[int], int],
    group: Callable[[str, int], str] = lambda task, n: "",
) -> list[Plan]:
    """Every task at every n.

    Args:
        tasks: Laws by the name of their task.
        n: Numbers of samples.
        repeats: Draws of each task, the same for all n or as a function of n.
        group: (task, n) -> the cut of the suite to which the case belongs.
    """
    draws = {size: repeats if isinstance(repeats, int) else repeats(size) for size in n}
    return [
        Plan(task, size, r, law, group(task, size))
        for task, law in tasks.items()
        for size in n
        for r in range(draws[size])
    ]


def fixed(law: Law) -> Callable[[Generator], Law]:
    """A task whose law leaves nothing to chance."""
    return lambda rng: law


def _code(text: str) -> int:
    """A stable number for a name: a case stays the same table whatever other cases the suite holds."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
