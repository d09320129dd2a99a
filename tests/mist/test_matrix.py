"""Matrices of pairs: symmetric, in the order given, and written in three ways."""

import csv

import matplotlib.image
import numpy as np
import pandas as pd
import polars as pl
import pytest

import mist
from mist.matrix import mi_matrix


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    age = rng.normal(size=60)
    return pd.DataFrame({"age": age, "bmi": age + rng.normal(size=60), "<blood>": rng.normal(size=60)})


@pytest.fixture(scope="module")
def matrix(frame, estimator):
    return mi_matrix(frame, estimator=estimator)


@pytest.fixture(scope="module")
def against(frame, estimator):
    return mi_matrix(frame, target="bmi", estimator=estimator)


def test_all_pairs_are_symmetric_and_a_column_with_itself_is_left_out(matrix, frame, estimator):
    assert matrix.rows == matrix.columns == tuple(frame.columns)
    np.testing.assert_array_equal(matrix.mi, matrix.mi.T)
    assert np.isnan(np.diag(matrix.mi)).all()
    assert matrix.estimates["age", "bmi"].mi == pytest.approx(
        estimator.estimate(frame["age"], frame["bmi"]).mi, abs=1e-4
    )


def test_against_a_column(against, matrix):
    assert against.rows == ("age", "<blood>")
    assert against.columns == ("bmi",)
    assert against.mi[0, 0] == pytest.approx(matrix.estimates["age", "bmi"].mi, abs=1e-4)


def test_every_kind_of_frame_gives_the_same(matrix, frame, estimator):
    for other in (pl.DataFrame(frame.to_dict("list")), frame.to_dict("list"), frame.to_numpy()):
        np.testing.assert_allclose(mi_matrix(other, estimator=estimator).mi, matrix.mi)


def test_names_are_text_and_differ(frame, estimator, matrix):
    twice = frame.set_axis(["a", "a", "b"], axis=1)
    with pytest.raises(mist.InputError, match="more than one column named 'a'"):
        mi_matrix(twice, estimator=estimator)
    with pytest.raises(mist.InputError, match="column 'a' with 2 dimensions"):
        mi_matrix({"a": frame[["age", "bmi"]], "b": frame["age"]}, estimator=estimator)
    numbered = mi_matrix(frame.to_numpy(), target=1, estimator=estimator)
    assert numbered.mi[0, 0] == matrix.mi[0, 1]


def test_masked_values_are_missing(frame, estimator):
    masked = np.ma.masked_less(frame.to_numpy(), -1.5)
    with pytest.raises(mist.InputError, match=r"pair \d of 3: got NaN or infinity in .* columns \d"):
        mi_matrix(masked, estimator=estimator)


def test_a_dollar_in_a_name_is_a_dollar(frame, estimator, tmp_path):
    for target in (None, "b"):
        priced = mi_matrix(frame.set_axis(["a $x_$", "b", "c"], axis=1), target=target, estimator=estimator)
        priced.save(tmp_path / "priced.png")


def test_frames_come_back_as_frames(matrix, against):
    assert list(matrix.to_frame().columns) == ["age", "bmi", "<blood>"]
    assert matrix.to_frame().loc["age", "bmi"] == matrix.mi[0, 1]
    assert list(against.to_frame().columns) == ["mi", "low", "high"]


def test_records_hold_each_pair_once_and_the_strongest_first(matrix):
    records = matrix.records()
    assert len(records) == 3
    assert [r["mi"] for r in records] == sorted((r["mi"] for r in records), reverse=True)
    assert all(r["low"] <= r["mi"] <= r["high"] for r in records)


@pytest.mark.parametrize("name", ["matrix", "against"])
def test_saved_in_three_ways(name, request, tmp_path):
    table = request.getfixturevalue(name).to("bits")
    page = table.save(tmp_path / "new" / "m.html").read_text()
    assert "&lt;blood&gt;" in page
    assert "<blood>" not in page
    assert "bits" in page
    with table.save(tmp_path / "m.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["mi"]) for row in rows] == [r["mi"] for r in table.records()]
    assert matplotlib.image.imread(table.save(tmp_path / "m.png")).ndim == 3


def test_errors_say_what_to_do(frame, matrix, estimator, tmp_path):
    with pytest.raises(mist.InputError, match="got target 'height', wanted one of age, bmi"):
        mi_matrix(frame, target="height", estimator=estimator)
    with pytest.raises(mist.InputError, match="got 1 columns, wanted at least 2"):
        mi_matrix(frame[["age"]], estimator=estimator)
    with pytest.raises(mist.InputError, match="not numeric: sex"):
        mi_matrix(frame.assign(sex="f"), estimator=estimator)
    with pytest.raises(mist.InputError, match=r"ends with \.html, \.csv, \.png"):
        matrix.save(tmp_path / "m.pdf")
    with pytest.raises(mist.InputError, match="1 dimensions, wanted a frame"):
        mi_matrix(np.ones(20), estimator=estimator)
