"""Names of families and transforms."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from data_gen.errors import DataGenError

if TYPE_CHECKING:
    from data_gen.families.base import Family
    from data_gen.transforms.base import Transform

T = TypeVar("T")


class Registry(Generic[T]):
    """Classes by name; a name is given once."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._members: dict[str, type[T]] = {}

    def register(self, name: str) -> Callable[[type[T]], type[T]]:
        """Give a class its name (a decorator); the class keeps it as `name`.

        Raises:
            DataGenError: The name is taken.
        """

        def add(member: type[T]) -> type[T]:
            if name in self._members:
                raise DataGenError(f"{self._kind} {name!r} is registered already; choose another name")
            self._members[name] = member
            member.name = name  # type: ignore[attr-defined]
            return member

        return add

    def get(self, name: str) -> type[T]:
        """Return the class of that name.

        Raises:
            DataGenError: The name is unknown.
        """
        if name not in self._members:
            raise DataGenError(f"unknown {self._kind} {name!r}; known: {', '.join(self.names())}")
        return self._members[name]

    def names(self) -> tuple[str, ...]:
        """Return all names in alphabetical order."""
        return tuple(sorted(self._members))


FAMILIES: "Registry[Family]" = Registry("family")
TRANSFORMS: "Registry[Transform]" = Registry("transform")
