import numpy as np

def forward(
    weights: np.ndarray,
    sizes: np.ndarray,
    features: np.ndarray,
    tokens: tuple[np.ndarray, ...],
    masks: tuple[np.ndarray, ...],
    anchors: np.ndarray,
    tables: int,
    out: np.ndarray,
) -> None: ...
