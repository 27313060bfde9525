"""The sessions behind a number of a funnel, page by page.

To count a funnel over any events takes seconds. So the first sessions of a list are kept for a minute: the pages that
follow the first one are of the same moment, and cost nothing. The first page is counted anew. That of a cause is not
within a minute of the other list of the cause, or of the same one: it takes the table of the analysis, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from vestibule.v1 import funnel_pb2

from server.analytics.funnel import After, FunnelChoice, Listed, newest_first, sessions_behind
from server.analytics.funnel_groups import grouped_report, sessions_in_group
from server.analytics.funnel_shape import PLAIN
from server.analytics.timeline import sessions_by_id
from server.funnel.affected import AffectedIds
from server.ledger.columns import DuckDb
from server.ledger.long_reads import Reads
from server.ledger.page_token import page_token_after, read_page_token
from server.ledger.types import Clock, SessionRow, utc_now
from server.services.funnel_analysis import Analysis
from server.services.funnel_causes import KEPT, CauseSessions, affected_sessions, conditions_in_words
from server.services.funnel_choice import OF_CAUSES, funnel_choice, with_stages
from server.services.funnel_details import funnel_details, number_behind, report_message
from server.services.funnel_warnings import list_warnings
from server.services.timeline_messages import session_message

DEFAULT_PAGE: Final = 100
MOST_KEPT: Final = 10_000
LISTS_KEPT: Final = 8


@dataclass(frozen=True, slots=True)
class _Part:
    """Sessions of a list that follow each other.

    Attributes:
        whole: Whether the list ends with them.
        read_time: When they were read.
    """

    rows: Sequence[Listed]
    whole: bool
    read_time: datetime

    def after(self, last: After, page_size: int) -> _Part | None:
        """What follows a session; None unless that is enough for a page."""
        place = next((n for n, row in enumerate(self.rows, start=1) if row == last), None)
        if place is None or not (self.whole or place + page_size <= len(self.rows)):
            return None
        return _Part(self.rows[place:], self.whole, self.read_time)


class SessionLists:
    """Keeps the last lists that were read.

    Args:
        clock: Says when a list is too old.

    Attributes:
        causes: The sessions of the last causes.
    """

    def __init__(self, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._kept: dict[bytes, _Part] = {}
        self.causes = CauseSessions(clock)

    def after(self, key: bytes, last: After, page_size: int) -> _Part | None:
        """What is kept of a list after a session; None unless that is enough for a page."""
        part = self._kept.get(key)
        if part is None or self._clock() - part.read_time > KEPT:
            return None
        return part.after(last, page_size)

    def keep(self, key: bytes, rows: Sequence[Listed]) -> _Part:
        """Keep what was read of a list: ``MOST_KEPT`` sessions, and one more unless it ends with them."""
        self._kept.pop(key, None)
        while len(self._kept) >= LISTS_KEPT:
            del self._kept[next(iter(self._kept))]
        part = self._kept[key] = _Part(rows[:MOST_KEPT], len(rows) <= MOST_KEPT, self._clock())
        return part


async def list_behind(
    ledger: Reads,
    request: funnel_pb2.ListFunnelSessionsRequest,
    pseudonym: Callable[[str], str],
    *,
    visible_to: str = "",
    lists: SessionLists | None = None,
    short_reads: Reads | None = None,
    analysis: Analysis | None = None,
) -> funnel_pb2.ListFunnelSessionsResponse:
    """The sessions behind a number of a report, the newest first.

    Args:
        ledger: What is counted.
        request: Which number of which report.
        pseudonym: What the server calls a client of tokens, from the id that its issuer gave it.
        visible_to: The client of the caller, whose sessions alone are counted; empty means every client.
        lists: Keeps lists for the pages that follow; None keeps none.
        short_reads: Reads what is known of the sessions; None is the ledger.
        analysis: That of the report, for the sessions of a cause; None has the default rules and texts.

    Raises:
        InvalidInput: FUNNEL_POSITION_UNKNOWN, PAGE_TOKEN_INVALID, FUNNEL_FEATURE_UNKNOWN, FUNNEL_CONDITION_MISFIT.
        NotFound: FLOW_NOT_FOUND.
    """
    question = _Question(request, pseudonym, visible_to, analysis or Analysis())
    part, told = await _part(ledger, question, lists or SessionLists())
    page = await _page(short_reads or ledger, question, part)
    page.MergeFrom(told)
    return page


@dataclass(frozen=True, slots=True)
class _Question:
    """Which list is asked for, and by whom; see ``list_behind``."""

    request: funnel_pb2.ListFunnelSessionsRequest
    pseudonym: Callable[[str], str]
    visible_to: str
    analysis: Analysis

    @property
    def last(self) -> After:
        """The last session of the page before."""
        return read_page_token(self.request.page_token)

    @property
    def page_size(self) -> int:
        return self.request.page_size or DEFAULT_PAGE

    def key(self, *, of_cause: bool = False) -> bytes:
        """The same for all pages of a list, and for those who see the same sessions; or for both lists of a cause."""
        whole = funnel_pb2.ListFunnelSessionsRequest()
        whole.CopyFrom(self.request)
        whole.page_token, whole.page_size = "", 0
        if of_cause:
            whole.number, whole.report.language = funnel_pb2.FUNNEL_NUMBER_UNSPECIFIED, ""
        return self.visible_to.encode() + b"\0" + whole.SerializeToString(deterministic=True)

    def choice(self, cursor: DuckDb) -> FunnelChoice:
        """The funnel of the report."""
        return funnel_choice(with_stages(cursor, self.request.report), self.pseudonym, self.visible_to)

    def cause(self, cursor: DuckDb) -> AffectedIds:
        """The sessions of the cause that is asked for."""
        return affected_sessions(cursor, self.request, self.pseudonym, self.visible_to, self.analysis)

    def rows(self, cursor: DuckDb) -> list[Listed]:
        """The sessions behind a number of the funnel that follow ``last``."""
        choice, behind = self.choice(cursor), number_behind(self.request)
        if behind.segment or behind.start or choice.shape != PLAIN:
            details = funnel_details(self.request.report)
            return sessions_in_group(cursor, choice, details, behind, most=MOST_KEPT + 1, after=self.last)
        return sessions_behind(cursor, choice, behind.position, behind.number, most=MOST_KEPT + 1, after=self.last)

    def rows_of_cause(self, cursor: DuckDb, cause: AffectedIds) -> list[Listed]:
        """The sessions of a cause, or those of them that left, that follow ``last``."""
        of_left = self.request.number == funnel_pb2.FUNNEL_NUMBER_LEFT
        return newest_first(cursor, cause.left if of_left else cause.affected, most=MOST_KEPT + 1, after=self.last)

    def warnings(self, cursor: DuckDb) -> Sequence[funnel_pb2.FunnelWarning]:
        """What may explain an empty list."""
        choice, details = self.choice(cursor), funnel_details(self.request.report)

        def report() -> funnel_pb2.GetReportResponse:
            return report_message(grouped_report(cursor, choice, details))

        return list_warnings(cursor, self.request, self.pseudonym, self.visible_to, report)


async def _part(
    ledger: Reads, question: _Question, kept: SessionLists
) -> tuple[_Part, funnel_pb2.ListFunnelSessionsResponse]:
    """Sessions from ``last`` on, kept or read, and what the first page says beside them."""
    told = funnel_pb2.ListFunnelSessionsResponse()
    is_first = not question.request.page_token
    if not is_first and (part := kept.after(question.key(), question.last, question.page_size)) is not None:
        return part, told
    cause = None
    if question.request.number in OF_CAUSES:
        one_at_a_time = question.analysis.one_at_a_time
        cause = await kept.causes.read(ledger, question.key(of_cause=True), question.cause, one_at_a_time)

    def read(cursor: DuckDb) -> list[Listed]:
        rows = question.rows(cursor) if cause is None else question.rows_of_cause(cursor, cause)
        if is_first and not rows:
            told.warnings.extend(question.warnings(cursor))
        return rows

    part = kept.keep(question.key(), await ledger.read(read))
    if is_first and cause is not None:
        told.report_session_count, told.searched_session_count = cause.sessions, cause.searched
    return part, told


async def _page(reads: Reads, question: _Question, part: _Part) -> funnel_pb2.ListFunnelSessionsResponse:
    """The first sessions of a part, without those that were erased meanwhile."""
    shown = part.rows[: question.page_size]
    ids = [session_id for _, session_id in shown]

    def read(cursor: DuckDb) -> tuple[list[SessionRow], str]:
        return sessions_by_id(cursor, ids), question.choice(cursor).names()[question.request.position - 1]

    found, stage = await reads.read(read)
    is_last = part.whole and len(part.rows) <= question.page_size
    return funnel_pb2.ListFunnelSessionsResponse(
        session_ids=[row.id for row in found],
        next_page_token="" if is_last else page_token_after(*shown[-1]),
        sessions=[session_message(row) for row in found],
        stage=stage,
        condition=conditions_in_words(question.request, question.analysis),
    )
