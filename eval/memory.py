"""Peak memory of one estimate: how far the process grew beyond what it held before.

The kernel's own mark of the resident memory is set back before the estimate and read after it, so everything counts:
NumPy, torch, C++ trees (`tracemalloc` sees none of the last two, and `ru_maxrss` can never fall, so that only the first
large table would be charged). Freed memory is given back to the system first; what an allocator keeps all the same and
uses again is not counted, nor is what an estimator holds for good, such as a network's weights. Linux alone has such a
mark: elsewhere the answer is None, never a guess.
"""

import ctypes
from pathlib import Path
from types import TracebackType

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # proc(5): sets VmHWM back to the present VmRSS


class PeakMemory:
    """A context whose `peak_bytes` is afterwards the most memory that was added inside, or None if unknown."""

    def __init__(self) -> None:
        self.peak_bytes: int | None = None
        self._before: int | None = None

    def __enter__(self) -> "PeakMemory":
        """Set the mark back."""
        _give_back()
        try:
            _RESET.write_text(_RESET_PEAK)
            self._before = _resident("VmRSS")
        except OSError:  # another system, or a container that forbids it
            self._before = None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Read the mark."""
        if self._before is not None:
            self.peak_bytes = max(0, _resident("VmHWM") - self._before)


def _resident(name: str) -> int:
    """An entry of the process's status in bytes."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return 1024 * int(line.split()[1])
    raise OSError(f"{_STATUS} has no {name}")


def _give_back() -> None:
    """Ask the C library to return freed memory to the system, where it can."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
