"""Work in a thread that nobody waits for at the end of the server."""

from __future__ import annotations

import pytest

from server.runtime.daemon_thread import answer_of_thread


async def test_the_answer_is_that_of_the_work() -> None:
    assert await answer_of_thread(lambda: 41 + 1, "work", 60.0) == 42


async def test_what_the_work_raises_is_raised_at_once() -> None:
    def fails() -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        await answer_of_thread(fails, "work", 60.0)
