"""Suites are the same tables every time, and their truths are those of an independent computation."""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate
from scipy.stats import multivariate_t, norm

import data_gen.spec  # noqa: F401  (fills the registries)
from data_gen.registry import FAMILIES, TRANSFORMS
from eval.baselines import build
from eval.errors import EvalError
from eval.suites import SUITES, SuiteOptions, bmi, laws, maps, null, suite

SMALL = SuiteOptions(n=(16,), tables=12)

# As published (Beyond Normal, NeurIPS 2023), four digits.
BMI_TRUTHS = {
    "1v1-additive-0.1": 1.7094,
    "1v1-additive-0.75": 0.3333,
    "2v2-dense": 0.2939,
    "3v3-dense": 0.4133,
    "5v5-dense": 0.5928,
    "25v25-dense": 1.2922,
    "50v50-dense": 1.6243,
    "1v1-student-1": 0.2242,
    "1v1-asinh-student-1": 0.2242,
    "2v2-student-1": 0.4319,
    "2v2-asinh-student-1": 0.4319,
    "2v2-student-2": 0.1931,
    "3v3-student-2": 0.2909,
    "3v3-asinh-student-2": 0.2909,
    "3v3-student-3": 0.1787,
    "5v5-student-2": 0.4482,
    "5v5-asinh-student-2": 0.4482,
    "5v5-student-3": 0.2985,
}


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_is_the_same_every_time(name):
    for one, other in zip(suite(name, SMALL), suite(name, SMALL), strict=True):
        assert (one.key, one.mi_nats, one.family) == (other.key, other.mi_nats, other.family)
        assert (one.x == other.x).all()
        assert (one.y == other.y).all()


@pytest.mark.parametrize("name", SUITES)
def test_cases_are_sound(name):
    planned = suite(name, SMALL)
    assert len(set(planned.keys)) == len(planned) == 12
    for case in planned:
        assert case.x.shape[0] == case.y.shape[0] == 16
        assert case.x.ndim == case.y.ndim == 2
        assert np.isfinite(case.x).all()
        assert np.isfinite(case.y).all()
        assert case.mi_nats >= 0
        assert case.stderr >= 0


@pytest.mark.parametrize("name", SUITES)
def test_another_seed_gives_other_tables(name):
    one, other = (suite(name, SuiteOptions(seed=seed, n=(16,), tables=1))[0] for seed in (0, 1))
    assert one.x.shape != other.x.shape or (one.x != other.x).any()


def test_a_case_does_not_depend_on_which_others_are_asked_for():
    whole = {case.key: case for case in suite("bmi", SuiteOptions(n=(16, 32), repeats=2))}
    for case in suite("bmi", SuiteOptions(n=(32,), repeats=1)):
        assert (case.x == whole[case.key].x).all()


def test_repeats_differ():
    first, second = suite("bmi", SuiteOptions(n=(16,), repeats=2))[0], suite("bmi", SuiteOptions(n=(16,), repeats=2))[1]
    assert first.task == second.task
    assert (first.x != second.x).any()


def test_a_limit_spreads_over_the_suite():
    tasks = {plan.task for plan in suite("bmi", SuiteOptions(tables=40)).plans}
    assert len(tasks) >= 38


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (SuiteOptions(n=(4,)), "got n = 4; wanted 8 or more samples"),
        (SuiteOptions(repeats=0), "got seeds = 0; wanted 1 or more"),
        (SuiteOptions(tables=0), "got tables = 0; wanted 1 or more"),
        (SuiteOptions(seed=-1), "got seed = -1; wanted 0 or more"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(EvalError, match=message):
        suite("bmi", options)


def test_unknown_suites_list_the_known():
    with pytest.raises(EvalError, match=r"got suite 'mbi'; wanted one of: .*, bmi, discrete"):
        suite("mbi")


def test_bmi_has_its_40_tasks_with_the_published_truths():
    tasks = bmi.tasks()
    assert len(tasks) == 40
    for name, law in tasks.items():
        pair = 1.0217 if "2pair" in name else 0.4133
        assert law.mi_nats == pytest.approx(BMI_TRUTHS.get(name, pair), abs=5e-5), name


@pytest.mark.parametrize("name", bmi.tasks())
def test_bmi_tables_have_the_dimensions_of_their_name(name, rng):
    x, y = bmi.tasks()[name].draw(rng, 10)
    d_x, d_y = name.split("-")[0].split("v")
    assert (x.shape, y.shape) == ((10, int(d_x)), (10, int(d_y)))


def test_mist_grids_have_their_cells():
    for name, families in (("mist-imd", 6), ("mist-oomd", 7)):
        plans = suite(name).plans
        assert len(plans) == families * 20 * 9
        assert {plan.n for plan in plans} >= {10, 500}
        assert len({plan.n for plan in plans}) == 20
    assert max(case.x.shape[1] for case in suite("mist-imd", SuiteOptions(n=(10,)))) <= 32


@pytest.mark.parametrize(("d_x", "d_y", "df"), [(1, 1, 1.0), (2, 3, 2.5), (3, 1, 6.0)])
def test_student_truth_is_the_mean_log_density_ratio(d_x, d_y, df, rng):
    own = 0.4 + 0.6 * np.eye(d_x + d_y)
    law = laws.student(own, d_x, df)
    x, y = law.draw(rng, 100_000)
    ratios = (
        multivariate_t(shape=own, df=df).logpdf(np.hstack([x, y]))
        - multivariate_t(shape=own[:d_x, :d_x], df=df).logpdf(x)
        - multivariate_t(shape=own[d_x:, d_x:], df=df).logpdf(y)
    )
    assert law.mi_nats == pytest.approx(ratios.mean(), abs=4 * ratios.std() / math.sqrt(ratios.size))


@pytest.mark.parametrize("eps", [0.1, 0.5, 0.75, 2.0])
def test_additive_noise_truth_is_that_of_quadrature(eps):
    def negative_entropy(y: float) -> float:
        density = max(0.0, min(1.0, y + eps) - max(0.0, y - eps)) / (2 * eps)
        return density * math.log(density) if density > 0 else 0.0

    corners = sorted({-eps, 1 - eps, eps, 1 + eps})
    entropy = -sum(integrate.quad(negative_entropy, *pair)[0] for pair in pairwise(corners))
    assert laws.additive_noise(eps).mi_nats == pytest.approx(entropy - math.log(2 * eps), abs=1e-8)


def test_normal_truth_is_that_of_canonical_correlations():
    correlation = laws.latent(5, pairs=3, strength=2.0, noise=0.7, shared=0.5, shared_within=0.8)
    roots = [np.linalg.inv(np.linalg.cholesky(block)) for block in (correlation[:5, :5], correlation[5:, 5:])]
    canonical = np.linalg.svd(roots[0] @ correlation[:5, 5:] @ roots[1].T, compute_uv=False)
    assert laws.normal(correlation, 5).mi_nats == pytest.approx(-0.5 * np.log(1 - canonical**2).sum())


@pytest.mark.parametrize("law", [laws.normal(laws.sparse(3, 2, 1.5), 3), laws.normal(laws.dense(4, 0.3), 4)])
def test_samples_have_the_law_of_the_truth(law, rng):
    guesses = [build("gcmi").nats(*law.draw(rng, 2000)) for _ in range(20)]
    assert np.mean(guesses) == pytest.approx(law.mi_nats, abs=4 * np.std(guesses, ddof=1) / math.sqrt(20))


@pytest.mark.parametrize(
    "curve", [maps.normal_cdf, maps.half_cube, maps.asinh, maps.wiggly_x, maps.wiggly_y, maps.bimodal_x, maps.bimodal_y]
)
def test_maps_of_single_coordinates_increase(curve):
    line = np.linspace(-5, 5, 2001)[:, None]
    assert (np.diff(curve(line), axis=0) > 0).all()


def test_mixture_quantiles_invert_the_distribution_function():
    u = np.array([1e-9, 0.01, 0.3, 0.5, 0.99])
    v = maps.mixture_quantile(u, maps.X_MODES)
    assert sum(weight * norm.cdf(v - mean) for weight, mean in maps.X_MODES) == pytest.approx(u, rel=1e-9)


@pytest.mark.parametrize("spiral", [maps.spiral_x, maps.spiral_y])
def test_spirals_keep_the_norm_and_all_but_two_coordinates(spiral, rng):
    v = rng.normal(size=(50, 4))
    turned = spiral(v)
    assert (np.isclose(turned, v).all(axis=0)).sum() == 2
    assert np.linalg.norm(turned, axis=1) == pytest.approx(np.linalg.norm(v, axis=1))


def test_a_swiss_roll_can_be_unrolled(rng):
    u = rng.random((50, 1))
    t = 21 * np.linalg.norm(maps.swiss_roll(u), axis=1, keepdims=True)
    assert (t / (1.5 * np.pi) - 1) / 2 == pytest.approx(u)


def test_null_has_no_dependence_between_any_two_marginals():
    plans = suite("null").plans
    assert {plan.n for plan in plans} == {32, 100, 500, 2000}
    assert all(case.mi_nats == 0 for case in suite("null", SuiteOptions(n=(8,))))


@pytest.mark.parametrize("name", null.MARGINALS)
def test_null_marginals_are_finite_and_vary(name, rng):
    v = null.MARGINALS[name](rng, 200, 3)
    assert v.shape == (200, 3)
    assert np.isfinite(v).all()
    assert (v.std(axis=0) > 0).all()


TWINS = {
    "gaussian_dense": ({"rho": 0.4}, laws.normal(laws.dense(4, 0.4), 4)),
    "gaussian_sparse": ({"interacting": 3, "strength": 1.3}, laws.normal(laws.sparse(4, 3, 1.3), 4)),
    "gaussian_two_pairs": ({"interacting": 2, "strength": 2.0}, bmi.two_pair(4)),
    "gaussian_lvm": (
        {"interacting": 2, "alpha": 0.6, "lam": 1.1, "beta": 0.8, "eta": 1.9},
        laws.normal(laws.latent(4, 2, 1.1, 1.9, 0.6, 0.8), 4),
    ),
    "student_dense": ({"df": 2.5, "dispersion": {"rho": 0.3}}, laws.student(laws.dense(4, 0.3), 4, df=2.5)),
    "student_identity": ({"df": 2.0, "dispersion": {"rho": 0.0}}, laws.student(np.eye(8), 4, df=2.0)),
    "additive_noise": ({"eps": (0.1, 0.4, 0.5, 1.7)}, laws.additive_noise((0.1, 0.4, 0.5, 1.7))),
}


@pytest.mark.parametrize("name", TWINS)
def test_laws_written_twice_have_one_truth(name):
    """The benchmark's own laws and those of the training data were written apart, to catch each other's mistakes."""
    parameters, law = TWINS[name]
    twin = FAMILIES.get(name).from_params({"d_x": 4, "d_y": 4, **parameters})
    assert twin.truth().nats == pytest.approx(law.mi_nats, rel=1e-9)


@pytest.mark.parametrize("name", ["half_cube", "asinh", "normal_cdf", "wiggly_x", "wiggly_y"])
def test_maps_written_twice_are_one_map(name, rng):
    v = rng.normal(size=(50, 3))
    twin = TRANSFORMS.get(name).from_params({"d_in": 3}).apply(rng, v)
    assert twin == pytest.approx(getattr(maps, name)(v), abs=1e-9)
