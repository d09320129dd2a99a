"""Random matrices of invertible linear maps."""

import numpy as np
from scipy.linalg.lapack import dgeqrf, dorgqr  # without the checks of numpy's qr, which cost more where d is small


def orthogonal(rng: np.random.Generator, d: int) -> np.ndarray:
    """Draw a uniformly distributed orthogonal matrix, (d, d).

    Reference: Mezzadri (2007), "How to generate random matrices from the classical compact groups".
    """
    packed, factors, *_ = dgeqrf(rng.standard_normal((d, d)), overwrite_a=True)  # q as reflections, and r above them
    return dorgqr(packed, factors)[0] * np.sign(np.diag(packed))
