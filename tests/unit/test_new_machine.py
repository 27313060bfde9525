"""``make new-machine`` fails where a newcomer would wait too long."""

from __future__ import annotations

import pytest

from tests.new_machine.__main__ import in_time
from tests.new_machine.machine import StepFailed


def test_ten_minutes_to_an_approved_record_are_the_most() -> None:
    in_time(600.0)
    with pytest.raises(StepFailed, match="601 s to an approved record, and 600 s are allowed"):
        in_time(600.6)
