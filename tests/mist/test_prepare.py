"""Bad input gets one clear error, odd input a notice, and every kind of container the same table."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from mist.errors import DimensionError, InputError
from mist.prepare import Limits, check, one_thread, tabulate

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 2)), RNG.normal(size=40)
NAMES = ["age", "bmi"]


def spoiled(value: object, cells: tuple[tuple[int, int], ...] = ((3, 1),)) -> np.ndarray:
    x = X.astype(object) if isinstance(value, str) else X.copy()
    for cell in cells:
        x[cell] = value
    return x


REFUSED = {
    "lengths": (X, Y[:30], "got 40 rows of x and 30 rows of y"),
    "transposed": (X.T, Y, "is one of them transposed"),
    "too few": (X[:7], Y[:7], "got 7 rows, wanted at least 8"),
    "nan": (
        spoiled(np.nan, ((3, 1), (5, 1), (3, 0))),
        Y,
        r"NaN or infinity in 2 of 40 rows of x, columns x\[0\], x\[1\]; drop",
    ),
    "infinity": (X, np.where(np.arange(40) == 4, np.inf, Y), "in 1 of 40 rows of y, columns y"),
    "text": (pd.DataFrame(X, columns=NAMES).assign(sex="f"), Y, "not numeric: sex"),
    "numbers as text": (X.astype(str), Y, r"not numeric: x\[0\], x\[1\]"),
    "object": (spoiled("high"), Y, r"not numeric: x\[1\]"),
    "dates": (np.arange(40).astype("datetime64[D]"), Y, "not numeric: x"),
    "complex": (X + 1j, Y, "not numeric"),
    "complex tensor": (torch.ones(40, dtype=torch.complex64), Y, "not numeric"),
    "no rows": (np.empty((0, 2)), np.empty(0), r"empty x of shape \(0, 2\)"),
    "no columns": (np.empty((40, 0)), Y, "empty x"),
    "no polars columns": (pl.DataFrame(), Y, "empty x"),
    "3-D": (X[None], Y, "got x with 3 dimensions"),
    "scalar": (X, 3.0, "got y of type float, wanted an array"),
    "generator": ((value for value in range(40)), Y, "got x of type generator, wanted an array"),
    "sparse": (torch.eye(40).to_sparse(), Y, "got a sparse x"),
    "polars dates": (pl.DataFrame({"day": pl.Series(range(40)).cast(pl.Date), "age": Y}), Y, "not numeric: day"),
    "masked text": (np.ma.masked_equal(["a", "b"] * 20, "a"), Y, "not numeric: x"),
    "ragged": ([[1, 2], [3]] * 8, Y[:16], "not a regular array"),
    "masked": (np.ma.masked_greater(X, 1.5), Y, "NaN or infinity in"),
    "pandas NA": (pd.array([*range(39), None], dtype="Int64"), Y, "in 1 of 40 rows of x"),
    "polars null": (pl.Series("age", [*range(39), None]), Y, "in 1 of 40 rows of x, columns age"),
    "None": ([*range(39), None], Y, "in 1 of 40 rows of x"),
}


@pytest.mark.parametrize(("x", "y", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_with_one_line_that_says_what_to_do(x, y, message):
    with pytest.raises(InputError, match=message) as caught:
        check(x, y)
    assert "\n" not in str(caught.value)


CONTAINERS = {
    "numpy": (X, Y),
    "torch": (torch.from_numpy(X), torch.from_numpy(Y)),
    "torch with gradient": (torch.tensor(X, requires_grad=True), torch.tensor(Y, requires_grad=True)),
    "pandas": (pd.DataFrame(X, columns=NAMES), pd.Series(Y, name="y")),
    "polars": (pl.DataFrame(X, schema=NAMES), pl.Series("y", Y)),
    "lists": (X.tolist(), Y.tolist()),
    "objects": (X.astype(object), Y.astype(object)),
    "column": (X, Y[:, None]),
}


@pytest.mark.parametrize(("x", "y"), CONTAINERS.values(), ids=CONTAINERS.keys())
def test_every_container_gives_the_same_table(x, y):
    table = check(x, y)
    np.testing.assert_array_equal(table.x, X)
    np.testing.assert_array_equal(table.y, Y[:, None])
    assert table.x.dtype == table.y.dtype == np.float64
    assert table.notices == ()


@pytest.mark.parametrize("kind", [bool, np.int8, np.uint16, np.int64, np.float16, np.float32])
def test_truth_values_and_integers_are_numbers(kind):
    values = np.arange(40) % 2
    np.testing.assert_array_equal(check(values.astype(kind), Y).x[:, 0], values)


def test_inputs_are_left_alone():
    x = X.copy()
    check(x, Y).x[:] = 0
    np.testing.assert_array_equal(x, X)


def codes(x, y, **options) -> list[str]:
    return [notice.code for notice in check(x, y, **options).notices]


@pytest.mark.parametrize("dtype", ["int64", "uint64", object, "torch"])
def test_whole_numbers_that_floats_confuse_are_told_apart(dtype):
    small = np.random.default_rng(3).permutation(40)
    large = torch.from_numpy(small + 2**60) if dtype == "torch" else (small + 2**60).astype(dtype)
    table = check(large, Y)
    assert table.kept[0].all()
    np.testing.assert_array_equal(np.argsort(table.x[:, 0]), np.argsort(small))
    huge = check([10**400 + int(value) for value in small], Y)
    np.testing.assert_array_equal(huge.x, table.x)


def test_odd_values_are_answered_with_a_notice():
    assert codes(np.c_[X, np.ones(40)], Y) == ["constant"]
    assert codes(X.round(), Y) == ["ties"]
    assert codes(np.c_[X, np.exp(Y)], Y) == ["copy"]
    assert codes(np.c_[X, -Y], Y) == ["copy"]
    assert codes(np.r_[X, X[:2]], np.r_[Y, Y[:2]]) == ["repeated_rows"]
    assert codes(np.c_[X, 1.8 * X[:, 0] + 32], Y) == ["repeated_columns"]
    assert codes(np.c_[X, -X[:, 0]], Y) == ["repeated_columns"]
    assert codes(pd.Series(Y).sort_values(), pd.Series(X[:, 0])) == ["row_labels"]
    assert codes(pd.Series(Y), pd.DataFrame(X)) == codes(pd.Series(Y, index=[*"abcd"] * 10), X) == []
    assert codes(np.arange(40) % 3, np.arange(40) % 2) == ["ties"]  # repeated rows are normal in discrete data
    text = str(check(np.c_[X, np.ones(40)], Y).notices[0])
    assert "x column x[2] never varies" in text
    text = str(check(X, np.c_[Y, Y, Y > 0, np.exp(Y)]).notices[-1])
    assert text.endswith("are left out: y column y[1], y column y[3]")


def test_columns_that_can_tell_nothing_are_not_kept():
    table = check(np.c_[X, np.ones(40), X], np.zeros(40))
    assert [kept.tolist() for kept in table.kept] == [[True, True, False, False, False], [False]]
    assert table.constant
    np.testing.assert_array_equal(table.informative()[0], X)
    late = np.r_[X[:-1, :1], [[99.0]]]  # the same but for the last row
    assert check(np.c_[X[:, 0], late], Y).kept[0].all()


def test_sizes_outside_of_the_trained_range():
    limits = Limits(n_min=10, n_max=30, d_max=1)
    with pytest.raises(
        DimensionError, match=r"2 columns in x and 1 in y; .* at most 1 per side.*allow_untrained_dimensions=True"
    ):
        check(X[:20], Y[:20], limits=limits)
    assert codes(X[:20], Y[:20], limits=limits, allow_untrained_dimensions=True) == ["untrained_dimensions"]
    assert codes(X[:, 0], Y, limits=limits) == ["untrained_n"]
    assert codes(X[:9, 0], Y[:9], limits=limits) == ["untrained_n"]
    assert codes(X[:10, 0], Y[:10], limits=limits) == []


def test_tabulate_keeps_the_order_of_ragged_tables():
    sizes = [(20, 1, 2), (30, 2, 2), (20, 1, 2), (20, 2, 1), (30, 2, 2)]
    tables = [(RNG.normal(size=(n, d_x)), RNG.normal(size=(n, d_y))) for n, d_x, d_y in sizes]
    batch = tabulate(tables)
    assert list(zip(batch.n.tolist(), batch.d_x.tolist(), batch.d_y.tolist(), strict=True)) == sizes
    for index, table in enumerate(tables):
        torch.testing.assert_close(tabulate([table]).anchors[0], batch.anchors[index])


def test_the_number_of_threads_is_restored():
    former = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == former
