"""Cached tokens -> batches of like size, in an order that follows from seed and position alone.

An epoch shuffles the shards and cuts them into pools; a pool's tables are shuffled and cut into batches of tables with
about as many tokens each, so that little is padded. Batch number s of a run is always the same, which is what makes
a resumed run equal to one that was never interrupted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from training.tokens import Labelled, TokenCache

POOL_SHARDS = 128  # shards in memory at once: 0.5 GB of 512 tables each
SORTED_BATCHES = 16  # batches' worth of tables that are sorted by size together


@dataclass(frozen=True)
class Loader:
    """Batches of training splits without end.

    Attributes:
        caches: Tokens of the splits, whose shards are shuffled together.
        batch: Tables per batch; the rest of a pool that makes no whole batch waits for the next epoch's shuffle.
        seed: Seed of the order.
        rank: Number of this process, of `world`, in a run of several; each reads its share of every batch.
        world: Number of processes.
    """

    caches: Sequence[TokenCache]
    batch: int
    seed: int
    rank: int = 0
    world: int = 1

    def batches(self, start: int = 0) -> Iterator[Labelled]:
        """Batches from number `start` on, forever."""
        shards = [(cache, index) for cache in self.caches for index in range(len(cache))]
        position, epoch = 0, 0
        held: tuple[list[int], Labelled] | None = None
        while True:
            order = np.random.default_rng([self.seed, epoch]).permutation(len(shards))
            for first in range(0, len(shards), POOL_SHARDS):
                members = sorted(int(shard) for shard in order[first : first + POOL_SHARDS])
                if held is None or held[0] != members:
                    held = (
                        members,
                        Labelled.cat([cache.read(index) for cache, index in map(shards.__getitem__, members)]),
                    )
                pool = held[1]
                plan = self._plan(pool, np.random.default_rng([self.seed, epoch, first + 1]))
                for chosen in plan:
                    if position >= start:
                        yield pool.take(torch.from_numpy(chosen[self.rank :: self.world]))
                    position += 1
            epoch += 1

    def _plan(self, pool: Labelled, rng: np.random.Generator) -> list[np.ndarray]:
        """Which tables of a pool make up each of its batches."""
        smaller = torch.minimum(pool.batch.d_x, pool.batch.d_y).numpy()
        size = min(self.batch, len(pool))
        order = rng.permutation(len(pool))
        batches: list[np.ndarray] = []
        for first in range(0, len(order), size * SORTED_BATCHES):
            part = order[first : first + size * SORTED_BATCHES]
            part = part[np.argsort(smaller[part], kind="stable")]
            cuts = [part[cut : cut + size] for cut in range(0, len(part), size)]
            batches += [cut for cut in cuts if len(cut) == size]
        return [batches[index] for index in rng.permutation(len(batches))]
