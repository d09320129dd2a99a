"""Peak memory is what an estimate added, no more and no less, whatever came before."""

import numpy as np
import pytest

from eval import memory
from eval.memory import PeakMemory

MB = 2**20
SLACK = 2 * MB  # of the kernel's own counting and of small allocations beside the array
pytestmark = pytest.mark.skipif(not memory._RESET.exists(), reason="only Linux has such a mark")


def peak(megabytes: int) -> int:
    with PeakMemory() as measured:
        np.ones(megabytes * MB // 8)
    assert measured.peak_bytes is not None
    return measured.peak_bytes


@pytest.mark.parametrize("megabytes", [0, 10, 80])
def test_a_temporary_array_is_measured_though_it_is_freed(megabytes):
    assert peak(megabytes) == pytest.approx(megabytes * MB, abs=SLACK)


def test_an_earlier_peak_does_not_hide_a_later_one():
    peak(80)
    assert peak(20) == pytest.approx(20 * MB, abs=SLACK)


def test_what_was_held_before_does_not_count():
    held = np.ones(50 * MB // 8)
    assert peak(10) == pytest.approx(10 * MB, abs=SLACK)
    assert held.sum() > 0


def test_where_the_system_does_not_tell_nothing_is_guessed(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_RESET", tmp_path / "absent" / "clear_refs")
    with PeakMemory() as measured:
        np.ones(1000)
    assert measured.peak_bytes is None
