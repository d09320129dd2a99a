"""The figures on latency: complete, in words, in the card; never how long anything took."""

import json
import shutil

import pytest

import mist
from eval.errors import EvalError
from eval.latency import HEADING, LatencyConfig, Run, _row, latency
from mist import checkpoint


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setattr("eval.latency.PAIRS", (5, 30))
    return LatencyConfig(out=tmp_path / "latency.json", sizes=((40, 1, 1), (40, 2, 3)), large=500, repeats=2)


def test_every_size_and_estimator_has_figures(config):
    record = json.loads(latency(config).read_text())
    seen = {(entry["n"], entry["d_x"], entry["d_y"], entry["estimator"]) for entry in record["single"]}
    assert seen == {(40, *d, name) for d in ((1, 1), (2, 3)) for name in ("ours", "ksg", "gcmi")}
    assert all(0 < entry["least_seconds"] <= entry["seconds"] for entry in record["single"])
    assert all(entry["first_seconds"] > 0 for entry in record["single"])
    assert record["batch"]["pairs_per_second"] > 0
    assert record["large"]["n"] == 500


def test_the_figures_go_into_the_card_once(config, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(checkpoint.locate(mist.estimator.PACKAGED), folder)
    wanted = LatencyConfig(**{**vars(config), "checkpoint": folder, "card": True, "estimators": ("ours",)})
    latency(wanted)
    latency(wanted)
    card = checkpoint.load(folder).card
    assert card.count(HEADING) == 1
    assert "| 40, 2 + 3 | " in card


def test_what_cannot_be_timed_is_refused(config, tmp_path):
    with pytest.raises(EvalError, match="--repeats of 1 or more"):
        latency(LatencyConfig(out=tmp_path / "l.json", repeats=0))
    with pytest.raises(EvalError, match="--in-a-row of 2 or more"):
        latency(LatencyConfig(out=tmp_path / "l.json", in_a_row=1))
    with pytest.raises(EvalError, match="--card without --checkpoint"):
        latency(LatencyConfig(out=tmp_path / "l.json", card=True))


def test_slow_estimators_answer_less_often(monkeypatch):
    calls = []
    for most, seconds, wanted in ((20, 0.01, 20), (20, 0.3, 4), (3, 0.3, 3)):
        calls.clear()
        monkeypatch.setattr("eval.latency._timed", lambda answer, seconds=seconds: (answer(), Run(seconds, seconds))[1])
        assert len(_row(lambda: calls.append(0), most)) == len(calls) == wanted
