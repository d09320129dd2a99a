"""The demo: real commands with right flags, then an interval for every real column."""

import csv

import pytest

from mist import cli
from mist.demo import TARGET, DemoConfig, breast_cancer, demo, stages

WORK = {
    "generate": "data_gen.generate.generate",
    "train": "training.loop.train",
    "calibrate": "training.calibrate.calibrate",
    "evaluate": "eval.evaluate.evaluate",
}


def test_every_stage_takes_the_flags_it_is_given(monkeypatch, tmp_path):
    for name, flags in stages(DemoConfig(out=str(tmp_path))):
        calls = []
        monkeypatch.setattr(WORK[name], lambda config, calls=calls: calls.append(config))
        assert cli.main([name, *flags]) == 0
        assert len(calls) == 1


def test_an_interval_for_every_real_column_and_what_was_made_last(monkeypatch, estimator, capsys, tmp_path):
    monkeypatch.setattr("mist.demo.load", lambda: estimator)
    ran = []
    demo(DemoConfig(out=str(tmp_path)), run=lambda name, flags: ran.append((name, flags)))
    out = capsys.readouterr().out
    assert [name for name, _ in ran] == ["generate", "train", "calibrate", "evaluate"]
    assert all(name in out for name in breast_cancer() if name != TARGET)
    assert out.splitlines()[-1] == str(tmp_path / "breast_cancer.png")
    with (tmp_path / "breast_cancer.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 30
    assert all(0 <= float(row["low"]) <= float(row["mi"]) <= float(row["high"]) for row in rows)
    assert (tmp_path / "breast_cancer.html").exists()


@pytest.mark.slow
def test_the_whole_demo_and_that_a_second_one_repeats_nothing(capsys, tmp_path):
    assert cli.main(["demo", "--out", str(tmp_path)]) == 0
    made = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file() and path.parent != tmp_path}
    assert cli.main(["demo", "--out", str(tmp_path)]) == 0
    assert made == {path: path.stat().st_mtime_ns for path in made}
    assert capsys.readouterr().out.count("nothing to do") >= 2
