"""Each attempt at a job is a span with a link to the call that brought the job."""

from __future__ import annotations

from pathlib import Path

from opentelemetry.trace import SpanKind, StatusCode

from models.errors import Unavailable
from models.reasons import Reason
from models.tracing.names import SpanName
from server.services.letter_messages import NOT_SHOWN
from tests.eventually import eventually
from tests.fakes.spans import MemoryTraces
from tests.unit.jobs.conftest import World
from tests.unit.jobs.test_jobs import Scripted, enqueue

SECRET = "Maria Brevalgrund"


async def _run(folder: Path, traces: MemoryTraces, handler: Scripted, *, in_call: bool) -> None:
    world = World(folder, tracer=traces.tracer)
    world.more_handlers = [handler]
    try:
        await world.start()
        if in_call:
            with traces.tracer.root(SpanName.UPLOAD, SpanKind.SERVER):
                await enqueue(world)
        else:
            await enqueue(world)
        await eventually(lambda: world.attempts)
    finally:
        await world.runner.stop(0)
        world.ledger.close()


async def test_an_attempt_has_a_link_to_the_call_and_a_trace_of_its_own(tmp_path: Path) -> None:
    traces = MemoryTraces()
    await _run(tmp_path, traces, Scripted(), in_call=True)
    job, call = traces.one("job"), traces.one("upload")
    assert [link.context.span_id for link in job.links] == [call.context and call.context.span_id]
    assert job.parent is None
    assert job.kind is SpanKind.CONSUMER
    values = traces.values("job")
    assert (values["vestibule.job.outcome"], values["vestibule.job.attempt"]) == ("done", 1)
    assert values["vestibule.job.kind"] == "other", "the kind of this test is on no list"


async def test_an_attempt_that_fails_has_its_reason(tmp_path: Path) -> None:
    traces, error = MemoryTraces(), Unavailable(SECRET, reason=Reason.CLUSTER_UNAVAILABLE)
    await _run(tmp_path, traces, Scripted(error), in_call=False)
    job, values = traces.one("job"), traces.values("job")
    assert values["error.type"] == "CLUSTER_UNAVAILABLE"
    assert values["vestibule.job.outcome"] in ("retry", "postponed")
    assert job.status.status_code is StatusCode.ERROR
    assert not job.links
    assert SECRET not in job.to_json()


async def test_a_call_that_is_not_recorded_leaves_nothing_with_its_job(tmp_path: Path) -> None:
    traces = MemoryTraces(lambda: False)
    await _run(tmp_path, traces, Scripted(), in_call=True)
    assert traces.spans == ()


def test_the_kinds_of_jobs_are_on_the_list() -> None:
    from typing import get_args

    from models.tracing.attributes import JOB_KIND, JOB_OUTCOME
    from server.jobs.types import JobOutcome
    from server.setting_groups import JobKind

    assert {JOB_KIND.accept(kind) for kind in get_args(JobKind)} == set(get_args(JobKind))
    assert {JOB_OUTCOME.accept(outcome) for outcome in JobOutcome} == set(JobOutcome)
    assert "traceparent" in NOT_SHOWN
