"""The results table of the README, from the JSON of finished reports: `python -m eval.table eval/reports`."""

import json
import sys
from pathlib import Path
from typing import Any

HEADINGS = ("suite", "estimator", "MAE (nats)", "MSE", "bias", "90 % interval covers", "width", "failed", "ms")


def markdown(folder: Path) -> str:
    """One row per suite and estimator, sorted by suite, ours first; every mean with its standard error.

    Args:
        folder: Holds a folder with report.json per suite, as `mist evaluate` writes them.
    """
    lines = [f"| {' | '.join(HEADINGS)} |", "|---" * len(HEADINGS) + "|"]
    for path in sorted(folder.glob("*/report.json")):
        report = json.loads(path.read_text("utf-8"))
        title = f"{report['suite']['name']} ({report['suite']['tables']})"
        for name, found in report["estimators"].items():
            seconds = report["timings"][name]["median_seconds"]
            lines.append(f"| {' | '.join([title, name, *_cells(found['overall'], seconds)])} |")
    return "\n".join(lines) + "\n"


def _cells(overall: dict[str, Any], seconds: float) -> list[str]:
    covered = overall.get("coverage", {}).get("0.9")
    return [
        _mean(overall["mae"]),
        _mean(overall["mse"]),
        _mean(overall["bias"]),
        _mean(covered) if covered else "–",
        f"{overall['width']['value']:.2f}" if covered else "–",
        str(overall["failed"]),
        f"{1000 * seconds:.1f}" if seconds >= 1e-4 else "–",
    ]


def _mean(mean: dict[str, float | None]) -> str:
    if mean["value"] is None or mean["stderr"] is None:
        return "–"
    return f"{mean['value']:.3f} ± {mean['stderr']:.3f}"


if __name__ == "__main__":
    print(markdown(Path(sys.argv[1])), end="")
