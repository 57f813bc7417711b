"""Places where a test makes the process die, as a power cut would.

``DESKBELL_CRASH_AT=after_commit`` ends the process with SIGKILL the first time that point is
passed; ``after_commit:5`` the fifth time. Without the variable a point costs one comparison.
"""

from __future__ import annotations

import os
import signal
from typing import Literal

Point = Literal["before_commit", "after_commit", "after_ack", "after_publish"]

_name, _, _count = os.environ.get("DESKBELL_CRASH_AT", "").partition(":")
_left = int(_count or 1)


def passing(point: Point) -> None:
    """Die here, if this is the point and its turn."""
    if _name and _name == point:
        _die_when_due()


def _die_when_due() -> None:
    global _left
    _left -= 1
    if _left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
