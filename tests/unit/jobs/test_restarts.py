"""Jobs over the end of a process: killed, or stopped in order."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from models.errors import InternalError
from server.ledger import claims
from server.ledger.types import JobState, UploadState
from server.uploads.spool import Spool
from tests.unit.jobs.conftest import World


class TestKilled:
    async def test_a_crash_after_acceptance_loses_nothing(self, world: World) -> None:
        upload = await world.upload()  # nobody runs jobs: the process dies here
        world.boot()
        await world.start()
        await world.settle()
        assert (await world.uploaded(upload.id)).state is UploadState.DONE

    async def test_a_crash_during_an_attempt_loses_nothing(self, world: World) -> None:
        free = world.gateway.hold("read_picture")
        await world.start()
        upload = await world.upload()
        await world.until_called("read_picture")
        killed = world.runner
        for _, task in killed._running.values():  # SIGKILL: nothing is put back
            task.cancel()
        for loop in killed._loops:
            loop.cancel()
        (job,) = await world.jobs()
        assert job.state is JobState.RUNNING
        free.set()
        world.boot()
        assert await world.start() == 1
        await world.settle()
        assert (await world.uploaded(upload.id)).state is UploadState.DONE
        assert len(list(world.artifacts.iterdir())) == 1

    async def test_a_crash_between_commit_and_clean_up_leaves_no_content(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def dead(_self: Spool, _id: str) -> None:
            raise InternalError("Killed here.")

        await world.start()
        upload = await world.upload()
        with monkeypatch.context() as patched:
            patched.setattr(Spool, "delete", dead)
            await world.settle()
        assert (await world.uploaded(upload.id)).state is UploadState.DONE
        assert len(world.spool.ids()) == 1
        assert await world.intake.sweep() == 1
        assert world.spool.ids() == set()

    async def test_a_result_without_the_lease_does_not_count(self, world: World) -> None:
        free = world.gateway.hold("read_picture")
        await world.start()
        upload = await world.upload()
        await world.until_called("read_picture")
        (job,) = await world.jobs()
        await world.ledger.write(lambda cursor: claims.take_over(cursor, world.clock(), timedelta(seconds=600)))
        running = [task for _, task in world.runner._running.values()]
        free.set()
        await asyncio.wait(running)
        assert world.outcomes[0] == "lost"
        await world.settle()
        assert (await world.uploaded(upload.id)).state is UploadState.DONE
        assert (await world.jobs())[0].id == job.id


class TestEnding:
    async def test_running_attempts_may_end_during_shutdown(self, world: World) -> None:
        free = world.gateway.hold("read_picture")
        await world.start()
        upload = await world.upload()
        await world.until_called("read_picture")
        stopping = asyncio.create_task(world.runner.stop(drain_s=10))
        await asyncio.sleep(0)
        free.set()
        assert await stopping == 0
        assert (await world.uploaded(upload.id)).state is UploadState.DONE

    async def test_attempts_that_do_not_end_are_kept_for_the_next_start(self, world: World) -> None:
        free = world.gateway.hold("read_picture")
        await world.start()
        upload = await world.upload()
        await world.until_called("read_picture")
        assert await world.runner.stop(drain_s=0) == 1
        assert world.gateway.cancelled == ["read_picture"]
        (job,) = await world.jobs()
        assert (job.state, job.attempts, job.lease_owner) == (JobState.QUEUED, 0, "")
        assert world.outcomes == ["released"]
        free.set()
        world.boot()
        await world.start()
        await world.settle()
        assert (await world.uploaded(upload.id)).state is UploadState.DONE

    async def test_no_job_is_claimed_during_shutdown(self, world: World) -> None:
        await world.start()
        await world.runner.stop(drain_s=0)
        await world.upload()
        assert world.runner.running == 0
        assert (await world.jobs())[0].state is JobState.QUEUED
