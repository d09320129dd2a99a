"""One Gaussian test for every estimator, which an estimator that reads the wrong columns fails."""

import math
from importlib.util import find_spec
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from scipy.stats import gaussian_kde

from eval.baselines import BASELINES, Baseline, Guess, PointBaseline, build, ksg, sliced
from eval.baselines.registry import INTERVALS
from eval.errors import EvalError
from eval.suites.laws import dense, latent, normal
from mist.errors import InputError

TRAINED = {"ours", "mine", "infonce", "nwj", "smile", "flows"}  # all but ours in test_baselines_trained.py
OPTIONAL = {"ennemi"} - {name for name in ("ennemi",) if find_spec(name)}
POINT = sorted(set(BASELINES) - TRAINED - OPTIONAL)
# Sliced MI is the MI there only; on two columns a side kernels lose the .05 nats of the law below.
ONE_COLUMN = {"sklearn", "ennemi", "histogram", "sliced", "kde"}
N = 1000
SEEDS = 8
# Systematic error that an estimator may have on the Gaussian tables, beside four standard errors: hardly any for those
# that fit a Gaussian, a little for the nearest neighbours, more for kernels and bins, which blur.
BIAS_NATS = {
    "gcmi": 0.005,
    "cca": 0.005,
    "ksg": 0.02,
    "ksg2": 0.02,
    "sklearn": 0.02,
    "ennemi": 0.02,
    "sliced": 0.02,
    "pca-ksg": 0.02,
    "autoencoder-ksg": 0.02,
    "kde": 0.03,
    "histogram": 0.03,
}


def gaussian_failure(estimator: Baseline, bias_nats: float) -> str | None:
    """Say how an estimator misses the closed form, or None.

    Columns depend strongly within their side and weakly across: who mixes up columns or sides is far off.
    """
    d, across = (1, 0.75) if estimator.name in ONE_COLUMN else (2, 0.3)
    own = np.full((d, d), 0.9) + 0.1 * np.eye(d)
    law = normal(np.block([[own, np.full((d, d), across)], [np.full((d, d), across), own]]), d)
    rng = np.random.default_rng(3)
    guesses = [estimator.estimate(*law.draw(rng, N)) for _ in range(SEEDS)]
    assert not any(guess.failed for guess in guesses)
    errors = np.array([guess.mi_nats for guess in guesses]) - law.mi_nats
    allowed = bias_nats + 4 * errors.std(ddof=1) / math.sqrt(SEEDS)
    return None if abs(errors.mean()) <= allowed else f"is off by {errors.mean():.3f} nats, allowed {allowed:.3f}"


class WrongColumns(PointBaseline):
    """Reads two columns of the glued table, as if it knew where x ends: both are of x."""

    name: ClassVar[str] = "wrong columns"

    def nats(self, x: np.ndarray, y: np.ndarray) -> float:
        glued = np.hstack([x, y])
        rho = np.corrcoef(glued[:, 0], glued[:, 1])[0, 1]
        return -0.5 * math.log(1 - rho**2)


class OneColumn(PointBaseline):
    """Looks at the first column of each side only."""

    name: ClassVar[str] = "one column"

    def nats(self, x: np.ndarray, y: np.ndarray) -> float:
        return build("gcmi").estimate(x[:, :1], y[:, -1:]).mi_nats / 2


class Broken(PointBaseline):
    """Answers what it was made with."""

    name: ClassVar[str] = "broken"

    def __init__(self, answer: float):
        self.answer = answer

    def nats(self, x: np.ndarray, y: np.ndarray) -> float:
        return self.answer


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.fixture
def table(rng):
    return normal(latent(1, 1, 1.7, 0.0), 1).draw(rng, 300)


@pytest.mark.parametrize("name", POINT)
def test_gaussian_closed_form(name):
    assert gaussian_failure(build(name), BIAS_NATS[name]) is None


@pytest.mark.parametrize("planted", [WrongColumns(), OneColumn(), Broken(0.0)], ids=lambda planted: planted.name)
def test_a_planted_estimator_is_caught(planted):
    allowed = max(bias_nats for name, bias_nats in BIAS_NATS.items() if name not in ONE_COLUMN)
    assert "is off by" in gaussian_failure(planted, allowed)


@pytest.mark.parametrize("name", POINT)
def test_swapping_sides_and_scaling_columns_change_nothing(name, table):
    x, y = table
    answer = build(name).estimate(x, y).mi_nats
    # scikit-learn and ennemi add tiny noise of another draw
    near = 0.02 if name in ("sklearn", "ennemi") else 1e-9
    assert build(name).estimate(y, x).mi_nats == pytest.approx(answer, abs=near)
    assert build(name).estimate(1000 * x - 7, y / 50).mi_nats == pytest.approx(answer, abs=near)


@pytest.mark.parametrize("name", POINT)
def test_the_same_table_gets_the_same_answer(name, table):
    assert build(name).estimate(*table).mi_nats == build(name).estimate(*table).mi_nats


@pytest.mark.parametrize("name", POINT)
def test_independence_is_never_negative(name, rng):
    guesses = build(name).estimate_batch([(rng.normal(size=(50, 1)), rng.normal(size=(50, 1))) for _ in range(10)])
    assert all(guess.mi_nats >= 0 and guess.failed is None for guess in guesses)


@pytest.mark.parametrize(
    ("name", "n", "d", "reason"),
    [
        ("gcmi", 9, 4, "more than d_x + d_y + 1"),
        ("cca", 8, 4, "more than d_x + d_y samples"),
        ("ksg", 5, 1, "more than 5 samples"),
        ("ksg2", 5, 1, "more than 5 samples"),
        ("sklearn", 50, 2, "one column on each side"),
        ("histogram", 50, 2, "one column on each side"),
        ("histogram", 19, 1, "20 samples or more"),
        ("kde", 9, 4, "more than d_x + d_y + 1"),
        ("pca-ksg", 5, 9, "more than 5 samples"),
        ("sliced", 5, 3, "more than 5 samples"),
    ],
)
def test_a_table_without_an_answer_is_a_counted_failure(name, n, d, reason, rng):
    guess = build(name).estimate(rng.normal(size=(n, d)), rng.normal(size=(n, d)))
    assert guess.mi_nats == 0
    assert guess.failed is not None
    assert reason in guess.failed


def awkward() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(13)
    x, y = rng.normal(size=(40, 1)), rng.normal(size=(40, 1))
    return {
        "constant": (np.ones((40, 1)), y),
        "copied": (np.hstack([x, x]), x + y),
        "equal": (x, x),
        "binary": (np.sign(x), np.sign(x + y)),
        "wild": (x / y**9, y / x**9),
    }


EVERY = [
    *POINT,
    *(pytest.param(name, marks=pytest.mark.slow) for name in sorted(TRAINED - {"ours"})),
    *(f"{name}+{interval}" for name in ("gcmi", "ksg", "histogram") for interval in INTERVALS),
]


@pytest.mark.parametrize("table", awkward())
@pytest.mark.parametrize("name", EVERY)
def test_awkward_tables_get_a_number_or_a_counted_failure(name, table):
    guess = build(name).estimate(*awkward()[table])
    assert math.isfinite(guess.mi_nats)
    assert guess.mi_nats >= 0
    assert guess.failed is None or guess.mi_nats == 0


def test_singular_tables_are_failures(rng):
    x = rng.normal(size=(50, 1))
    assert build("gcmi").estimate(np.hstack([x, x]), rng.normal(size=(50, 1))).failed is not None
    assert build("gcmi").estimate(np.zeros((50, 1)), x).failed is not None
    assert "correlation is 1" in build("cca").estimate(x, x).failed
    assert "a column is constant" in build("kde").estimate(np.zeros((50, 1)), x).failed
    assert build("kde").estimate(np.hstack([x, x]), rng.normal(size=(50, 1))).failed is not None


@pytest.mark.parametrize(
    ("answer", "nats", "failed"), [(-0.3, 0.0, None), (math.nan, 0.0, "the estimate is not finite")]
)
def test_negative_counts_as_0_and_nan_as_a_failure(answer, nats, failed, table):
    guess = Broken(answer).estimate(*table)
    assert (guess.mi_nats, guess.failed) == (nats, failed)


@pytest.mark.parametrize("d", [1, 2, 4])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("estimator", [ksg.Ksg1(), ksg.Ksg2()], ids=lambda estimator: estimator.name)
def test_trees_and_all_distances_agree(estimator, ties, d, rng):
    x = rng.normal(size=(400, d))
    y = x + rng.normal(size=(400, d))
    if ties:
        x, y = np.round(x), np.round(y)
    x, y = ksg.standardised(x), ksg.standardised(y)
    answers = [estimator.from_columns(x, y, trees) for trees in (True, False)]
    if ties and estimator.name == "ksg2":  # which of several neighbours at one distance counts is not defined
        assert all(map(math.isfinite, answers))
    else:
        assert answers[0] == pytest.approx(answers[1], abs=1e-12)


def test_gcmi_has_no_bias_where_dimension_is_high(rng):
    law = normal(latent(10, 3, 2.0, 2.0), 10)
    guesses = [build("gcmi").nats(*law.draw(rng, 100)) for _ in range(200)]
    stderr = np.std(guesses, ddof=1) / math.sqrt(200)
    assert np.mean(guesses) == pytest.approx(law.mi_nats, abs=0.02 + 3 * stderr)


def test_kernel_densities_are_those_of_scipy(rng):
    x, y = rng.normal(size=(60, 2)), rng.normal(size=(60, 1)) ** 3
    log_density = {
        name: np.log([gaussian_kde(np.delete(v, i, axis=0).T, _scott(v)).evaluate(v[i])[0] for i in range(60)]).mean()
        for name, v in {"joint": np.hstack([x, y]), "x": x, "y": y}.items()
    }
    # scipy takes the covariance of the other rows, we of all: a difference of order 1 / n
    expected = log_density["joint"] - log_density["x"] - log_density["y"]
    assert build("kde").nats(x, y) == pytest.approx(expected, abs=0.1)


def _scott(v: np.ndarray) -> float:
    return len(v) ** (-1 / (v.shape[1] + 4))


def test_the_histogram_of_discrete_columns_is_that_of_their_values():
    rng = np.random.default_rng(12)
    p = np.array([[0.3, 0.1, 0.05], [0.05, 0.2, 0.3]])
    truth = (p * np.log(p / p.sum(0) / p.sum(1)[:, None])).sum()
    answers = []
    for _ in range(100):
        cells = rng.choice(6, size=100, p=p.ravel())
        answers.append(build("histogram").nats(cells[:, None] // 3 * 1.0, cells[:, None] % 3 * 5.0))
    stderr = np.std(answers, ddof=1) / 10
    assert np.mean(answers) == pytest.approx(truth, abs=4 * stderr)
    assert stderr < 0.01  # uncorrected, it is off by (3 - 1) (2 - 1) / 200


def test_sliced_is_the_mean_over_projections(rng):
    law = normal(np.block([[np.eye(3), 0.8 * np.eye(3)], [0.8 * np.eye(3), np.eye(3)]]), 3)
    theta, phi = sliced.directions(rng, 3, 100_000), sliced.directions(rng, 3, 100_000)
    truth = np.mean(-0.5 * np.log(1 - (0.8 * (theta * phi).sum(axis=1)) ** 2))
    guesses = [build("sliced").nats(*law.draw(rng, 400)) for _ in range(6)]
    assert np.mean(guesses) == pytest.approx(truth, abs=0.01 + 4 * np.std(guesses, ddof=1) / math.sqrt(6))
    assert max(guesses) < law.mi_nats


def test_compression_helps_where_one_direction_carries_all(rng):
    law = normal(dense(25), 25)
    x, y = law.draw(rng, 500)
    errors = {name: abs(build(name).nats(x, y) - law.mi_nats) for name in ("ksg", "pca-ksg", "autoencoder-ksg")}
    assert errors["pca-ksg"] < 0.25 < errors["ksg"]
    assert errors["autoencoder-ksg"] < 0.25
    for name in ("pca-ksg", "autoencoder-ksg"):
        assert build(name).nats(x[:, :3], y[:, :4]) == pytest.approx(build("ksg").nats(x[:, :3], y[:, :4]), abs=1e-12)


def test_an_autoencoder_follows_bends_that_principal_components_cut(rng):
    x = rng.normal(size=(300, 2))
    y = 0.9 * x + math.sqrt(0.19) * rng.normal(size=(300, 2))
    wide = [np.hstack([np.sin(1.5 * v), np.cos(1.5 * v), v * v[:, ::-1], v**2, v]) for v in (x, y)]
    assert build("autoencoder-ksg").nats(*wide) > build("pca-ksg").nats(*wide) + 0.05


def test_unknown_names_list_the_known():
    with pytest.raises(EvalError, match=r"got estimator 'kgs'; wanted one of: .*gcmi, .*ksg, ksg2, "):
        build("kgs")


class Answer:
    """Stands in for an Estimate of the trained model."""

    taus = (0.05, 0.5, 0.95)
    quantiles = (0.1, 0.2, 0.3)
    mi = 0.2


class Trained:
    """Stands in for the trained model: refuses two columns."""

    checkpoint = SimpleNamespace(calibration=None)

    def estimate_batch(self, pairs):
        if any(x.shape[1] > 1 for x, _ in pairs):
            raise InputError("got too many columns")
        return [Answer() for _ in pairs]


def test_ours_answers_the_others_where_one_table_is_refused(monkeypatch, table):
    monkeypatch.setattr("mist.load", lambda *_: Trained())
    wide = (np.hstack([table[0], table[0]]), table[1])
    first, second = build("ours").estimate_batch([table, wide])
    assert (first.mi_nats, first.levels, first.quantiles, first.failed) == (0.2, Answer.taus, Answer.quantiles, None)
    assert second == Guess(0.0, second.seconds, failed="got too many columns")
