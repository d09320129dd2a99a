"""Records: frozen dataclasses whose fields are JSON values, so that each is data as well as an object."""

import dataclasses
import json
from collections.abc import Mapping
from functools import cache
from typing import Any, Self

from data_gen.errors import DataGenError


def canonical(value: Any) -> str:
    """Write a JSON value in the one way that equal values share; floats survive the round trip exactly."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _freeze(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(_freeze(entry) for entry in value)
    if isinstance(value, dict):
        return {key: _freeze(entry) for key, entry in value.items()}
    return value


@cache
def _names(record: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(record))


@dataclasses.dataclass(frozen=True)
class Record:
    """A frozen dataclass whose fields are all JSON values: numbers, strings, booleans, tuples and dicts of them."""

    def params(self) -> dict[str, Any]:
        """Return the fields as a dict that JSON can hold."""
        return {name: getattr(self, name) for name in _names(type(self))}  # type: ignore[arg-type]  # a class is hashable

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Self:
        """Build the record from its fields; lists, as JSON has them, become tuples.

        Raises:
            DataGenError: A field is unknown, missing or of an impossible value.
        """
        fields = {field.name: field for field in dataclasses.fields(cls)}
        unknown = sorted(set(params) - set(fields))
        required = (name for name, field in fields.items() if field.default is dataclasses.MISSING)
        missing = sorted(set(required) - set(params))
        if unknown or missing:
            raise DataGenError(
                f"{cls.__name__} got unknown fields {unknown} and misses {missing}; its fields are {', '.join(fields)}"
            )
        return cls(**{name: _freeze(value) for name, value in params.items()})
