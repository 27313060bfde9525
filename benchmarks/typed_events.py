"""What declared properties of app events save: values that stay as they are, and CPU time of one process.

    python -m benchmarks.typed_events [--events LOG.csv.gz] [--batches 10]

Printed first, of amounts and codes of five kinds, 1,000 of each: how many are stored otherwise than they were sent,
undeclared (as text, with the real redactor) and declared. ``--events`` takes a log with the columns ``resource`` and
``case_attrs`` (JSON with ``AMOUNT_REQ``), and its amounts and resources in place of random ones.

Then, for events in batches of 500 over 25 sessions, given to the service in one process without the wire: events for
each second of CPU of the whole process, and of the clock, with

none        no properties
new         two texts that never come again: what two texts of every event cost before there was a memory
forgotten   two texts of 200 each that come again and again, redacted anew in each batch
repeated    the same texts, remembered
declared    five declared properties: number, boolean, time, code, enumeration
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import gzip
import json
import random
import tempfile
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from google.protobuf.timestamp_pb2 import Timestamp
from vestibule.v1 import funnel_pb2

from models.redaction.redactor import LocalRedactor, build_redactor
from server.access.audit import AuditTrail
from server.access.caller import Caller, Scope, acting_as
from server.ledger import sessions
from server.ledger.columns import fetch_all
from server.ledger.embedded import EmbeddedLedger
from server.ledger.types import SessionRow, SessionState, utc_now
from server.records.refusal_events import RefusalEvents
from server.records.remembered_texts import RememberedTexts
from server.services.funnel import FunnelService
from server.settings import Settings
from tests.fakes.local_workers import LocalWorkers

CLIENT = "shop"
APP = Caller("key:a", CLIENT, frozenset({Scope.APP}))
PER_KIND = 1000
PER_BATCH = 500
SESSIONS = 25
SCREENS = 200
SEED = 14
WAYS = ("none", "new", "forgotten", "repeated", "declared")
DECLARED = funnel_pb2.DeclaredEvent(
    name="form_sent",
    properties=[
        funnel_pb2.DeclaredProperty(key="amount", kind=funnel_pb2.PROPERTY_KIND_NUMBER),
        funnel_pb2.DeclaredProperty(key="returning", kind=funnel_pb2.PROPERTY_KIND_BOOLEAN),
        funnel_pb2.DeclaredProperty(key="opened_at", kind=funnel_pb2.PROPERTY_KIND_TIME),
        funnel_pb2.DeclaredProperty(key="order_code", kind=funnel_pb2.PROPERTY_KIND_CODE),
        funnel_pb2.DeclaredProperty(
            key="channel", kind=funnel_pb2.PROPERTY_KIND_ENUMERATION, values=["app", "web", "branch"]
        ),
    ],
)
Properties = dict[str, str]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=Path)
    parser.add_argument("--batches", type=int, default=10)
    arguments = parser.parse_args()
    redactor = build_redactor(Settings().weights_dir)
    values = values_of(arguments.events)
    print(f"{'values':14s} {'sent':>6s} {'altered undeclared':>19s} {'altered declared':>17s}")
    for kind, sent in values.items():
        key = "amount" if kind == "amounts" else "order_code"
        altered = [asyncio.run(altered_values(redactor, key, sent, declared=way)) for way in (False, True)]
        print(f"{kind:14s} {len(sent):6d} {altered[0]:19d} {altered[1]:17d}", flush=True)
    print(f"\n{'way':10s} {'events':>7s} {'per CPU second':>15s} {'per second':>11s}")
    for way in WAYS:
        count = PER_BATCH * arguments.batches
        cpu_s, wall_s = asyncio.run(intake(redactor, way, arguments.batches))
        print(f"{way:10s} {count:7d} {count / cpu_s:15.0f} {count / wall_s:11.0f}", flush=True)


def values_of(log: Path | None) -> dict[str, list[str]]:
    """Amounts and codes by what they are."""
    chance = random.Random(SEED)
    found = {
        "amounts": [str(500 * chance.randint(1, 200)) for _ in range(PER_KIND)],
        "resources": [str(chance.randint(10_000, 11_400)) for _ in range(PER_KIND)],
        "builds": [
            f"{chance.randint(1, 30)}.{chance.randint(0, 40)}.{chance.randint(0, 9)}-{chance.randint(100, 9999)}"
            for _ in range(PER_KIND)
        ],
        "orders": [f"{chance.choice(('ORD', 'A', 'SKU'))}-{chance.randint(1000, 999_999)}" for _ in range(PER_KIND)],
        "uuids": [str(uuid.UUID(int=chance.getrandbits(128), version=4)) for _ in range(PER_KIND)],
    }
    if log is not None:
        with gzip.open(log, "rt", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        cases = {row["case_id"]: json.loads(row["case_attrs"])["AMOUNT_REQ"] for row in rows}
        found["amounts"] = chance.sample(list(cases.values()), PER_KIND)
        found["resources"] = chance.sample([row["resource"] for row in rows if row["resource"]], PER_KIND)
    return found


class Shop:
    """The service over a fresh ledger, in this process."""

    def __init__(self, redactor: LocalRedactor, folder: Path) -> None:
        self.ledger = EmbeddedLedger.open(folder / "ledger.duckdb")
        self.workers = LocalWorkers(redactor=redactor)
        trail = AuditTrail(bytes(32), bytes(32), utc_now)
        self.service = FunnelService(
            self.ledger, self.workers, utc_now, trail, views=self.ledger, refusals=RefusalEvents(self.ledger, utc_now)
        )
        self.sessions = [self._session() for _ in range(SESSIONS)]

    def _session(self) -> str:
        now = utc_now()
        row = SessionRow(
            id=str(uuid.uuid4()),
            client_id=CLIENT,
            request_id=str(uuid.uuid4()),
            state=SessionState.STARTED,
            create_time=now,
            update_time=now,
            stage_time=now,
        )
        self.ledger.write_now(lambda cursor: sessions.insert_or_get(cursor, row))
        return row.id

    async def declare(self) -> None:
        """Declare the five properties."""
        request = funnel_pb2.DeclareEventsRequest(client_id=CLIENT, events=[DECLARED], words_checked=True)
        await self.service.DeclareEvents(request, None)

    def batches(self, sent: list[Properties]) -> list[funnel_pb2.RecordEventsRequest]:
        """The events of these properties."""
        at = Timestamp()
        at.GetCurrentTime()
        events = [
            funnel_pb2.AppEvent(
                event_id=str(uuid.uuid4()),
                session_id=self.sessions[number % SESSIONS],
                name=DECLARED.name,
                device_time=at,
                sequence=number,
                properties=given,
            )
            for number, given in enumerate(sent)
        ]
        starts = range(0, len(events), PER_BATCH)
        return [funnel_pb2.RecordEventsRequest(events=events[start : start + PER_BATCH]) for start in starts]

    async def record(self, batches: list[funnel_pb2.RecordEventsRequest]) -> None:
        """Send them one after the other; every event must be new."""
        with acting_as(APP):
            for batch in batches:
                reply = await self.service.RecordEvents(batch, None)
                assert reply.recorded_count == len(batch.events)


async def altered_values(redactor: LocalRedactor, key: str, sent: list[str], *, declared: bool) -> int:
    """How many values are stored otherwise than they were sent."""
    with tempfile.TemporaryDirectory() as folder:
        shop = Shop(redactor, Path(folder))
        if declared:
            await shop.declare()
        await shop.record(shop.batches([{key: value} for value in sent]))
        sql = f"SELECT properties FROM events WHERE name = '{DECLARED.name}' ORDER BY sequence"
        rows = await shop.ledger.read(lambda cursor: fetch_all(cursor, sql))
        shop.ledger.close()
    stored = [json.loads(row["properties"], parse_int=str, parse_float=str)[key] for row in rows]
    return sum(value != given for value, given in zip(stored, sent, strict=True))


async def intake(redactor: LocalRedactor, way: str, batches: int) -> tuple[float, float]:
    """Seconds of CPU and of the clock for these batches, after one that is not counted."""
    with tempfile.TemporaryDirectory() as folder:
        shop = Shop(redactor, Path(folder))
        if way == "declared":
            await shop.declare()
        if way == "forgotten":
            shop.service._intake._values._texts = RememberedTexts(shop.workers, timeout_s=60.0, most=0)
        first, *others = shop.batches(list(properties(way, (batches + 1) * PER_BATCH)))
        await shop.record([first])
        began_cpu_s, began_s = time.process_time(), time.perf_counter()
        await shop.record(others)
        spent = time.process_time() - began_cpu_s, time.perf_counter() - began_s
        shop.ledger.close()
    return spent


def properties(way: str, count: int) -> Iterator[Properties]:
    """Of each event."""
    chance = random.Random(SEED)
    now = datetime.now(UTC)
    for number in range(count):
        if way == "none":
            yield {}
        elif way == "declared":
            yield {
                "amount": str(500 * chance.randint(1, 200)),
                "returning": chance.choice(("true", "false")),
                "opened_at": time_of(now, number),
                "order_code": f"ORD-{chance.randint(1000, 999_999)}",
                "channel": chance.choice(("app", "web", "branch")),
            }
        else:
            screen = number if way == "new" else chance.randint(1, SCREENS)
            yield {"screen": f"The screen {screen} of the form", "button": f"Button {screen} below the picture"}


def time_of(now: datetime, number: int) -> str:
    """A time of its own for each event."""
    return now.replace(microsecond=number % 1_000_000).isoformat()


if __name__ == "__main__":
    main()
