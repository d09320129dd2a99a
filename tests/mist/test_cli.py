"""The command line: exit codes, one-line errors, quick help, and what is imported for it."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest

from mist.cli import SUMMARIES, main

HEAVY = ("zarr", "dask", "nflows", "wandb", "matplotlib", "sklearn", "pandas")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("csv") / "data.csv"
    age = rng.normal(size=50)
    rows = np.c_[age, age + rng.normal(size=50), rng.normal(size=50)]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["age", "bmi", "blood", "name"])
        writer.writerows([*map(repr, map(float, row)), "Kim"] for row in rows)
    return path


def run(capsys, *flags: object) -> tuple[int, str, str]:
    capsys.readouterr()
    try:
        code = main([str(flag) for flag in flags])
    except SystemExit as stop:  # tyro leaves this way after --help and wrong usage
        code = int(stop.code or 0)
    out = capsys.readouterr()
    return code, out.out, out.err


def test_estimate_prints_one_line(capsys, data, folder):
    code, out, err = run(capsys, "estimate", data, "--x", "age", "bmi", "--y", "blood", "--checkpoint", folder)
    assert code == 0
    assert err == ""
    assert out.count("\n") == 1
    assert "nats, 90% interval [" in out
    assert "(n=50, 2+1)" in out


def test_estimate_as_json_in_bits(capsys, data, folder):
    flags = ("estimate", data, "--x", "age", "--y", "bmi", "--checkpoint", folder, "--json", "--level", "0.5")
    code, out, _ = run(capsys, *flags)
    nats = json.loads(out)
    assert code == 0
    assert nats["low"] <= nats["mi"] <= nats["high"]
    assert (nats["unit"], nats["level"], nats["n"], nats["x"]) == ("nats", 0.5, 50, ["age"])
    bits = json.loads(run(capsys, *flags, "--units", "bits")[1])
    assert bits["mi"] == pytest.approx(nats["mi"] / np.log(2))


def test_notices_go_to_stderr(capsys, data, folder):
    code, out, err = run(capsys, "estimate", data, "--x", "age", "--y", "age", "--checkpoint", folder)
    assert code == 0
    assert out.count("\n") == 1
    assert err.startswith("note: x and y hold the same column (age and age)")


@pytest.mark.parametrize("name", ["m.html", "m.csv", "m.png"])
def test_matrix_names_what_it_made(capsys, data, folder, tmp_path, name):
    code, out, err = run(capsys, "matrix", data, "--out", tmp_path / name, "--checkpoint", folder)
    assert code == 0
    assert out.splitlines()[-1] == str(tmp_path / name)
    assert (tmp_path / name).exists()
    assert err == "note: left out, not numeric: name\n"


def test_matrix_tells_what_was_noticed_and_in_how_many_pairs(capsys, folder, tmp_path):
    path = tmp_path / "sexes.csv"
    rows = [f"{index % 2},{index * 37 % 50},{index * 7 % 50}" for index in range(50)]
    path.write_text("\n".join(["sex,age,bmi", *rows]))
    _, _, err = run(capsys, "matrix", path, "--out", tmp_path / "m.csv", "--checkpoint", folder)
    assert "note: 2 of 3 pairs: x column sex (2 distinct values) in 50 rows: ties get middle ranks\n" in err


def test_rows_with_gaps_are_left_out_when_asked(capsys, data, folder, tmp_path):
    path, flags = tmp_path / "gaps.csv", ("--checkpoint", folder)
    lines = data.read_text().splitlines()
    path.write_text("\n".join([*lines, ",1.5,2,Kim", "1,NA,2,Kim"]))
    whole = run(capsys, "estimate", data, "--x", "age", "--y", "bmi", *flags)[1]
    assert run(capsys, "estimate", path, "--x", "age", "--y", "bmi", *flags)[0] == 1
    assert run(capsys, "estimate", path, "--x", "age", "--y", "bmi", "--drop-missing", *flags)[1:] == (
        whole,
        "note: left out 2 of 52 rows, incomplete\n",
    )
    assert run(capsys, "matrix", path, "--out", tmp_path / "m.csv", "--drop-missing", *flags)[0] == 0


def test_matrix_against_a_column_among_chosen_ones(capsys, data, folder, tmp_path):
    flags = ("--columns", "age", "bmi", "--target", "blood", "--checkpoint", folder)
    assert run(capsys, "matrix", data, "--out", tmp_path / "m.csv", *flags)[0] == 0
    assert len((tmp_path / "m.csv").read_text().splitlines()) == 3


MISTAKES = {
    "no file": (["nowhere.csv", "--x", "age", "--y", "bmi"], 1, "No such file or directory: 'nowhere.csv'"),
    "no column": (["DATA", "--x", "height", "--y", "bmi"], 1, "got column 'height'"),
    "text column": (["DATA", "--x", "name", "--y", "bmi"], 1, "got 'Kim' in line 2"),
    "no names": (["DATA", "--x", "--y", "bmi"], 1, "got no columns for --x"),
    "level": (["DATA", "--x", "age", "--y", "bmi", "--level", "90"], 1, "got level = 90"),
    "checkpoint": (
        ["DATA", "--x", "age", "--y", "bmi", "--checkpoint", "gone"],
        1,
        "got gone, a path that does not exist",
    ),
    "unit": (["DATA", "--x", "age", "--y", "bmi", "--units", "hartleys"], 2, "hartleys"),
    "flag": (["DATA", "--x", "age", "--y", "bmi", "--seed", "1"], 2, "seed"),
    "nothing": ([], 2, "required"),
}


@pytest.mark.parametrize(("flags", "expected", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistakes(capsys, data, folder, flags, expected, message):
    given = [str(data) if flag == "DATA" else flag for flag in flags]
    if expected == 1 and "--checkpoint" not in given:
        given += ["--checkpoint", str(folder)]
    code, out, err = run(capsys, "estimate", *given)
    assert code == expected
    assert message in err
    if expected == 1:
        assert out == ""
        assert err.startswith("mist estimate: ")
        assert err.count("\n") == 1


def test_unknown_commands_list_the_known(capsys):
    code, _, err = run(capsys, "estimat")
    assert code == 2
    assert "wanted one of demo, estimate" in err
    assert run(capsys)[0] == 2


@pytest.mark.parametrize("name", [*SUMMARIES])
def test_every_command_explains_itself(capsys, name):
    code, out, _ = run(capsys, name, "--help")
    assert code == 0
    assert f"usage: mist {name}" in out


def imported_by(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_import_mist_and_its_help_are_light():
    assert not imported_by("import mist") & {*HEAVY, "torch"}
    assert not imported_by("import mist.cli\nmist.cli.main(['--help'])") & {*HEAVY, "torch"}


def test_an_estimate_needs_base_dependencies_alone(data, folder):
    flags = ["estimate", str(data), "--x", "age", "--y", "bmi", "--checkpoint", str(folder)]
    assert not imported_by(f"import mist.cli\nassert mist.cli.main({flags!r}) == 0") & {*HEAVY}


def test_a_missing_extra_names_the_command_that_installs_it(capsys, monkeypatch, data, folder, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, _, err = run(capsys, "matrix", data, "--out", tmp_path / "m.png", "--checkpoint", folder)
    assert code == 1
    assert 'pip install "mist-mi[all]"' in err
