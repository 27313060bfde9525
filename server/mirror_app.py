"""Starts and stops a mirror of PostgreSQL in a process of its own, with the endpoint for analysts.

It uses the database beside servers and never changes its schema. When a server of another release does, it ends: a
mirror that cannot read any more must not live, because erasures wait for those that do.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from functools import partial
from typing import Final

from prometheus_client import CollectorRegistry

from models.errors import InvalidInput, Unavailable
from models.reasons import Reason
from server.analytics.endpoint import AnalystEndpoint
from server.app import OWNER_ALONE, requested_by_signal
from server.ledger.embedded import EmbeddedLedger
from server.ledger.opened import opened_mirror, require_driver
from server.mirror import build_mirror
from server.observability.log import configure, get_logger
from server.observability.metrics import mirror_lag
from server.observability.metrics_endpoint import metrics_token, serve_metrics
from server.observability.standard_error import say
from server.preflight import check_ports, make_own_folders
from server.runtime.end_reason import EndReason
from server.settings import Settings, forget_secrets

log = get_logger("app")

PORTS: Final = frozenset({"analysts", "metrics"})
SCHEMA_LOOK_S: Final = 5.0
"""How often it looks whether the schema is still that of this release."""


def run(settings: Settings) -> int:
    """Mirror until SIGTERM or SIGINT; returns the exit code. Prints one line when analysts can attach."""
    os.umask(OWNER_ALONE)
    configure(settings.log_level, settings.log_format)
    end_reason = EndReason()
    try:
        with _opened(settings) as file:
            forget_secrets()
            asyncio.run(_serve(settings, file))
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whatever it is, the operator is told
        end_reason.note(error)
    return end_reason.tell()


@contextmanager
def _opened(settings: Settings) -> Iterator[EmbeddedLedger]:
    """Check what it needs, and open its file.

    Raises:
        VestibuleError: LEDGER_NOT_SHARED without PostgreSQL, LEDGER_DRIVER_MISSING, ADDRESS_IN_USE; as
            ``make_own_folders``, ``require_newest_schema`` and ``EmbeddedLedger.open``.
    """
    if not settings.ledger.database:
        raise InvalidInput(
            "A mirror is of a ledger in PostgreSQL, and VESTIBULE_LEDGER__URL is empty.",
            reason=Reason.LEDGER_NOT_SHARED,
            hint="Set VESTIBULE_LEDGER__URL as the servers have it. An embedded ledger is served by its server.",
        )
    require_driver()
    from server.ledger.postgres.ledger import require_newest_schema  # psycopg is an extra

    make_own_folders(settings)
    require_newest_schema(settings.ledger.database)
    with closing(opened_mirror(settings.ledger_path)) as file:
        check_ports(settings, PORTS)
        yield file


async def _serve(settings: Settings, file: EmbeddedLedger) -> None:
    ending = asyncio.create_task(requested_by_signal().wait())
    mirroring = asyncio.create_task(_mirror(settings, file))
    await asyncio.wait({ending, mirroring}, return_when=asyncio.FIRST_COMPLETED)
    if mirroring.done():
        await mirroring
    log.info("ending")
    await _ended(mirroring)
    log.info("ended")


async def _mirror(settings: Settings, file: EmbeddedLedger) -> None:
    """Start everything, and go on until cancelled.

    Raises:
        VestibuleError: It cannot start, or the schema is no more that of this release.
        OSError: The disk refuses.
    """
    async with AsyncExitStack() as stack:
        mirror = await build_mirror(settings.ledger.database, file, settings.state_dir, stack)
        analysts = AnalystEndpoint(
            file, settings.quack, settings.state_dir, least_free_bytes=settings.limits.least_free_bytes
        )
        mirror.forget_copies = partial(asyncio.to_thread, analysts.forget_snapshot)
        if settings.metrics_port:
            registry = CollectorRegistry()
            mirror_lag(registry).set_function(lambda: mirror.lag_s)
            token = metrics_token(settings.metrics_token.get_secret_value(), settings.state_dir)
            stop_metrics = serve_metrics(registry, settings.metrics_port, token)
            stack.push_async_callback(asyncio.to_thread, stop_metrics)
        await mirror.round()  # before anybody is served: the file may have what was erased since
        stack.push_async_callback(asyncio.to_thread, analysts.stop)
        await asyncio.to_thread(analysts.start, required=True)
        stack.push_async_callback(_ended, asyncio.create_task(mirror.run()))
        log.info("ready")
        off = "Nobody can attach: VESTIBULE_QUACK__ENABLED is false."
        say(f"The mirror is ready. {analysts.component.detail if settings.quack.enabled else off}")
        await _until_schema_changes(settings.ledger.database)


async def _ended(task: asyncio.Task[None]) -> None:
    """Cancel a task, and wait for its end."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _until_schema_changes(url: str) -> None:
    from server.ledger.postgres.ledger import require_newest_schema

    while True:
        await asyncio.sleep(SCHEMA_LOOK_S)
        try:
            await asyncio.to_thread(require_newest_schema, url)
        except Unavailable as error:  # the rounds say so
            log.debug("schema_not_read", reason=error.reason)
