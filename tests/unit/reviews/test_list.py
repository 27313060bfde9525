"""What waits: filters, orders, and pages that neither repeat nor leave out a record while others come and go."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from models.errors import InvalidInput
from models.text import RedactedText
from server.ledger import recommendations, reviews, sessions
from server.ledger.columns import Cursor, stored_time
from server.ledger.embedded import EmbeddedLedger
from server.ledger.page_token import page_token_after
from server.ledger.reviews import Assignment, Claim, Claimant
from server.ledger.reviews_list import (
    ClaimFilter,
    ReviewFilter,
    ReviewOrder,
    WaitingPage,
    list_key,
    list_waiting,
    number_waiting,
)
from server.ledger.types import SessionState
from tests.unit.ledger import makers
from tests.unit.ledger.makers import NOW, after
from tests.unit.ledger.migrated import open_ledger
from tests.unit.ledger.stored import read_now

RECORD = (
    '{"fields":[{"name":"site_name","source_id":"","value":"Pendlewick"}],"missing":["contact"],"summary":"A visit."}'
)
EVERYTHING = ReviewFilter()
ANN, BEN = Claimant("key:ann"), Claimant("key:ben")


class Waiting:
    """A ledger in which records wait."""

    def __init__(self, ledger: EmbeddedLedger) -> None:
        self.ledger = ledger

    def add(self, at: float = 0.0, *, client: str = "app", expires: float = 86_400.0, language: str = "en") -> str:
        """A session that waits since ``at`` seconds after now; returns its id."""
        row = replace(makers.session(client_id=client, at=at), language=language)
        record = replace(
            makers.recommendation(row.id),
            record=RedactedText.restore(RECORD, {}, safe_for_llm=True),
            expire_time=after(expires),
        )

        def write(cursor: Cursor) -> None:
            sessions.insert_or_get(cursor, row)
            cursor.execute(
                "UPDATE sessions SET state = 'AWAITING_APPROVAL', stage_time = ? WHERE id = ?",
                [stored_time(after(at)), row.id],
            )
            recommendations.insert_recommendation(cursor, record)

        self.ledger.write_now(write)
        return row.id

    def decide(self, session_id: str) -> None:
        """Take a record out of the list."""

        def write(cursor: Cursor) -> None:
            cursor.execute("UPDATE recommendations SET state = 'APPROVED' WHERE session_id = ?", [session_id])
            sessions.transition(cursor, session_id, SessionState.COMPLETED, NOW)

        self.ledger.write_now(write)

    def claim(self, session_id: str, who: Claimant, until: datetime) -> None:
        self.ledger.write_now(lambda cursor: reviews.put_claim(cursor, session_id, Claim(who, NOW, until)))

    def page(self, which: ReviewFilter = EVERYTHING, size: int = 100, token: str = "") -> WaitingPage:
        return read_now(self.ledger, lambda cursor: list_waiting(cursor, which, NOW, size, token))

    def ids(self, which: ReviewFilter = EVERYTHING) -> list[str]:
        return [row.session_id for row in self.page(which).rows]


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Waiting]:
    ledger = open_ledger(tmp_path / "ledger.duckdb", lambda: NOW)
    yield Waiting(ledger)
    ledger.close()


def test_a_row_says_what_an_inbox_shows(waiting: Waiting) -> None:
    session_id = waiting.add(-90, client="site-7", language="de")
    waiting.claim(session_id, Claimant("key:ann", "staff-7"), after(60))
    assignment = Assignment("staff-7", "key:operator", NOW)
    waiting.ledger.write_now(lambda cursor: reviews.put_assignment(cursor, session_id, assignment))
    page = waiting.page()
    [row] = page.rows
    assert (row.session_id, row.client_id, row.language, row.summary) == (session_id, "site-7", "de", "A visit.")
    assert (row.wait_time, row.expire_time) == (after(-90), after(86_400))
    assert (row.flow, row.flow_version) == ("site_visit", 1)
    assert (row.fields, row.missing, row.comments, row.approvals, row.approvals_needed) == (1, 1, 0, 0, 1)
    assert row.review.assignment == assignment
    assert row.review.claim == Claim(Claimant("key:ann", "staff-7"), NOW, after(60))
    assert (page.total, page.next_token) == (1, "")


def test_what_is_decided_superseded_or_expired_does_not_wait(waiting: Waiting) -> None:
    waits, gone, expired = waiting.add(), waiting.add(), waiting.add(expires=0.0)
    waiting.decide(gone)
    waiting.ledger.write_now(lambda cursor: recommendations.supersede_pending(cursor, waits))
    assert expired not in waiting.ids()
    assert read_now(waiting.ledger, lambda cursor: number_waiting(cursor, NOW)) == len(waiting.ids()) == 0
    assert waiting.page() == WaitingPage([], "", 0)


def test_the_filters(waiting: Waiting) -> None:
    old, new, other = waiting.add(-7200), waiting.add(-60), waiting.add(-7200, client="site-7")
    waiting.claim(old, ANN, after(60))
    waiting.claim(new, ANN, NOW)  # it has ended
    waiting.claim(other, Claimant("key:ben", "staff-8"), after(60))
    assignment = Assignment("staff-8", "key:operator", NOW)
    waiting.ledger.write_now(lambda cursor: reviews.put_assignment(cursor, new, assignment))
    claimed, mine = ReviewFilter(claim=ClaimFilter.CLAIMED), ReviewFilter(claim=ClaimFilter.MINE)
    table: list[tuple[ReviewFilter, set[str]]] = [
        (ReviewFilter(), {old, new, other}),
        (ReviewFilter(visible_to="app"), {old, new}),
        (ReviewFilter(visible_to="app", client_id="site-7"), set()),
        (ReviewFilter(client_id="site-7"), {other}),
        (ReviewFilter(min_age_s=3600), {old, other}),
        (ReviewFilter(max_age_s=3600), {new}),
        (ReviewFilter(min_age_s=7200, max_age_s=7200), {old, other}),
        (claimed, {old, other}),
        (ReviewFilter(claim=ClaimFilter.UNCLAIMED), {new}),
        (replace(mine, who=ANN), {old}),
        (replace(mine, who=BEN), {other}),
        (replace(mine, who=Claimant("key:ben", "staff-8")), {other}),
        (replace(mine, who=Claimant("key:ben", "staff-9")), set()),
        (ReviewFilter(assignee="staff-8"), {new}),
        (ReviewFilter(flow="no_such_flow"), set()),
        (ReviewFilter(flow="site_visit"), {old, new, other}),
    ]
    for which, expected in table:
        page = waiting.page(which)
        assert {row.session_id for row in page.rows} == expected, which
        assert page.total == len(expected), which


def test_the_orders(waiting: Waiting) -> None:
    a, b, c = waiting.add(-30, expires=10), waiting.add(-20, expires=30), waiting.add(-10, expires=20)
    assert waiting.ids(ReviewFilter(order=ReviewOrder.OLDEST)) == [a, b, c]
    assert waiting.ids(ReviewFilter(order=ReviewOrder.NEWEST)) == [c, b, a]
    assert waiting.ids(ReviewFilter(order=ReviewOrder.EXPIRY)) == [a, c, b]


@pytest.mark.parametrize("order", ReviewOrder)
@pytest.mark.parametrize("seed", range(3))
def test_pages_are_stable_while_records_come_and_go(waiting: Waiting, order: ReviewOrder, seed: int) -> None:
    chance = random.Random(seed)

    def some() -> str:
        return waiting.add(-chance.randrange(20), expires=float(chance.randrange(1, 20)))

    there = [some() for _ in range(25)]
    gone: set[str] = set()
    seen: list[tuple[datetime, str]] = []
    token = ""
    while True:
        page = waiting.page(ReviewFilter(order=order), chance.randrange(1, 6), token)
        for row in page.rows:
            at = row.expire_time if order is ReviewOrder.EXPIRY else row.wait_time
            assert at is not None
            seen.append((at, row.session_id))
        token = page.next_token
        if not token:
            break
        left = [one for one in there if one not in gone]
        leaves = chance.choice(left)
        waiting.decide(leaves)
        gone.add(leaves)
        some()
    ids = [session_id for _, session_id in seen]
    assert len(set(ids)) == len(ids), "none is shown twice"
    assert set(there) - gone <= set(ids), "none that stayed is left out"
    backwards = order is ReviewOrder.NEWEST
    assert seen == sorted(seen, key=lambda one: (-one[0].timestamp() if backwards else one[0].timestamp(), one[1]))


def test_a_token_of_another_kind_is_refused(waiting: Waiting) -> None:
    with pytest.raises(InvalidInput) as caught:
        waiting.page(token="not a token")
    assert caught.value.reason == "PAGE_TOKEN_INVALID"


OTHERS = [
    *(ReviewFilter(order=order) for order in ReviewOrder if order is not ReviewOrder.OLDEST),
    ReviewFilter(claim=ClaimFilter.UNCLAIMED),
    ReviewFilter(client_id="app"),
    ReviewFilter(visible_to="app"),
    ReviewFilter(flow="default"),
    ReviewFilter(min_age_s=1.0),
    ReviewFilter(max_age_s=3600.0),
    ReviewFilter(assignee="m.huber"),
    ReviewFilter(claim=ClaimFilter.MINE, who=Claimant("key:1", "")),
    ReviewFilter(claim=ClaimFilter.MINE, who=Claimant("key:1", "m.huber")),
]


def test_a_token_holds_for_the_filters_and_the_order_it_was_made_for(waiting: Waiting) -> None:
    """With another order it would silently give a page from the middle of that."""
    for one, other in itertools.product([EVERYTHING, *OTHERS], repeat=2):
        if one == other:
            waiting.page(other, token=next_token(one))
            continue
        with pytest.raises(InvalidInput, match="other filters or another order") as caught:
            waiting.page(other, token=next_token(one))
        assert caught.value.reason == "PAGE_TOKEN_INVALID"


def next_token(which: ReviewFilter) -> str:
    return page_token_after(NOW, "b5a3c8f4-0000-4000-8000-000000000000", list_key(which))


def test_the_tokens_of_a_list_are_bound_to_it(waiting: Waiting) -> None:
    for wait_s in (-30, -20):
        waiting.add(wait_s)
    token = waiting.page(size=1).next_token
    assert token.startswith(list_key(EVERYTHING))
    assert len(token) <= 200
    assert "app" not in next_token(ReviewFilter(client_id="app"))
    with pytest.raises(InvalidInput):
        waiting.page(ReviewFilter(order=ReviewOrder.EXPIRY), token=token)


def test_whom_marks_are_meant_for_is_no_part_of_the_list_of_all(waiting: Waiting) -> None:
    waiting.page(ReviewFilter(who=Claimant("key:2", "b")), token=next_token(ReviewFilter(who=Claimant("key:1", "a"))))


def test_a_page_after_the_last_one_still_counts_all(waiting: Waiting) -> None:
    waiting.add(-30)
    waiting.add(-20)
    first = waiting.page(size=1)
    assert (len(first.rows), first.total) == (1, 2)
    waiting.decide(waiting.page(size=1, token=first.next_token).rows[0].session_id)
    last = waiting.page(size=1, token=first.next_token)
    assert (last.rows, last.total, last.next_token) == ([], 1, "")


def test_a_correction_keeps_the_place(waiting: Waiting) -> None:
    first, second = waiting.add(-30), waiting.add(-20)
    corrected = replace(
        makers.recommendation(first), record=RedactedText.restore(RECORD, {}, safe_for_llm=True), expire_time=after(60)
    )
    waiting.ledger.write_now(
        lambda cursor: recommendations.insert_recommendation(
            cursor, replace(corrected, create_time=NOW + timedelta(hours=1))
        )
    )
    assert waiting.ids() == [first, second]
