"""Estimators of mutual information behind one interface; importing this package registers them all."""

from eval.baselines import (
    cca,
    ennemi_knn,
    gcmi,
    histogram,
    intervals,
    kde,
    ksg,
    ours,
    pca,
    sklearn_knn,
    sliced,
)
from eval.baselines.base import Baseline, CannotEstimate, Guess, PointBaseline
from eval.baselines.registry import BASELINES, build, catalogue

__all__ = [
    "BASELINES",
    "Baseline",
    "CannotEstimate",
    "Guess",
    "PointBaseline",
    "build",
    "catalogue",
    "cca",
    "ennemi_knn",
    "gcmi",
    "histogram",
    "intervals",
    "kde",
    "ksg",
    "ours",
    "pca",
    "sklearn_knn",
    "sliced",
]
