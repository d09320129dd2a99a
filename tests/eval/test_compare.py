"""Two reports are compared table by table, or refused; the results tables say where ours loses."""

import json
from pathlib import Path

import numpy as np
import pytest

from eval import paired
from eval.compare import CompareConfig, compare
from eval.errors import EvalError
from eval.losses import losses, narrow
from eval.records import Cell, Cost, Record
from eval.report import Measured, figures
from eval.suites import Case
from eval.table import details, markdown
from mist import cli

TABLES = 40
TAUS = (0.05, 0.5, 0.95)


def report_of(seed: int = 0, bias: float = 0.3, spread: float = 0.1, **changes) -> dict:
    """A report whose estimators are known: `ours` has this bias and an interval of this half width; `ksg` has none."""
    rng = np.random.default_rng(seed)
    truths = np.random.default_rng(5).uniform(1, 2, TABLES) + changes.pop("shift", 0.0)
    config = {"suite": ["bmi"], "estimators": ["ours", "ksg"], "level": 0.9, "seed": 0, "seeds": None, "n": []}
    noise = 0.05 * rng.standard_normal((2, TABLES))
    records = {
        "ours": [_record("ours", i, truth, truth + bias + noise[0, i], spread) for i, truth in enumerate(truths)],
        "ksg": [_record("ksg", i, truth, truth + noise[1, i], None) for i, truth in enumerate(truths)],
    }
    costs = {name: [Cost(r.cell, 0.01, 2_000_000) for r in rows] for name, rows in records.items()}
    x = np.arange(50.0)[:, None]
    cases = [Case(r.cell.key, r.task, r.family, x, x, r.mi_nats) for r in records["ours"]]
    return figures(config | {"tables": None} | changes, {"bmi": Measured(records, costs, cases)})


def _record(name: str, index: int, truth: float, estimate: float, spread: float | None) -> Record:
    cell = Cell("bmi", 0, f"key {index}", name, "version")
    n, family = (100, "normal") if index % 2 else (500, "student")
    quantiles = () if spread is None else (estimate - spread, estimate, estimate + spread)
    cautious = () if spread is None else (estimate - 1, estimate, estimate + 1)
    levels = () if spread is None else TAUS
    return Record(
        cell, "task", "", family, n, 1, 2, truth, 0.0, False, estimate, levels, quantiles, cautious, failed=None
    )


@pytest.fixture
def write(tmp_path):
    def write(name: str, report: dict) -> str:
        path = tmp_path / name / "report.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(report))
        return str(path)

    return write


def test_differences_are_paired_and_by_group(write):
    first, second = report_of(bias=0.3), report_of(seed=1, bias=0.5)
    found = compare(CompareConfig(write("a", first), write("b", second)))
    assert list(found["bmi"]) == ["ours", "ours, cautious", "ksg"]
    rows = found["bmi"]["ours"]
    own = paired.errors(second["suites"]["bmi"], "ours") - paired.errors(first["suites"]["bmi"], "ours")
    value, stderr = rows["all"][""]["absolute_error"]
    assert value == pytest.approx(own.mean(), rel=1e-3)
    assert stderr == pytest.approx(own.std(ddof=1) / np.sqrt(TABLES), rel=1e-2)
    assert {name: row["tables"] for name, row in rows["family"].items()} == {"normal": 20, "student": 20}
    assert set(rows["samples n"]) == {"100", "500"}
    assert set(rows["true MI"]) == {"1 to 3"}


def test_pairing_finds_what_means_cannot(write):
    # Errors of both spread by far more than they differ, and together.
    first, second = report_of(bias=0.3), report_of(bias=0.302)
    value, stderr = compare(CompareConfig(write("a", first), write("b", second)))["bmi"]["ours"]["all"][""][
        "absolute_error"
    ]
    assert value > 3 * stderr
    assert value < first["suites"]["bmi"]["estimators"]["ours"]["overall"]["mae"][1]


def test_interval_scores_are_compared_where_both_have_intervals(write):
    first, second = report_of(spread=0.3), report_of(spread=0.1)
    found = compare(CompareConfig(write("a", first), write("b", second)))["bmi"]
    scores = [r["suites"]["bmi"]["estimators"]["ours"]["overall"]["interval_score"][0] for r in (first, second)]
    assert found["ours"]["all"][""]["interval_score"][0] == pytest.approx(scores[1] - scores[0], abs=1e-3)
    assert "interval_score" not in found["ksg"]["all"][""]


def test_a_report_with_itself_differs_by_nothing(write):
    path = write("a", report_of())
    for rows in compare(CompareConfig(path, path))["bmi"].values():
        assert rows["all"][""]["absolute_error"] == [0.0, 0.0]


def test_estimators_of_other_names_can_be_held_against_each_other(write, tmp_path, capsys):
    path, out = write("a", report_of()), tmp_path / "differences.json"
    flags = [path, path, "--estimators", "ours", "--against", "ksg", "--out", str(out)]
    assert cli.main(["compare", *flags]) == 0
    printed = capsys.readouterr().out
    assert "ours and ksg, second less first" in printed
    assert printed.splitlines()[-1] == str(out)
    value, stderr = json.loads(out.read_text())["bmi"]["ours and ksg"]["all"][""]["absolute_error"]
    assert value < -5 * stderr < 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 7}, None),
        ({"config": {"seed": 1}}, "with seed = 0 and 1, so their tables differ; wanted the same tables"),
        ({"config": {"tables": 9}}, "with tables = None and 9"),
        ({"suites": ["null"]}, "got suites bmi and null; wanted one in both"),
        ({"shift": 0.1}, "whose tables of bmi differ, though their flags agree"),
    ],
)
def test_only_the_same_tables_are_compared(write, change, message):
    config, suites = change.pop("config", {}), change.pop("suites", None)
    first, second = report_of(), report_of(**change)
    second["config"] |= config
    if suites:
        second["suites"] = {suites[0]: second["suites"]["bmi"]}
    config = CompareConfig(write("a", first), write("b", second))
    if message is None:
        assert compare(config)
    else:
        with pytest.raises(EvalError, match=message):
            compare(config)


def test_what_is_no_report_is_refused(write, tmp_path):
    path, text, other = write("a", report_of()), tmp_path / "a.txt", tmp_path / "b.json"
    text.write_text("no JSON")
    other.write_text('{"config": {}}')
    with pytest.raises(EvalError, match=r"a\.txt, which is not JSON"):
        compare(CompareConfig(path, str(text)))
    with pytest.raises(EvalError, match=r"b\.json, which holds no suites"):
        compare(CompareConfig(path, str(other)))
    with pytest.raises(EvalError, match="got estimators nil for bmi; wanted some of: ours"):
        compare(CompareConfig(path, path, estimators=("nil",)))


def test_losses_are_found_and_only_true_ones():
    lost = report_of(bias=0.3)["suites"]["bmi"]
    assert ["bmi", "40"] in [cells[:2] for _, cells in losses("bmi", lost)]
    assert all(cells[3] == "ksg" for _, cells in losses("bmi", lost))
    assert {cells[0] for _, cells in losses("bmi", lost)} > {"bmi, family normal", "bmi, samples n 100"}
    assert not list(losses("bmi", report_of(bias=0.0)["suites"]["bmi"]))


def test_too_narrow_intervals_are_found():
    found = {cells[0]: cells for _, cells in narrow("bmi", report_of(bias=0.3)["suites"]["bmi"])}
    assert found["bmi"][2:] == ["0.0 %", "100.0 %"]
    assert not list(narrow("bmi", report_of(bias=0.0, spread=0.3)["suites"]["bmi"]))


def test_the_results_tables_show_every_estimator_and_every_loss(write, tmp_path):
    write("one", report_of(bias=0.3))
    text = markdown(tmp_path)
    rows = [line.split(" | ") for line in details(tmp_path).splitlines()]
    assert [row[1] for row in rows if row[0] == "| bmi (40)"] == ["ours", "ours, cautious", "ksg"]
    (overview,) = [line.split(" | ") for line in text.splitlines() if line.startswith("| bmi (40)")]
    assert [float(cell.split(" ± ")[0]) for cell in overview[1:5]] == pytest.approx([0.3, 0.0, 1.0, 0.04], abs=0.02)
    assert overview[5:] == ["–", "– |"]
    assert "by more than 3 standard errors:" in text
    assert "| bmi | 40 | 0.0 % | 100.0 % |" in text
    assert text.isascii() or "±" in text
    assert "`ours` by the number of rows:" in text
    write("bmi-large", report_of(bias=0.3))
    assert "| bmi-large (40) | ours | " in details(tmp_path)


def test_a_report_of_a_former_version_is_refused(write, tmp_path):
    write("old", {"config": {}, "suite": {"name": "bmi"}})
    with pytest.raises(EvalError, match="which a former version wrote; run the `mist evaluate` that made it again"):
        markdown(tmp_path)


def test_without_reports_there_are_headings_only(tmp_path: Path):
    assert markdown(tmp_path).count("nowhere") == 2
