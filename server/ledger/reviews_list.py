"""The records that wait for a decision, page by page."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from server.ledger.columns import (
    Cursor,
    Row,
    aware,
    aware_or_none,
    count,
    fetch_all,
    stored_time,
    text_literal,
    used_in,
)
from server.ledger.page_token import page_token_after, read_page_token
from server.ledger.reviews import NOBODY, Claimant, ReviewRow, review_of
from server.ledger.sessions import languages_of
from server.ledger.types import Origin


class ClaimFilter(StrEnum):
    """Whether somebody works on a record."""

    ANY = "any"
    UNCLAIMED = "unclaimed"
    CLAIMED = "claimed"
    MINE = "mine"


class ReviewOrder(StrEnum):
    """Order of the list."""

    OLDEST = "oldest"
    NEWEST = "newest"
    EXPIRY = "expiry"


@dataclass(frozen=True, slots=True)
class ReviewFilter:
    """Which records are listed.

    Attributes:
        visible_to: Client whose records the caller may see; empty for every client.
        client_id: Only of this client; empty for all.
        flow: Only of this flow; empty for all.
        min_age_s: Seconds that it has waited at least.
        max_age_s: Seconds that it has waited at most; None for any time.
        who: For whom ``ClaimFilter.MINE`` is meant; without a staff id all people of the credential.
        assignee: Only what is assigned to this one; empty for all.
    """

    visible_to: str = ""
    client_id: str = ""
    flow: str = ""
    min_age_s: float = 0.0
    max_age_s: float | None = None
    claim: ClaimFilter = ClaimFilter.ANY
    who: Claimant = NOBODY
    assignee: str = ""
    order: ReviewOrder = ReviewOrder.OLDEST


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """A record that waits.

    Attributes:
        wait_time: Since when its session waits for a decision.
        summary: What it is about, redacted.
        approvals: How many it has.
    """

    recommendation_id: str
    session_id: str
    client_id: str
    flow: str
    flow_version: int
    language: str
    wait_time: datetime
    expire_time: datetime | None
    origin: Origin
    summary: str
    fields: int
    missing: int
    comments: int
    approvals: int
    approvals_needed: int
    review: ReviewRow


@dataclass(frozen=True, slots=True)
class WaitingPage:
    """A page of the list.

    Attributes:
        next_token: Of the next page; empty at the end.
        total: How many records match in all.
    """

    rows: list[WaitingRow]
    next_token: str
    total: int


_CLAIMED: Final = "coalesce(v.claim_until > $now, false)"
_CLAIMS: Final = {
    ClaimFilter.ANY: "true",
    ClaimFilter.UNCLAIMED: f"NOT {_CLAIMED}",
    ClaimFilter.CLAIMED: _CLAIMED,
    ClaimFilter.MINE: f"{_CLAIMED} AND v.claim_subject = $subject AND ($reviewer = '' OR "
    "v.claim_reviewer IN ('', $reviewer))",
}
_ORDERS: Final = {
    ReviewOrder.OLDEST: ("stage_time", "", ">"),
    ReviewOrder.NEWEST: ("stage_time", " DESC", "<"),
    ReviewOrder.EXPIRY: ("expire_time", "", ">"),
}
"""Column, direction, and how a later row compares. Neither column changes while a session waits."""

_WAITING: Final = """SELECT r.id, r.session_id, s.stage_time, r.expire_time, s.client_id, s.flow, s.flow_version,
        v.claim_subject, v.claim_reviewer, v.claim_time, v.claim_until, v.assignee,
        v.assigned_subject, v.assign_time
    FROM recommendations AS r JOIN sessions AS s ON s.id = r.session_id
        LEFT JOIN reviews AS v ON v.session_id = r.session_id
    WHERE r.state = 'PENDING' AND s.state = 'AWAITING_APPROVAL' AND r.expire_time > $now
        AND $visible_to IN ('', s.client_id) AND $client_id IN ('', s.client_id) AND $flow IN ('', s.flow)
        AND s.stage_time <= $newest AND ($oldest::TIMESTAMP IS NULL OR s.stage_time >= $oldest)
        AND ($assignee = '' OR v.assignee = $assignee)"""


def list_waiting(cursor: Cursor, which: ReviewFilter, now: datetime, page_size: int, page_token: str) -> WaitingPage:
    """A page of the records that wait and have not expired.

    The page is found first, and then its records by their ids, which the indexes answer: a join with whole tables takes
    four times as long.

    Raises:
        InvalidInput: PAGE_TOKEN_INVALID, also for a token of other filters or another order.
    """
    key = list_key(which)
    at, after = read_page_token(page_token, key)
    column, direction, later = _ORDERS[which.order]
    sql = f"""WITH waiting AS MATERIALIZED ({_WAITING} AND {_CLAIMS[which.claim]}),
    page AS (
        SELECT * FROM waiting
        WHERE $at::TIMESTAMP IS NULL OR {column} {later} $at OR ({column} = $at AND session_id > $after)
        ORDER BY {column}{direction}, session_id LIMIT $most)
    SELECT * FROM (SELECT count(*) AS total FROM waiting) LEFT JOIN page ON true
    ORDER BY {column}{direction}, session_id"""  # noqa: S608 - literals of ours
    parameters = _parameters(which, now) | {"at": at, "after": after, "most": page_size + 1}
    found = fetch_all(cursor, sql, used_in(sql, parameters))
    rows = [row for row in found if row["id"] is not None]
    token = ""
    if len(rows) > page_size:
        last = rows[page_size - 1]
        token = page_token_after(aware(last[column]), last["session_id"], key)
    return WaitingPage(_with_details(cursor, rows[:page_size], now), token, found[0]["total"])


def list_key(which: ReviewFilter) -> str:
    """What tells the pages of one list from those of others, 16 hexadecimal digits."""
    if which.claim is not ClaimFilter.MINE:
        which = replace(which, who=NOBODY)
    return hashlib.sha256(json.dumps(asdict(which), sort_keys=True).encode()).hexdigest()[:16]


def _parameters(which: ReviewFilter, now: datetime) -> Row:
    stored = stored_time(now)
    return {
        "now": stored,
        "visible_to": which.visible_to,
        "client_id": which.client_id,
        "flow": which.flow,
        "newest": stored - timedelta(seconds=which.min_age_s),
        "oldest": None if which.max_age_s is None else stored - timedelta(seconds=which.max_age_s),
        "subject": which.who.subject,
        "reviewer": which.who.reviewer,
        "assignee": which.assignee,
    }


def _with_details(cursor: Cursor, page: list[Row], now: datetime) -> list[WaitingRow]:
    """The rows of a page with what their records, comments and approvals say."""
    if not page:
        return []
    ids = ", ".join(text_literal(row["id"]) for row in page)
    session_ids = [row["session_id"] for row in page]
    sessions = ", ".join(map(text_literal, session_ids))
    records = fetch_all(
        cursor,
        f"""SELECT id, origin, approvals_needed, content_hash, record::JSON ->> 'summary' AS summary,
            json_array_length(record::JSON -> 'fields') AS fields,
            json_array_length(record::JSON -> 'missing') AS missing
        FROM recommendations WHERE id IN ({ids})""",  # noqa: S608 - quoted
    )
    comments = fetch_all(
        cursor,
        f"""SELECT session_id, count(*) AS number FROM review_comments WHERE session_id IN ({sessions})
        GROUP BY session_id""",  # noqa: S608 - quoted
    )
    approvals = fetch_all(
        cursor,
        f"""SELECT recommendation_id, content_hash, count(*) AS number FROM approvals
        WHERE recommendation_id IN ({ids}) GROUP BY recommendation_id, content_hash""",  # noqa: S608 - quoted
    )
    languages = languages_of(cursor, session_ids)
    record_of = {row["id"]: row for row in records}
    comments_of = {row["session_id"]: row["number"] for row in comments}
    approvals_of = {(row["recommendation_id"], row["content_hash"]): row["number"] for row in approvals}
    listed = []
    for row in page:
        record = record_of[row["id"]]
        numbers = {
            "comments": comments_of.get(row["session_id"], 0),
            "approvals": approvals_of.get((row["id"], record["content_hash"]), 0),
        }
        listed.append(_waiting(row | record | numbers, languages.get(row["session_id"], ""), now))
    return listed


def number_waiting(cursor: Cursor, now: datetime) -> int:
    """Records that wait for a decision and have not expired."""
    sql = "SELECT count(*) FROM recommendations WHERE state = 'PENDING' AND expire_time > ?"
    return count(cursor, sql, [stored_time(now)])


def _waiting(row: Row, language: str, now: datetime) -> WaitingRow:
    return WaitingRow(
        recommendation_id=row["id"],
        session_id=row["session_id"],
        client_id=row["client_id"],
        flow=row["flow"],
        flow_version=row["flow_version"],
        language=language,
        wait_time=aware(row["stage_time"]),
        expire_time=aware_or_none(row["expire_time"]),
        origin=Origin(row["origin"]),
        summary=row["summary"],
        fields=row["fields"],
        missing=row["missing"],
        comments=row["comments"],
        approvals=row["approvals"],
        approvals_needed=row["approvals_needed"],
        review=review_of(row, now),
    )
