"""The card's tables by n, columns, true MI and family."""

import numpy as np
import pytest
import torch

from mist.prepare import tabulate
from mist.quantiles import LEVELS, MEDIAN
from training.breakdown import Answers, breakdown
from training.tokens import Labelled


@pytest.fixture
def tables():
    rng = np.random.default_rng(3)
    shapes = [(16, 1, 1)] * 3 + [(40, 2, 3)] * 5
    batch = tabulate([(rng.normal(size=(n, a)), rng.normal(size=(n, b))) for n, a, b in shapes])
    return Labelled(batch, torch.linspace(0.0, 3.5, 8), torch.tensor([0, 0, 0, 1, 1, 1, 1, 1]))


def spread_around(centre, width):
    return centre.unsqueeze(1) + width * (torch.tensor(LEVELS) - 0.5)


def test_every_table_is_counted_once_in_every_cut(tables):
    text = breakdown("set", Answers(tables, ("b", "a"), spread_around(tables.mi_nats, 1.0), None))
    for cut in ("| n |", "| d_x + d_y |", "| true MI |", "| family |"):
        rows = text[text.index(cut) :].split("\n\n")[0].splitlines()[2:]
        assert sum(int(row.split("|")[2]) for row in rows if row.startswith("|")) >= len(tables)
    assert text.index("| a | 5 |") < text.index("| b | 3 |")


def test_coverage_and_bias_are_those_of_the_answers(tables):
    shifted = spread_around(tables.mi_nats + 0.48, 1.0)  # only the 98 % interval and wider ones reach the truth
    text = breakdown("set", Answers(tables, ("a", "b"), shifted, spread_around(tables.mi_nats, 1.0)))
    row = next(line for line in text.splitlines() if line.startswith("| a | 3 |"))
    assert (
        row
        == "| a | 3 | 0.480 ± 0.000 | 0.480 ± 0.000 | 0.000 ± 0.000 | 0.000 ± 0.000 | 0.000 ± 0.000 | 1.000 ± 0.000 |"
    )


def test_the_gallery_begins_with_the_worst(tables):
    quantiles = spread_around(tables.mi_nats, 0.1)
    quantiles[4] += 9.0
    text = breakdown("set", Answers(tables, ("a", "b"), quantiles, None))
    first = text[text.index("| worst tables") :].splitlines()[2]
    assert first.startswith("| b | 40 | 2 + 3 |")
    assert f"{float(quantiles[4, MEDIAN]):.3f}" in first
