"""Time in the server for the list of what waits, and for one record of it, with many records waiting.

    python -m benchmarks.reviews [--waiting 10000] [--decided 40000] [--runs 30]

Prints medians of the time and of the CPU time in milliseconds, from the request to the answer as a message, without the
wire. The ledger is a file with the tables and indexes of a server. Each record has eight fields; one session in twenty
is claimed, one in twenty is assigned, and one in ten has a comment.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from vestibule.v1 import review_pb2 as pb

from server.access.audit import AuditTrail
from server.access.caller import Caller, Scope, acting_as
from server.flows.catalogue import shipped_catalogue
from server.ledger.columns import Cursor
from server.ledger.embedded import EmbeddedLedger
from server.ledger.types import utc_now
from server.records.approval import ApprovalRules
from server.records.machine_words import MachineWords
from server.records.pubsub import PubSub
from server.records.reviews import Reviews
from server.records.reviews_fields import FieldReview
from server.services.review import ReviewService
from server.setting_groups import ApprovalSettings

BOUND_MS = 100.0
REVIEWER = Caller("key:reviewer", "", frozenset({Scope.REVIEWER}))
_ID = "md5(n::VARCHAR)[:8] || '-0000-4000-8000-' || lpad(n::VARCHAR, 12, '0')"
_FIELD = """'{"name":"field_' || chr(97 + i::INTEGER) || '","source_id":"","value":"' || repeat('a word ', 6) || '"}'"""
_RECORD = f"""'{{"fields":[' || array_to_string(list_transform(range(8), i -> {_FIELD}), ',')
    || '],"missing":["contact"],"summary":"Visit ' || n || '"}}'"""
_FILL = (
    f"""INSERT INTO sessions (id, client_id, request_id, state, create_time, update_time, stage_time, language,
            sealed_vocabulary, variant, turn_count)
        SELECT {_ID}, 'app-' || n % 3, n::VARCHAR, CASE WHEN n < $waiting THEN 'AWAITING_APPROVAL' ELSE 'COMPLETED' END,
            $now - to_seconds(n % 80000 + 60), $now, $now - to_seconds(n % 80000), 'en', '', '', 1
        FROM range($rows) AS r(n)""",
    f"""INSERT INTO recommendations (id, session_id, state, record, record_counts, record_safe, content_hash, origin,
            create_time, decided_by, expire_time, decided_subject, approvals_needed)
        SELECT {_ID}, {_ID}, CASE WHEN n < $waiting THEN 'PENDING' ELSE 'APPROVED' END, {_RECORD}, '{{}}', true,
            md5(n::VARCHAR), 'MODEL', $now, '', $now + to_seconds(86400 - n % 80000), '', 1
        FROM range($rows) AS r(n)""",
    f"""INSERT INTO reviews SELECT {_ID}, CASE WHEN n % 20 = 0 THEN 'key:reviewer' ELSE '' END, '',
            CASE WHEN n % 20 = 0 THEN $now END, CASE WHEN n % 20 = 0 THEN $now + INTERVAL 1 HOUR END,
            CASE WHEN n % 20 = 0 THEN '' ELSE 'staff-' || n % 7 END, 'key:operator', $now
        FROM range($rows) AS r(n) WHERE n % 10 = 0""",
    f"""INSERT INTO review_comments (id, session_id, recommendation_id, text, text_counts, text_safe, word, reviewer,
            subject, create_time)
        SELECT {_ID}, {_ID}, {_ID}, 'Ask again.', '{{}}', true, '', '', 'key:reviewer', $now
        FROM range($rows) AS r(n) WHERE n % 10 = 1""",
)


class PlainWords(MachineWords):
    """Words as they are: a staff id is read by the redactor once and then remembered, which is not measured here."""

    async def replaced(self, word: str) -> str:
        """The word."""
        return word


def fill(cursor: Cursor, waiting: int, decided: int) -> None:
    """Store the records."""
    values = {"waiting": waiting, "rows": waiting + decided, "now": utc_now().replace(tzinfo=None)}
    for sql in _FILL:
        cursor.execute(sql, {name: value for name, value in values.items() if f"${name}" in sql})


def service(ledger: EmbeddedLedger) -> ReviewService:
    """The service over a ledger. It redacts nothing here, so it has no workers."""
    gateway: Any = None
    rules, trail = ApprovalRules(ApprovalSettings()), AuditTrail(bytes(32), bytes(32), utc_now)
    flows = shipped_catalogue()
    reviews = Reviews(ledger, gateway, utc_now, trail, rules, flows, 600.0)
    fields = FieldReview(ledger, gateway, PubSub(), utc_now, trail, rules, flows)
    return ReviewService(reviews, fields, PlainWords(gateway))


async def medians_ms(call: Callable[[], Awaitable[object]], runs: int) -> tuple[float, float]:
    """Median time of a call and of its CPU, all threads together, after one call that does not count."""
    await call()
    taken, worked = [], []
    for _ in range(runs):
        began, worked_before = time.perf_counter(), time.process_time()
        await call()
        taken.append(1000 * (time.perf_counter() - began))
        worked.append(1000 * (time.process_time() - worked_before))
    return statistics.median(taken), statistics.median(worked)


async def measure(ledger: EmbeddedLedger, runs: int) -> dict[str, tuple[float, float]]:
    """The medians by what is asked for."""
    served = service(ledger)

    async def listed(**wanted: Any) -> pb.ListReviewsResponse:
        return await served.ListReviews(pb.ListReviewsRequest(**wanted), None)

    first = await listed()
    second = first
    for _ in range(100):  # a page in the middle
        second = await listed(page_token=second.next_page_token)
    requests: dict[str, dict[str, Any]] = {
        "oldest 50": {},
        "newest 50": {"order": pb.REVIEW_ORDER_NEWEST},
        "expiring next 50": {"order": pb.REVIEW_ORDER_EXPIRY},
        "a page in the middle": {"page_token": second.next_page_token},
        "oldest 200": {"page_size": 200},
        "mine": {"claim": pb.CLAIM_FILTER_MINE},
        "unclaimed, one client, an hour old": {
            "claim": pb.CLAIM_FILTER_UNCLAIMED,
            "client_id": "app-1",
            "min_age": {"seconds": 3600},
        },
        "assigned to one": {"assignee": "staff-3"},
    }
    found = {name: await medians_ms(partial(listed, **wanted), runs) for name, wanted in requests.items()}
    one = pb.GetReviewRequest(recommendation_id=first.reviews[0].recommendation_id)
    found["one record"] = await medians_ms(lambda: served.GetReview(one, None), runs)
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--waiting", type=int, default=10_000)
    parser.add_argument("--decided", type=int, default=40_000)
    parser.add_argument("--runs", type=int, default=30)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ledger = EmbeddedLedger.open(Path(folder) / "ledger.duckdb", utc_now)
        try:
            ledger.write_now(lambda cursor: fill(cursor, given.waiting, given.decided))
            with acting_as(REVIEWER):
                found = asyncio.run(measure(ledger, given.runs))
        finally:
            ledger.close()
    print(f"{given.waiting:,} records wait, {given.decided:,} were decided; medians of {given.runs} in ms")
    print(f"{'':36} {'time':>7} {'CPU':>7}")
    for name, (taken, worked) in found.items():
        print(f"{name:36} {taken:7.1f} {worked:7.1f}  {'' if taken < BOUND_MS else f'over {BOUND_MS:g} ms'}")


if __name__ == "__main__":
    main()
