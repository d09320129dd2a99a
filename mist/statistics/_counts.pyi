import numpy as np

def counts(
    s: np.ndarray,
    t: np.ndarray,
    tied: np.ndarray,
    k: np.ndarray,
    widths: np.ndarray,
    tables: int,
    rows: int,
    euclidean: bool,
    relative: float,
    absolute: float,
    out: np.ndarray,
) -> None: ...
