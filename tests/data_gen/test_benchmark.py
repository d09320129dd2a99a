"""The benchmark: what it runs, how it sums up, what it refuses. How long anything takes is no test's business."""

import json
from pathlib import Path

import pytest

from data_gen.benchmark import BenchmarkConfig, Case, Run, _process, benchmark, report
from data_gen.errors import DataGenError
from data_gen.plan import GenerateConfig, plan


def test_report_takes_medians_and_ratios_of_neighbours() -> None:
    runs = {
        Case(1, 0.0): [Run(10.0, 9.0), Run(30.0, 9.0), Run(12.0, 9.0)],
        Case(2, 0.0): [Run(5.0, 10.0), Run(20.0, 10.0), Run(6.0, 12.0)],
        Case(2, 0.1): [Run(8.0, 16.0)],
    }
    figures = report(120, runs)
    assert [case["tables_per_second"] for case in figures["cases"]] == [10.0, 20.0, 15.0]
    assert [case["tables_per_processor_second"] for case in figures["cases"]] == pytest.approx([120 / 9, 12.0, 7.5])
    assert figures["speedups"] == [{"workers": 2, "flow_share": 0.0, "over": 1, "ratio": 2.0}]


def test_every_case_runs_in_turn_into_a_place_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[dict[str, str]] = []

    def run(flags: list[str]) -> None:
        seen.append(dict(zip(flags[::2], flags[1::2], strict=True)))

    config = BenchmarkConfig(out=tmp_path / "a" / "b.json", tables=64, repeats=2, folder=tmp_path)
    assert benchmark(config, run) == config.out
    own = plan(GenerateConfig(out="", preset="wide")).prior.flow_share
    cases = [(f["--workers"], f["--flow-share"]) for f in seen]
    assert cases == 2 * [("1", "0.0"), ("2", "0.0"), ("1", str(own)), ("2", str(own))]
    assert len({f["--out"] for f in seen}) == len(seen)
    record = json.loads(config.out.read_text())
    assert record["tables"] == sum(plan(GenerateConfig(out="", preset="wide", tables=64)).tables.values())
    assert [len(case["runs"]) for case in record["cases"]] == [2] * 4
    assert [speedup["workers"] for speedup in record["speedups"]] == [2, 2]
    assert 0 <= record["machine"]["stolen_share"] <= 1
    assert capsys.readouterr().out.splitlines()[-1] == str(config.out)
    assert not any(Path(f["--out"]).parent.exists() for f in seen)


@pytest.mark.parametrize("change", [{"repeats": 0}, {"workers": ()}, {"workers": (0,)}, {"flow_shares": ()}])
def test_nothing_to_time_is_an_error(tmp_path: Path, change: dict[str, object]) -> None:
    with pytest.raises(DataGenError, match="needs --repeats and --workers of 1 or more, and --flow-shares; got"):
        benchmark(BenchmarkConfig(out=tmp_path / "b.json", **change))  # type: ignore[arg-type]


def test_failure_of_a_run_is_told(tmp_path: Path) -> None:
    config = BenchmarkConfig(out=tmp_path / "b.json", tables=8, workers=(1,), folder=tmp_path, flow_shares=(2.0,))
    with pytest.raises(DataGenError, match="the generator failed with --out"):
        benchmark(config, lambda flags: _process([*flags, "--seed", "-1"]))
