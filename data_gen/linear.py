"""Random matrices of invertible linear maps."""

import numpy as np


def orthogonal(rng: np.random.Generator, d: int) -> np.ndarray:
    """Draw a uniformly distributed orthogonal matrix, (d, d).

    Reference: Mezzadri (2007), "How to generate random matrices from the classical compact groups".
    """
    q, r = np.linalg.qr(rng.standard_normal((d, d)))
    return q * np.sign(np.diag(r))
