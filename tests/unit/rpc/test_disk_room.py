"""A full disk refuses the calls that bring new work, and no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from models.errors import Overloaded
from models.reasons import Reason
from server.access.scopes import SCOPES
from server.rpc.interceptors.base import Call
from server.rpc.interceptors.disk_room import BRING_WORK, NeedsRoom
from server.runtime.disk_room import Disk, DiskRoom


def test_what_brings_work_are_methods_that_exist() -> None:
    assert set(SCOPES) >= BRING_WORK


@pytest.mark.parametrize("method", sorted(SCOPES))
@pytest.mark.parametrize("free", [9, 10])
async def test_only_new_work_is_refused_and_only_without_room(method: str, free: int) -> None:
    room = DiskRoom([Disk("ledger", Path("/"), Reason.LEDGER_FULL)], 10, lambda folder: free)
    reached = False
    try:
        async with NeedsRoom(room).around(Call(method, cast(Any, None))):
            reached = True
    except Overloaded as error:
        assert error.reason is Reason.LEDGER_FULL
    assert reached == (free == 10 or method not in BRING_WORK)
