"""The thread of Ray outlives whoever asked it for something."""

from __future__ import annotations

import threading

from ray_tasks.ray_thread import RayThread


def test_a_job_whose_caller_has_left_is_not_begun_and_later_ones_are() -> None:
    thread = RayThread()
    held, begun = threading.Event(), []
    first = thread.submit(lambda: held.wait(20))
    given_up = thread.submit(lambda: begun.append("given up"))
    last = thread.submit(lambda: begun.append("last"))
    assert given_up.cancel()
    held.set()
    assert first.result(20)
    last.result(20)
    assert begun == ["last"]
    thread.close()
