"""A run is finished once, resumed without repeating a table, and the same every time apart from its timings."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from scipy.stats import norm

from eval.baselines import BASELINES, Baseline, Guess, build
from eval.errors import EvalError
from eval.evaluate import EvaluateConfig, evaluate
from eval.gallery import drawing
from eval.published import comparisons
from eval.records import Cell, Cost, Record
from eval.report import Measured, figures, html, write_report
from eval.suites import Case
from eval.summary import summarise
from eval.versions import of_checkpoint
from mist import checkpoint
from mist.estimator import PACKAGED


class Planted(Baseline):
    """Stands in for the trained model: an estimate with quantiles around it, and a count of the tables it saw."""

    name: ClassVar[str] = "planted"
    seen: ClassVar[list[int]] = []

    def estimate_batch(self, pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[Guess]:
        self.seen.extend(len(x) for x, _ in pairs)
        return [self._guess(x, y) for x, y in pairs]

    def _guess(self, x: np.ndarray, y: np.ndarray) -> Guess:
        if x.shape[1] > 10:
            return Guess(0.0, 0.1, failed="too many columns")
        mi_nats = build("gcmi").estimate(x, y).mi_nats
        taus = (0.025, 0.05, 0.25, 0.5, 0.75, 0.95, 0.975)
        return Guess(mi_nats, 0.1, taus, tuple(np.maximum(mi_nats + 0.2 * norm.ppf(taus), 0).tolist()))


@pytest.fixture(autouse=True)
def planted(monkeypatch):
    monkeypatch.setitem(BASELINES, "planted", lambda checkpoint: Planted())
    monkeypatch.setattr(Planted, "seen", [])


@pytest.fixture
def no_plots(monkeypatch):
    """Drawing takes longer than the runs of these tests."""
    monkeypatch.setattr("eval.report.plots", lambda name, suite, timings: {})


@pytest.fixture
def config(tmp_path):
    return EvaluateConfig(
        suite=("bmi",), estimators=("planted", "gcmi"), n=(40, 64), seeds=1, tables=30, out=str(tmp_path / "report")
    )


def record_of(mi_nats: float, estimate: float, family: str = "family", key: str = "key", **rest) -> Record:
    cell = Cell("bmi", 0, key, "e", "version")
    return Record(cell, "task", "", family, 50, 1, 1, mi_nats, 0.0, rest.pop("relation", False), estimate, **rest)


def lines(config: EvaluateConfig) -> list[str]:
    return (Path(config.out) / "tables.jsonl").read_text().splitlines(keepends=True)


def report(config: EvaluateConfig) -> dict:
    return json.loads((Path(config.out) / "report.json").read_text())


def sections(config: EvaluateConfig, suite: str = "bmi") -> dict:
    return report(config)["suites"][suite]["estimators"]


def test_a_run_makes_its_files_and_says_where(config, capsys):
    page = evaluate(config)
    assert page == Path(config.out) / "report.html"
    assert capsys.readouterr().out.splitlines()[-1] == str(page)
    assert {path.name for path in page.parent.iterdir()} == {
        "config.json",
        "tables.jsonl",
        "timings.jsonl",
        "report.json",
        "report.html",
    }
    assert len(lines(config)) == 60


@pytest.mark.usefixtures("no_plots")
def test_a_second_run_does_nothing_and_says_so(config, capsys):
    page = evaluate(config)
    before = {path: path.stat().st_mtime_ns for path in page.parent.iterdir()}
    Planted.seen.clear()
    assert evaluate(config) == page
    assert "is finished already; nothing to do" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in page.parent.iterdir()} == before
    assert not Planted.seen


@pytest.mark.usefixtures("no_plots")
@pytest.mark.parametrize("kept", [0, 1, 17, 59, 60])
def test_a_killed_run_goes_on_without_repeating_a_finished_table(config, kept):
    evaluate(config)
    whole = lines(config)
    folder = Path(config.out)
    (folder / "report.html").unlink()
    (folder / "tables.jsonl").write_text("".join(whole[:kept]) + '{"key": "half a li')
    finished = sum(json.loads(line)["cell"][3] == "planted" for line in whole[:kept])
    Planted.seen.clear()
    evaluate(config)
    assert len(Planted.seen) == 30 - finished
    assert sorted(lines(config)) == sorted(whole)


@pytest.mark.usefixtures("no_plots")
def test_what_was_damaged_is_done_anew(config):
    evaluate(config)
    whole, folder = lines(config), Path(config.out)
    times = (folder / "timings.jsonl").read_text().splitlines(keepends=True)
    (folder / "tables.jsonl").write_text("".join([whole[0][:40] + "\n", *whole[1:]]))
    (folder / "timings.jsonl").write_text("".join(["7\n", *times[:-1]]))
    (folder / "config.json").write_text("{")
    Planted.seen.clear()
    evaluate(config)
    lost = {json.loads(whole[0])["cell"][2], json.loads(times[-1])["cell"][2]}
    assert len(Planted.seen) <= len(lost)
    assert {json.dumps(json.loads(line)["cell"]) for line in lines(config)[1:]} == {
        json.dumps(json.loads(line)["cell"]) for line in whole
    }


@pytest.mark.usefixtures("no_plots")
def test_two_runs_give_the_same_report_apart_from_timings(config, tmp_path):
    other = replace(config, out=str(tmp_path / "other"))
    evaluate(config)
    evaluate(other)
    assert lines(config) == lines(other)
    assert {**report(config), "timings": 0} == {**report(other), "timings": 0}


@pytest.mark.usefixtures("no_plots")
def test_a_killed_run_ends_with_the_same_report(config, tmp_path):
    other = replace(config, out=str(tmp_path / "other"))
    evaluate(config)
    evaluate(other)
    (tmp_path / "other" / "report.html").unlink()
    (tmp_path / "other" / "tables.jsonl").write_text("".join(lines(config)[:23]))
    evaluate(other)
    assert {**report(config), "timings": 0} == {**report(other), "timings": 0}


@pytest.mark.slow
def test_a_run_that_is_killed_for_real_goes_on(tmp_path):
    """Processes and all: SIGKILL leaves them no time to tidy up."""
    flags = ["--suite", "bmi", "null", "--estimators", "gcmi", "ksg", "--tables", "60", "--workers", "2"]
    out = tmp_path / "report"
    command = [sys.executable, "-m", "mist.cli", "evaluate", *flags, "--out", str(out)]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    tables = out / "tables.jsonl"
    while run.poll() is None and (not tables.exists() or tables.read_bytes().count(b"\n") < 50):
        time.sleep(0.05)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    done = tables.read_text().splitlines(keepends=True)
    assert not (out / "report.html").exists()
    subprocess.run(command, check=True, capture_output=True)
    cells = [tuple(json.loads(line)["cell"]) for line in tables.read_text().splitlines()]
    assert len(cells) == len(set(cells))
    whole = [tuple(json.loads(line)["cell"]) for line in done if line.endswith("\n")]
    assert cells[: len(whole)] == whole
    found = json.loads((out / "report.json").read_text())["suites"]
    assert len(cells) == 2 * sum(suite["about"]["tables"] for suite in found.values())


@pytest.mark.usefixtures("no_plots")
def test_several_suites_go_into_one_report(config):
    both = replace(config, suite=("bmi", "null"), tables=10)
    evaluate(both)
    found = report(both)
    assert {name: suite["about"]["tables"] for name, suite in found["suites"].items()} == {"bmi": 10, "null": 10}
    assert {name: list(timings) for name, timings in found["timings"].items()} == {
        name: ["planted", "gcmi"] for name in ("bmi", "null")
    }
    estimates = {
        suite: [value or 0.0 for value in sections(both, suite)["gcmi"]["estimate"]] for suite in found["suites"]
    }
    wins = [float(a > b) + (a == b) / 2 for a in estimates["bmi"] for b in estimates["null"]]
    area = found["dependence"]["gcmi"]
    assert (area["dependent"], area["independent"]) == (10, 10)
    assert area["auroc"][0] == pytest.approx(np.mean(wins), abs=1e-4)


@pytest.mark.usefixtures("no_plots")
def test_false_dependence_is_reported_at_independence_alone(config):
    null = replace(config, suite=("null",), tables=20)
    evaluate(null)
    evaluate(replace(config, out=f"{config.out}-bmi"))
    assert "independence" not in sections(replace(config, out=f"{config.out}-bmi"))["gcmi"]["overall"]
    for name in ("planted", "gcmi"):
        section = sections(null, "null")[name]
        found = section["overall"]["independence"]
        assert found["tables"] == 20
        assert found["estimate"] == section["overall"]["mae"]
        assert "auroc" not in found
    low = np.array([value or 0.0 for value in sections(null, "null")["planted"]["low"]])
    found = sections(null, "null")["planted"]["overall"]["independence"]
    assert found["keeps_zero"][0] == pytest.approx(np.mean(low == 0))
    assert found["low"][0] == pytest.approx(low.mean(), abs=1e-4)


def test_a_second_interval_is_an_entry_of_its_own():
    records = [record_of(1.0, 0.5, levels=(0.05, 0.5, 0.95), quantiles=(0.4, 0.5, 0.6), cautious=(0.1, 0.5, 1.6))] * 4
    case = Case("key", "task", "family", np.arange(50.0)[:, None], np.arange(50.0)[:, None], 1.0)
    config = {"suite": ["bmi"], "estimators": ["e"], "level": 0.9}
    measured = Measured({"e": records}, {"e": [Cost(records[0].cell, 0.1, 10**6)] * 4}, [case] * 4)
    found = figures(config, {"bmi": measured})["suites"]["bmi"]["estimators"]
    assert list(found) == ["e", "e, cautious"]
    assert [section["overall"]["coverage"]["0.9"][0] for section in found.values()] == [0.0, 1.0]
    assert [section["overall"]["width"][0] for section in found.values()] == pytest.approx([0.2, 1.5])
    assert found["e, cautious"]["variant_of"] == "e"


def test_a_relation_between_estimates_has_no_interval_and_is_no_independence():
    own = {"levels": (0.05, 0.5, 0.95), "quantiles": (0.0, 0.1, 0.2)}
    records = [record_of(0.0, 0.1, **own), record_of(0.0, 0.7, relation=True)]
    overall = summarise(records, 0.9)["overall"]
    assert overall["mae"][0] == pytest.approx(0.4)
    assert overall["independence"]["tables"] == 1
    assert overall["width"][0] == pytest.approx(0.2)


@pytest.mark.usefixtures("no_plots")
def test_published_figures_stand_beside_measured_ones_with_their_source(config):
    page = evaluate(replace(config, n=(64, 1000), tables=8)).read_text()
    (comparison,) = comparisons("bmi", report(config)["suites"]["bmi"])
    assert comparison.headings == ("n = 64", "n = 1000", "n = 5000", "n = 10000")
    assert comparison.published["ALICE Base (85 M)"] == [None, 0.092, 0.063, 0.06]
    assert [bool(figure) for figure in comparison.measured["gcmi"]] == [True, True, False, False]
    by_n = sections(config)["gcmi"]["by_n"]
    assert comparison.measured["gcmi"][1] == pytest.approx(by_n["1000"]["mae"], rel=1e-2, abs=1e-4)
    assert "arXiv 2609.34962" in page
    assert "KSG, published" in page
    assert "gcmi, measured here" in page


@pytest.mark.parametrize("name", ["bmi", "mist-imd", "mist-oomd"])
def test_published_figures_are_complete(name):
    suite = {"tables": {"n": [10, 200, 400], "mi_nats": [1.0] * 3}, "estimators": {}}
    found = comparisons(name, suite)
    assert found
    for comparison in found:
        assert "arXiv" in comparison.source
        assert all(len(row) == len(comparison.headings) for row in comparison.published.values())


def test_the_gallery_draws_the_most_dependent_pair():
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((300, 3)), rng.standard_normal((300, 2))
    y[:, 1] = x[:, 2] ** 2 + 0.1 * rng.standard_normal(300)
    found = drawing(Case("key", "task", "family", x, y, 1.0))
    assert found["columns"] == [3, 2]
    assert np.shape(found["points"]) == (2, 120)


@pytest.mark.usefixtures("no_plots")
def test_a_report_is_small_and_its_worst_tables_are_drawn(config):
    evaluate(config)
    assert (Path(config.out) / "report.json").stat().st_size < 80_000
    suite = report(config)["suites"]["bmi"]
    worst = {place for section in suite["estimators"].values() for place in section["worst"]}
    assert {int(place) for place in suite["drawn"]} <= worst
    assert len(suite["drawn"]) >= 10


@pytest.mark.usefixtures("no_plots")
def test_processes_change_nothing(config, tmp_path):
    alone = replace(config, estimators=("gcmi", "ksg"))
    together = replace(alone, out=str(tmp_path / "together"), workers=2)
    evaluate(alone)
    evaluate(together)
    assert sorted(lines(alone)) == sorted(lines(together))
    assert {**report(alone), "timings": 0} == {**report(together), "timings": 0}


@pytest.mark.usefixtures("no_plots")
@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({"estimators": ("planted", "gcmi", "cca")}, 0),
        ({"estimators": ("planted",), "level": 0.8}, 0),
        ({"n": (40, 64, 80), "tables": None}, 40 * 3 - 30),
        ({"seed": 1}, 30),
    ],
)
def test_another_config_in_a_folder_repeats_no_finished_table(config, change, again, capsys):
    evaluate(config)
    Planted.seen.clear()
    other = replace(config, **change)
    evaluate(other)
    assert len(Planted.seen) == again
    assert "held the report of another config" in capsys.readouterr().out
    assert report(other)["config"]["estimators"] == list(other.estimators)
    fresh = replace(other, out=f"{config.out}-fresh")
    evaluate(fresh)
    assert {**report(other), "timings": 0} == {**report(fresh), "timings": 0}


@pytest.mark.usefixtures("no_plots")
def test_another_version_is_estimated_again(config, monkeypatch):
    evaluate(config)
    Planted.seen.clear()
    monkeypatch.setattr("eval.runner.of_result", lambda suite, estimator, checkpoint: f"new {estimator}")
    (Path(config.out) / "report.html").unlink()
    evaluate(config)
    assert len(Planted.seen) == 30


@pytest.mark.usefixtures("no_plots")
def test_a_report_is_made_anew_when_the_code_goes_back(config, monkeypatch, capsys):
    evaluate(config)
    first = report(config)
    monkeypatch.setattr("eval.runner.of_result", lambda suite, estimator, checkpoint: f"new {estimator}")
    evaluate(config)
    monkeypatch.undo()
    monkeypatch.setitem(BASELINES, "planted", lambda checkpoint: Planted())
    monkeypatch.setattr("eval.report.plots", lambda name, suite, timings: {})
    (Path(config.out) / "report.json").write_text("{}")
    capsys.readouterr()
    evaluate(config)
    assert "finished already" not in capsys.readouterr().out
    assert {**report(config), "timings": 0} == {**first, "timings": 0}
    (Path(config.out) / "report.json").write_text("broken")
    evaluate(config)
    assert {**report(config), "timings": 0} == {**first, "timings": 0}


def test_a_checkpoint_goes_by_what_it_answers_not_by_its_card(tmp_path):
    shutil.copytree(checkpoint.locate(PACKAGED), tmp_path / "copy")
    found, first = checkpoint.load(tmp_path / "copy"), of_checkpoint(str(tmp_path / "copy"))
    checkpoint.save(tmp_path / "copy", replace(found, card=f"{found.card}\nMore of it.\n"))
    assert of_checkpoint(str(tmp_path / "copy")) == first
    assert of_checkpoint(None).rpartition(":")[2] == first.rpartition(":")[2]
    checkpoint.save(tmp_path / "copy", replace(found, calibration=None))
    assert of_checkpoint(str(tmp_path / "copy")) != first


def test_a_training_run_is_left_alone(config):
    (Path(config.out) / "checkpoint").mkdir(parents=True)
    (Path(config.out) / "config.json").write_text("{}")
    with pytest.raises(EvalError, match="holds other files"):
        evaluate(config)
    assert (Path(config.out) / "config.json").exists()


def test_a_folder_with_other_things_is_refused(config):
    Path(config.out).mkdir()
    (Path(config.out) / "thesis.txt").touch()
    with pytest.raises(EvalError, match="holds other files; wanted an empty folder"):
        evaluate(config)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"level": 90.0}, r"got level = 90\.0; wanted a share between 0 and 1"),
        ({"suite": ("bmi", "bmi")}, "got suites bmi bmi; wanted one or more different"),
        ({"estimators": ()}, "got estimators none; wanted one or more"),
        ({"estimators": ("gcmi", "gcmi")}, "got estimators gcmi gcmi; wanted one or more different"),
        ({"workers": 0}, "got workers = 0; wanted 1 or more"),
        ({"suite": ("nil",)}, "got suite 'nil'; wanted one of"),
        ({"estimators": ("nil",)}, "got estimator 'nil'; wanted one of"),
    ],
)
def test_wrong_configs_are_refused_before_any_file_is_made(config, change, message):
    with pytest.raises(EvalError, match=message):
        evaluate(replace(config, **change))
    assert not Path(config.out).exists()


@pytest.mark.usefixtures("no_plots")
def test_failures_are_counted_scored_and_explained(config):
    evaluate(config)
    found = sections(config)
    failed = [json.loads(line) for line in lines(config)]
    failed = [row for row in failed if row["failed"] and row["cell"][3] == "planted"]
    assert found["planted"]["failures"] == {"too many columns": len(failed)}
    assert found["planted"]["overall"]["failed"] == len(failed) > 0
    assert all(row["estimate"] == 0 for row in failed)
    assert found["planted"]["overall"]["mae"][0] > found["planted"]["overall"]["mae_answered"][0]
    assert found["planted"]["estimate"].count(None) == len(failed)


@pytest.mark.usefixtures("no_plots")
def test_figures_are_those_of_the_lines(config):
    evaluate(config)
    rows = [json.loads(line) for line in lines(config)]
    own = [row for row in rows if row["cell"][3] == "gcmi"]
    errors = [abs(row["estimate"] - row["mi_nats"]) for row in own]
    section = sections(config)["gcmi"]
    assert section["overall"]["mae"][0] == pytest.approx(np.mean(errors), abs=1e-5)
    assert section["worst"][0] == np.argmax(np.where([row["failed"] for row in own], 0, errors))
    assert sum(group["tables"] for group in section["by_n"].values()) == 30
    assert "coverage" not in section["overall"]


def test_a_failed_interval_has_no_width_and_holds_only_its_0():
    def record(mi_nats: float, failed: str | None) -> Record:
        quantiles = () if failed else (0.1, 0.5, 0.9)
        estimate, levels = (0.0, ()) if failed else (0.5, (0.05, 0.5, 0.95))
        return record_of(mi_nats, estimate, levels=levels, quantiles=quantiles, failed=failed)

    overall = summarise([record(0.5, None), record(0.5, "no"), record(0.0, "no")], 0.9)["overall"]
    assert overall["coverage"]["0.9"][0] == pytest.approx(2 / 3, abs=1e-4)
    assert overall["width"][0] == pytest.approx(0.8 / 3, abs=1e-4)


class Links(HTMLParser):
    """Collects what a page would have to load."""

    def __init__(self):
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attributes):
        self.found += [value for name, value in attributes if name in ("src", "href") and value]


def test_the_page_loads_nothing(config):
    links = Links()
    links.feed(evaluate(config).read_text())
    assert len(links.found) > 5
    assert all(link.startswith("data:") for link in links.found)


def test_a_page_of_the_null_suite_and_of_failures_alone(config, tmp_path):
    for suite, estimator in (("null", "gcmi"), ("bmi", "sklearn")):
        tables = 8 if suite == "null" else 1
        run = replace(config, suite=(suite,), estimators=(estimator,), tables=tables, n=(8,), out=str(tmp_path / suite))
        assert "<h3>Leaderboard</h3>" in evaluate(run).read_text()


def test_the_page_comes_from_the_json_alone(config, tmp_path):
    page = evaluate(config).read_text()
    again = tmp_path / "again"
    again.mkdir()
    assert write_report(again, report(config)).read_text() == page


def test_names_in_the_page_are_escaped():
    record = record_of(0.5, 0.4, family="<u>", key="<b>")
    case = Case("<b>", "<i>", "<u>", np.arange(50.0)[:, None], np.arange(50.0)[:, None], 0.5)
    config = {"suite": ["bmi"], "estimators": ["e"], "level": 0.9}
    measured = Measured({"e": [record, record]}, {"e": [Cost(record.cell, 0.1, None)] * 2}, [case, case])
    page = html(figures(config, {"bmi": measured}))
    assert "<u>" not in page
    assert "&lt;u&gt;" in page


CHROMIUM = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
QUIET = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update"
)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH or in $CHROMIUM")
def test_a_browser_opens_the_page_without_an_error(config, tmp_path):
    page = evaluate(config).resolve()
    flags = [*QUIET.split(), f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--dump-dom"]
    seen = subprocess.run([CHROMIUM, *flags, page.as_uri()], capture_output=True, text=True, timeout=300, check=True)
    assert "How this was made" in seen.stdout
    assert "CONSOLE" not in seen.stderr
