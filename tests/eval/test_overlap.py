"""A suite of unseen families says so when the network has seen them."""

import json

import numpy as np
import pytest

from data_gen.prior import preset
from data_gen.shares import BLIND, HELD_OUT, SHIFT
from eval.errors import EvalError
from eval.evaluate import EvaluateConfig, evaluate
from eval.overlap import families_in, notes
from eval.suites import SuiteOptions, suite
from mist.checkpoint import CONFIG, SUMS


@pytest.fixture
def checkpoint(tmp_path):
    """Make a folder that says of itself what it is told."""

    def make(**provenance):
        (tmp_path / SUMS).touch()
        (tmp_path / CONFIG).write_text(json.dumps({"provenance": provenance}))
        return str(tmp_path)

    return make


def prior(*families, **further):
    return {"prior": {"families": dict.fromkeys(families, 0.1), "mist_share": 0.0, **further}}


HELD = suite("held-out-families", SuiteOptions(n=(16,)))


def test_new_families_need_no_note(checkpoint):
    assert notes(HELD, checkpoint(data=prior("gaussian_dense", "product"))) == []


def test_families_of_the_training_set_are_named(checkpoint):
    (note,) = notes(HELD, checkpoint(data=prior("gaussian_dense", "gumbel", "noisy_scale")))
    assert note.startswith("NOT unseen: the network was trained on gumbel, noisy_scale;")


def test_families_of_the_calibration_are_named(checkpoint):
    fitted = {"data": prior("gaussian_dense"), "shifted": [prior("gumbel")]}
    (note,) = notes(HELD, checkpoint(data=prior("gaussian_dense"), calibration=fitted))
    assert note.startswith("NOT unseen: its intervals were fitted on gumbel;")


def test_a_calibration_on_unnamed_families_is_told(checkpoint):
    fitted = {"data": "data/wide", "shifted": ["data/unseen"]}
    (note,) = notes(HELD, checkpoint(data=prior("gaussian_dense"), calibration=fitted))
    assert "fitted on further meta-datasets (unseen)" in note


def test_a_checkpoint_without_a_record_proves_nothing(checkpoint):
    (note,) = notes(HELD, checkpoint(data={"preset": "wide"}))
    assert "no family here counts as unseen" in note


def test_suites_without_families_of_the_prior_have_no_notes():
    assert notes(suite("bmi", SuiteOptions(n=(16,))), "no such folder") == []


def test_shares_of_zero_are_no_training():
    assert families_in(prior("frank", mist_share=1.0, mist_laws=[["student_dense", "base"]])) == {"student_dense"}
    assert families_in({"prior": {"families": {"frank": 0.0, "joe": 0.2}}}) == {"joe"}


@pytest.mark.parametrize(
    ("name", "families"), [("held-out-families", HELD_OUT), ("shift-families", SHIFT), ("blind-families", BLIND)]
)
def test_family_suites_hold_enough_tables_of_every_family(name, families):
    planned = suite(name)
    assert planned.families == sorted(families)
    assert {sum(plan.family == family for plan in planned.plans) for family in families} == {120}
    assert not set(families) & set(preset("wide-seen").prior.families)
    for case in suite(name, SuiteOptions(n=(16,), tables=18)):
        assert case.family == case.task


def test_any_preset_is_a_suite():
    planned = suite("preset:mist-oomd", SuiteOptions(tables=3))
    assert len(planned) == 3
    assert all(np.isfinite(case.x).all() for case in planned)
    with pytest.raises(EvalError, match="unknown preset 'wide-open'; known: tiny"):
        suite("preset:wide-open")


@pytest.mark.parametrize(("estimators", "told"), [(("ours",), True), (("gcmi",), False)])
def test_notes_stand_in_the_report_and_in_a_warning(tmp_path, monkeypatch, capsys, estimators, told):
    monkeypatch.setattr("eval.overlap.provenance", lambda checkpoint: {"data": prior("gumbel")})
    monkeypatch.setattr("eval.report.plots", lambda name, suite, timings: {})
    config = EvaluateConfig(
        suite=("held-out-families",), estimators=estimators, n=(16,), tables=2, out=str(tmp_path / "report")
    )
    page = evaluate(config)
    about = json.loads((page.parent / "report.json").read_text())["suites"]["held-out-families"]["about"]
    where = (" ".join(about["notes"]), page.read_text(), capsys.readouterr().err)
    assert ["NOT unseen: the network was trained on gumbel;" in text for text in where] == [told] * 3
