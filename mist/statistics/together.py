"""Independent pieces of work, at once on several threads or one after another on none."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import torch


class Inline(Executor):
    """Does what is submitted at once, in the caller's thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run `fn` now; a finished future."""
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))  # an error surfaces here, where the work is done
        return done


def workers(threads: int) -> Executor:
    """An executor with so many threads; with one, none is started.

    Each computes alone: torch would start threads of its own from every one of them, more than there are cores.
    """
    return ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) if threads > 1 else Inline()
