"""What README says is what happens: its example, its commands, its file tree."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from mist import cli

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, flags=re.DOTALL)
# Where each stage's work is done: replaced below, since a test asks only whether the flags are right.
STAGES = {
    "generate": "data_gen.generate.generate",
    "validate": "data_gen.validate.validate",
    "train": "training.loop.train",
    "calibrate": "training.calibrate.calibrate",
    "evaluate": "eval.evaluate.evaluate",
    "compare": "eval.compare.compare",
    "estimate": "mist.commands.estimate",
    "matrix": "mist.commands.matrix",
}
LINES = [line for kind, block in BLOCKS if kind == "bash" for line in block.splitlines() if line.startswith("mist ")]
GUIDE = [
    line.strip() for line in (ROOT / "CONTRIBUTING.md").read_text("utf-8").splitlines() if line.startswith("    mist ")
]
NUMBER = r"-?\d+\.\d+"


def below(marker: str) -> str:
    """The code block below an HTML comment."""
    found = re.search(rf"<!-- {marker} -->\n```\w*\n(.*?)```", README, flags=re.DOTALL)
    assert found, f"README has no block below <!-- {marker} -->"
    return found.group(1)


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_prints_what_is_shown():
    example = next(block for kind, block in BLOCKS if kind == "python")
    assert len(example.splitlines()) == 8
    shown, printed = below("example output"), python(example)
    assert re.sub(NUMBER, "#", shown) == re.sub(NUMBER, "#", printed)
    numbers = [list(map(float, re.findall(NUMBER, text))) for text in (shown, printed)]
    # The last digit may differ between processors.
    assert numbers[1] == pytest.approx(numbers[0], abs=2e-3), f"the example prints {printed}"


def test_the_tour_runs():
    first, tour = [block for kind, block in BLOCKS if kind == "python"]
    python(first + tour)


@pytest.mark.parametrize("line", [*LINES, *GUIDE])
def test_flags_of_every_command_shown_are_right(line, monkeypatch):
    name = shlex.split(line)[1]
    calls = []
    monkeypatch.setattr(STAGES[name], lambda config: calls.append(config))
    assert cli.main(shlex.split(line)[1:]) == 0
    assert len(calls) == 1


def test_every_command_is_shown():
    assert {shlex.split(line)[1] for line in LINES} | {"demo"} == set(cli.SUMMARIES)


def test_both_setup_commands_are_one_line_each():
    demo, tests = below("demo command"), below("test command")
    assert demo.count("\n") == tests.count("\n") == 1
    assert demo.endswith("&& mist demo\n")
    assert tests.endswith("&& python -m pytest\n")
    for command in (demo, tests):
        assert command.startswith("python -m pip install torch==")


def test_the_file_tree_is_true():
    tree = next(block for kind, block in BLOCKS if not kind and "mist/ " in block)
    folder = ""
    for line in tree.splitlines():
        name = line.split()[0]
        folder = folder if line.startswith(" ") else name
        assert (ROOT / folder / name if line.startswith(" ") else ROOT / name).exists(), name


def test_links_lead_somewhere():
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / link).exists(), link


def test_the_results_are_those_of_the_reports():
    from eval.table import details, markdown

    shown = README.partition("<!-- results -->\n")[2].partition("<!-- end of results -->")[0]
    assert shown.strip() == markdown(ROOT / "eval" / "reports").strip()
    assert (ROOT / "eval" / "reports" / "README.md").read_text("utf-8") == details(ROOT / "eval" / "reports")
