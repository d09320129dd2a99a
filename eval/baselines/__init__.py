"""Estimators of mutual information behind one interface; importing this package registers them all."""

from eval.baselines import cca, gcmi, ksg, ours, sklearn_knn
from eval.baselines.base import BASELINES, Baseline, CannotEstimate, Guess, PointBaseline, build

__all__ = [
    "BASELINES",
    "Baseline",
    "CannotEstimate",
    "Guess",
    "PointBaseline",
    "build",
    "cca",
    "gcmi",
    "ksg",
    "ours",
    "sklearn_knn",
]
