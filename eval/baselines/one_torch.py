"""PyTorch for estimators that train on each table: seeded by the table, on one thread, and put back afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


@contextmanager
def seeded_torch(rng: np.random.Generator) -> Iterator[None]:
    """Seed torch's global generator from `rng` and keep to one thread: its bits depend on the number of threads."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(2**63)))
            yield
    finally:
        torch.set_num_threads(threads)
