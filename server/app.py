"""Starts and stops the parts of the server in order; ``server.wiring`` builds them.

Start: the quick checks, the ledger, the gRPC port (health says NOT_SERVING), the port of the metrics, the analysts'
endpoint, the housekeeping, Ray and the workers, the weights that an operator chose for speech, the experiments, the
alerts, the job runner. Then health says SERVING, the heavy part of the housekeeping and the web console start, and one
line goes to the log.
Stop, on SIGTERM or SIGINT: new calls are refused, streams end with a status, running jobs finish or are kept, then
the parts stop in reverse order.

Ray and the engines are imported late, so that a start with wrong settings fails before their slow import.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from server.ledger.opened import Ledgers, opened
from server.observability.log import configure, get_logger, is_for_people
from server.observability.metrics_endpoint import metrics_token, serve_metrics
from server.observability.standard_error import say
from server.preflight import check_ports, check_settings
from server.runtime.descriptors import allow_descriptors
from server.runtime.end_reason import EndReason
from server.runtime.garbage import leave_out_what_is_there, wait_with_collections
from server.runtime.malloc import keep_freed_memory
from server.settings import Settings, forget_secrets

if TYPE_CHECKING:
    from ray_tasks.types import Step
    from server.wiring import Components

log = get_logger("app")

OWNER_ALONE = 0o077
"""Files and folders that the server or a process of its makes are for its own user, whatever the shell would allow."""

USUAL_START_S = 60
"""What the first line of the log tells an operator; most of it is the start of Ray and of the workers."""

FIRST_CHANGE_S = 60.0
"""How long the start waits for chosen weights with which Ray did not come up."""

JOBS_STOP_S = 3.5
"""How long jobs may take to stop. With the time that Ray needs, the server ends within ten seconds."""


def run(settings: Settings, fetch_weights: Callable[[], None] = lambda: None) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code. Prints one line when ready.

    Args:
        settings: All settings.
        fetch_weights: Called after all other checks have passed.
    """
    os.umask(OWNER_ALONE)
    configure(settings.log_level, settings.log_format)
    if not allow_descriptors(settings.limits.connections):
        log.warning("few_descriptors", connections=settings.limits.connections)
    keep_freed_memory()
    wait_with_collections()
    end_reason = EndReason()
    try:
        check_settings(settings)
        together = settings.shared_dir is not None
        given = settings.ledger
        with opened(settings.ledger_path, given.database, together=together, mirror=given.mirror) as ledgers:
            check_ports(settings)
            if settings.ledger.database and settings.embedded_path.exists():
                hint = "No erasure reaches it. Delete it, if `vestibule ledger copy` has copied it."
                log.warning("embedded_ledger_not_used", file=str(settings.embedded_path), hint=hint)
            log.info("starting", ready_in_about_s=USUAL_START_S)
            fetch_weights()
            forget_secrets()
            asyncio.run(_serve(settings, ledgers, end_reason))
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whatever it is, the operator is told
        end_reason.note(error)
    return end_reason.tell()


async def _serve(settings: Settings, ledgers: Ledgers, end_reason: EndReason) -> None:
    began = time.monotonic()
    end_requested = requested_by_signal()
    async with AsyncExitStack() as stack:
        starting = asyncio.ensure_future(_start(settings, ledgers, stack))
        ending = asyncio.ensure_future(end_requested.wait())
        await asyncio.wait({starting, ending}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            try:
                address, dashboard, console = starting.result()
            except (Exception, asyncio.CancelledError) as error:
                end_reason.note(error)  # before the parts stop, which may fail or hang in their turn
                raise
            tls, after_s = settings.tls.enabled, round(time.monotonic() - began, 1)
            log.info("ready", address=address, tls=tls, console=console, dashboard=dashboard, after_s=after_s)
            if is_for_people(settings.log_format):  # a collector of JSON lines would stumble over a sentence
                way = " with TLS" if tls else ""
                say(f"Vestibule is ready on {address}{way}. Ray dashboard: {dashboard or 'off'}")
                say(f"Web console: {console or 'off'}")
            await ending
        else:
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
        log.info("ending")
    log.info("ended")


def requested_by_signal() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    requested = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, requested.set)
    return requested


async def _start(settings: Settings, ledgers: Ledgers, stack: AsyncExitStack) -> tuple[str, str, str]:
    """Build and start everything; the stack stops in reverse order what was started.

    Returns:
        Where the server listens, and the addresses of the Ray dashboard and of the console, each empty if it is off.
    """
    from server.wiring import build_components  # imports the engines

    components = await build_components(settings, ledgers, stack)

    def on_step(step: Step) -> None:
        log.info("start_step", step=step.name, after_s=round(step.seconds, 1))

    if components.scan is not None:
        await components.scan.start()
        _in_background(stack, components.scan.watch())
    if components.relay is not None:
        components.relay.start()
        stack.push_async_callback(components.relay.close)
    swept = await components.uploads.sweep()
    await components.grpc_server.start()
    stack.push_async_callback(components.grpc_server.stop, 0.0)
    _in_background(stack, components.room.watch())
    if components.certificate is not None:
        _in_background(stack, components.certificate.watch())
    if settings.metrics_port:
        token = metrics_token(settings.metrics_token.get_secret_value(), settings.state_dir)
        registry, on_refused = components.metrics.registry, components.access_log.at_metrics
        stop_metrics = serve_metrics(registry, settings.metrics_port, token, on_refused)
        stack.push_async_callback(asyncio.to_thread, stop_metrics)
    # Before Ray, which may be away for long: these need the ledger alone.
    if components.mirror is not None:
        await components.mirror.attempt()  # else a report would lack what it has not read yet
        _in_background(stack, components.mirror.run())
    await asyncio.to_thread(components.analysts.start)
    stack.push_async_callback(asyncio.to_thread, components.analysts.stop)
    _in_background(stack, components.housekeeping.run())
    components.cluster.speech_models = await components.speech_models.at_start()
    await components.cluster.start(on_step)
    if folder := components.cluster.folder:
        log.info("ray_folder", folder=folder, in_state_folder=Path(folder).parent == settings.state_dir.absolute())
    with suppress(TimeoutError):  # else it serves without them, and goes on trying
        async with asyncio.timeout(FIRST_CHANGE_S):
            await components.speech_models.follow()
    _in_background(stack, components.speech_models.run())
    await components.start_experiments()
    for alerter in components.alerters:
        stack.callback(asyncio.create_task(alerter.run()).cancel)
    taken_over = await components.runner.start(components.handlers)
    stack.push_async_callback(_end_work, components, settings.drain_s)
    _in_background(stack, components.prober.run())
    leave_out_what_is_there()
    await components.grpc_server.serving()
    _in_background(stack, components.housekeeping.run_heavy())
    _in_background(stack, _report_health(components))
    if components.console is not None:
        await components.console.start()
        stack.push_async_callback(components.console.stop)
    log.info("started", jobs_taken_over=taken_over, spool_files_swept=swept)
    console = components.console.address if components.console else ""
    return components.grpc_server.address, components.cluster.dashboard_url, console


async def _report_health(components: Components) -> None:
    def healthy() -> bool:
        has_ledger = not components.ledger.is_elsewhere and (
            components.membership is None or components.membership.joined
        )
        return components.cluster.ready and components.room.ok and has_ledger

    await components.grpc_server.report_health(healthy, components.worker_health)


def _in_background(stack: AsyncExitStack, work: Coroutine[object, object, None]) -> None:
    """Begin work that the stack cancels."""
    stack.callback(asyncio.create_task(work).cancel)


async def _end_work(components: Components, drain_s: float) -> None:
    """Refuse new work, then finish or keep running work. Jobs and streams share the time that is left."""
    components.pubsub.close()
    await asyncio.gather(components.grpc_server.stop(drain_s), components.runner.stop(min(drain_s, JOBS_STOP_S)))
    await components.uploads.drain()
