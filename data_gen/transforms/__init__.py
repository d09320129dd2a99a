"""Injective maps of one side, one file per kind; importing the package registers them all."""

from data_gen.transforms import (  # noqa: F401  (imported for their registrations)
    flow,
    linear,
    noise_columns,
    pointwise,
    redundant,
    spiral,
)
