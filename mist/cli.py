"""The `mist` command: one subcommand per stage, flags from that stage's config; the one door to the other packages."""

import sys
from collections.abc import Callable
from typing import TypeVar

from mist import __version__
from mist.errors import MistError

Config = TypeVar("Config")

SUMMARIES = {
    "demo": "the whole pipeline, small, then intervals on a real data set with a plot",
    "estimate": "mutual information between columns of a CSV file, with an interval",
    "matrix": "intervals for all pairs of columns of a CSV file, as .html, .csv or .png",
    "generate": "make a meta-dataset: synthetic tables with known mutual information",
    "validate": "check and describe a meta-dataset",
    "train": "train a network on a meta-dataset",
    "calibrate": "fit a trained network's intervals to the truth",
    "evaluate": "measure error and coverage against baselines, as JSON and HTML",
    "compare": "hold two reports on the same tables against each other, pair by pair",
}


def main(argv: list[str] | None = None) -> int:
    """Run one subcommand.

    Returns:
        0 when done, 1 after a clear error in one line on stderr, 2 for wrong usage.
    """
    given = sys.argv[1:] if argv is None else argv
    if not given or given[0] in ("-h", "--help"):
        print(_overview())
        return 0 if given else 2
    if given[0] == "--version":
        print(f"mist {__version__}")
        return 0
    if given[0] not in SUMMARIES:
        print(f"mist: got {given[0]!r}, wanted one of {', '.join(SUMMARIES)}; see `mist --help`", file=sys.stderr)
        return 2
    return _guarded(given[0], given[1:])


def _overview() -> str:
    width = max(map(len, SUMMARIES))
    lines = [f"  {name:<{width}}  {summary}" for name, summary in SUMMARIES.items()]
    return "\n".join(["usage: mist COMMAND [FLAGS]    (mist COMMAND --help explains each flag)", "", *lines])


def _guarded(name: str, flags: list[str]) -> int:
    """Run a subcommand, its errors in one line."""
    try:
        _COMMANDS[name](flags)
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] in _OURS:
            raise
        return _refuse(name, f'{error.name} is not installed, which this needs; pip install "mist-mi[all]"')
    except (ValueError, OSError) as error:
        if not isinstance(error, _refusals()):
            raise
        return _refuse(name, str(error))
    except KeyboardInterrupt:
        resumed = " with --resume" if name == "train" else ""
        return _refuse(name, f"interrupted; run the same command again{resumed} to go on")
    return 0


def _refusals() -> tuple[type[Exception], ...]:
    """Errors that a user can cause; every other one is our mistake and keeps its traceback."""
    from data_gen.errors import DataGenError
    from eval.errors import EvalError

    return MistError, DataGenError, EvalError, OSError


def _refuse(name: str, message: str) -> int:
    print(f"mist {name}: {' '.join(message.split())}", file=sys.stderr)
    return 1


def _parse(config: type[Config], name: str, flags: list[str], more: str = "") -> Config:
    """A stage's config from its flags; exits with 0 after --help, in which `more` stands, and with 2 on wrong usage."""
    import tyro

    settings = (tyro.conf.FlagCreatePairsOff,)
    about = f"{SUMMARIES[name]}.{more}"
    return tyro.cli(config, prog=f"mist {name}", description=about, args=flags, config=settings)


def _demo(flags: list[str]) -> None:
    from mist.demo import DemoConfig, demo

    demo(_parse(DemoConfig, "demo", flags), run=lambda name, stage_flags: _COMMANDS[name](stage_flags))


def _estimate(flags: list[str]) -> None:
    from mist.commands import EstimateConfig, estimate

    estimate(_parse(EstimateConfig, "estimate", flags))


def _matrix(flags: list[str]) -> None:
    from mist.commands import MatrixConfig, matrix

    matrix(_parse(MatrixConfig, "matrix", flags))


def _generate(flags: list[str]) -> None:
    from data_gen.generate import GenerateConfig, generate

    generate(_parse(GenerateConfig, "generate", flags))


def _validate(flags: list[str]) -> None:
    from data_gen.validate import ValidateConfig, validate

    validate(_parse(ValidateConfig, "validate", flags))


def _train(flags: list[str]) -> None:
    from training.config import TrainConfig
    from training.loop import train

    print(train(_parse(TrainConfig, "train", flags)))


def _calibrate(flags: list[str]) -> None:
    from training.calibrate import CalibrateConfig, calibrate

    print(calibrate(_parse(CalibrateConfig, "calibrate", flags)))


def _evaluate(flags: list[str]) -> None:
    from eval.baselines import catalogue
    from eval.evaluate import EvaluateConfig, evaluate

    listed = "".join(f"\n  {name:<16}{line}" for name, line in catalogue().items())
    more = f"\n\nEstimators, each alone or with an interval around it (+ and its name, as in ksg+subsampling):{listed}"
    evaluate(_parse(EvaluateConfig, "evaluate", flags, more))


def _compare(flags: list[str]) -> None:
    from eval.compare import CompareConfig, compare

    compare(_parse(CompareConfig, "compare", flags))


_OURS = ("mist", "data_gen", "training", "eval")
_COMMANDS: dict[str, Callable[[list[str]], None]] = {
    "demo": _demo,
    "estimate": _estimate,
    "matrix": _matrix,
    "generate": _generate,
    "validate": _validate,
    "train": _train,
    "calibrate": _calibrate,
    "evaluate": _evaluate,
    "compare": _compare,
}


if __name__ == "__main__":
    sys.exit(main())
