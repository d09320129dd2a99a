"""A table's exact statistics -> tokens.

Every number here is the same whatever the order of rows or columns, whichever side is called x, and under strictly
increasing maps of single columns. `summarise` is the one entry; training and inference both come through it.
"""

from mist.statistics.anchors import ANCHORS
from mist.statistics.compiled import summarise
from mist.statistics.summary import GROUPS

__all__ = ["ANCHORS", "GROUPS", "summarise"]
