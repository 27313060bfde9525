"""The garbage collector looks no more at what was there when the server began."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from server.runtime.garbage import leave_out_what_is_there, wait_with_collections


@pytest.fixture
def collector() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


@pytest.mark.usefixtures("collector")
def test_what_is_there_is_left_out_and_what_comes_later_is_not() -> None:
    before = gc.get_freeze_count()
    wait_with_collections()
    assert not gc.isenabled()
    leave_out_what_is_there()
    assert gc.isenabled()
    assert gc.get_freeze_count() > before
    assert len(gc.get_objects()) < gc.get_freeze_count()
    later: list[object] = []
    later.append(later)
    known = id(later)
    assert any(id(one) == known for one in gc.get_objects())
