"""Real pictures have the truth of their labels, and checks without a truth measure what they say."""

import math

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.svm import SVC

from eval.baselines import build
from eval.errors import EvalError
from eval.suites import SuiteOptions, consistency, real, suite

VIEWS = [(digits, view) for digits, views in real.LOSSES.items() for view in views if view != "label"]


@pytest.fixture
def rng():
    return np.random.default_rng(4)


def folds(seed: int) -> StratifiedKFold:
    return StratifiedKFold(10, shuffle=True, random_state=seed)


def log_loss(digits: tuple[int, ...], view: str) -> float:
    """Log loss of a classifier on pictures that it has not seen, plus two standard errors."""
    pools = real.view(digits, view)
    rows, labels = np.vstack(pools), np.repeat(np.arange(len(pools)), [len(pool) for pool in pools])
    machine = SVC(C=10, gamma=1 / (rows.shape[1] * rows.var()))
    scores = 2 * cross_val_predict(machine, rows, labels, cv=folds(0), method="decision_function").reshape(
        len(rows), -1
    )
    scale = LogisticRegression(max_iter=2000)
    chances = cross_val_predict(scale, scores, labels, cv=folds(1), method="predict_proba")
    losses = -np.log(chances[np.arange(len(rows)), labels])
    return losses.mean() + 2 * losses.std() / math.sqrt(losses.size)


@pytest.mark.parametrize(
    ("digits", "view"), [pytest.param(*one, marks=[pytest.mark.slow] if len(one[0]) == 10 else []) for one in VIEWS]
)
def test_pictures_hide_no_more_of_their_label_than_is_written(digits, view):
    assert 0.5 * real.LOSSES[digits][view] < log_loss(digits, view) <= real.LOSSES[digits][view]


def test_no_picture_stands_for_two_digits():
    bundled = load_digits()
    known = {tuple(row): label for row, label in zip(bundled.data, bundled.target, strict=True)}
    assert len(known) == len(bundled.data)


@pytest.mark.parametrize("view", ["pixels", "pca4", "pca16"])
def test_views_vary_in_every_column(view):
    rows = np.vstack(real.view((0, 1), view))
    assert rows.shape[1] == {"pixels": 52, "pca4": 4, "pca16": 16}[view]
    assert (np.ptp(rows, axis=0) > 0).all()


def test_ends_of_the_truth_enclose_that_of_the_labels():
    law = real.pictures((0, 1), "pca4", "pca4", 0.0)
    assert law.mi_nats + law.stderr == pytest.approx(math.log(2))
    assert law.stderr == pytest.approx(0.005)
    independent = real.pictures((0, 1, 4, 6), "pixels", "label", 0.75)
    assert (independent.mi_nats, independent.stderr) == (0, 0)


def test_sides_show_the_labels_of_the_channel(rng):
    """With the label in view on both sides, the table of counts is that of the channel."""
    law = real.pictures((0, 1, 4, 6), "label", "label", 0.4)
    x, y = law.draw(rng, 6000)
    assert set(np.unique(x)) == {0, 1, 4, 6}
    assert (x == y).mean() == pytest.approx(0.6, abs=4 * math.sqrt(0.6 * 0.4 / 6000))
    assert law.stderr == 0


def test_no_picture_comes_twice_on_a_side_at_the_sizes_of_the_suite(rng):
    for digits, view, n in (((0, 1), "pca4", 300), ((0, 1, 4, 6), "pca16", 600), (tuple(range(10)), "pixels", 1000)):
        x, _ = real.pictures(digits, view, view, 0.0).draw(rng, n)
        assert len(np.unique(x, axis=0)) == n


def test_dependence_of_pictures_can_be_seen(rng):
    x, y = real.pictures((0, 1), "pca4", "pca4", 0.0).draw(rng, 300)
    assert build("ksg").estimate(x, y).mi_nats == pytest.approx(math.log(2), abs=0.15)


def test_columns_stay_within_64():
    assert all(max(case.x.shape[1], case.y.shape[1]) <= 64 for case in suite("real", SuiteOptions(tables=30)))


@pytest.mark.parametrize("name", consistency.DATA_SETS)
def test_data_sets_are_finite_and_vary(name):
    rows = consistency.data_set(name)
    assert np.isfinite(rows).all()
    assert (np.ptp(rows, axis=0) > 0).all()


def test_checks_have_the_tables_that_they_compare():
    parts = {"shuffled": 1, "doubled": 3, "function rounded": 2, "function folded": 2, "function fewer": 2}
    cases = list(suite("self-consistency", SuiteOptions(repeats=1, n=(40,))))
    assert len(cases) == len(parts) * len(consistency.DATA_SETS)
    for case in cases:
        assert len(case.tables) == parts[case.group]
        assert {len(side) for table in case.tables for side in table} == {40}
        assert case.mi_nats == 0


def test_halves_stand_side_by_side():
    case = next(case for case in suite("self-consistency", SuiteOptions(repeats=1, n=(40,))) if case.group == "doubled")
    (x, y), *both = case.tables
    assert (np.hstack([part for part, _ in both]) == x).all()
    assert (np.hstack([part for _, part in both]) == y).all()


@pytest.mark.parametrize("function", [consistency.rounded, consistency.folded])
def test_functions_of_y_depend_on_nothing_else(function, rng):
    y = rng.integers(0, 8, (60, 2)).astype(float)
    made = function(y)
    for column in range(2):
        pairs = {(before, after) for before, after in zip(y[:, column], made[:, column], strict=True)}
        assert 1 < len(np.unique(made[:, column])) < len(np.unique(y[:, column]))
        assert len(pairs) == len(np.unique(y[:, column]))


def test_violations_are_those_of_the_estimates():
    cases = {case.group: case for case in suite("self-consistency", SuiteOptions(repeats=1, n=(40,)))}
    assert cases["shuffled"].violation([0.2]) == 0.2
    assert cases["doubled"].violation([0.5, 0.3, 0.4]) == pytest.approx(-0.2)
    assert cases["function fewer"].violation([0.5, 0.4]) == 0
    assert cases["function fewer"].violation([0.5, 0.6]) == pytest.approx(0.1)


def test_more_rows_than_any_data_set_has_are_refused():
    with pytest.raises(EvalError, match="got n = 5000; wanted at most 1797, the rows of the largest data set"):
        suite("self-consistency", SuiteOptions(n=(5000,)))
