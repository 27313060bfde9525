"""The analysis that a report has on request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta

from vestibule.v1 import funnel_pb2

from server.analytics.funnel import FunnelChoice
from server.analytics.funnel_cohorts import Watched
from server.funnel.drop_offs import SeverityRules
from server.funnel.optimizer import FunnelData, FunnelOptimizer, read_funnel
from server.funnel.selection import Selection
from server.funnel.texts import ReportTexts, load_all_texts
from server.languages.texts import LANGUAGES
from server.ledger.columns import DuckDb
from server.ledger.long_reads import Reads
from server.ledger.types import Clock
from server.services.funnel_choice import funnel_choice, with_stages
from server.services.funnel_messages import analysis_message
from server.services.funnel_warnings import absent_events
from server.settings import Settings


@dataclass(frozen=True, slots=True)
class Analysis:
    """Analyzes where people leave.

    Attributes:
        optimizer: Has the rules, and the texts in English.
        texts: Those in each language.
        idle: Idle time after which the server ends a session.
        clock: Of a server that runs; None for the ledger of a stopped one, which has seen nothing since it stopped.
        one_at_a_time: Held by what reads the table of the analysis, and by the analysis.
    """

    optimizer: FunnelOptimizer = field(default_factory=FunnelOptimizer)
    idle: timedelta = timedelta(minutes=30)
    clock: Clock | None = None
    texts: Mapping[str, ReportTexts] = field(default_factory=load_all_texts, repr=False)
    one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False, compare=False)
    # Its only thread ends what a caller has given up, and begins the next analysis after that.
    _thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, "funnel-analysis"), repr=False, compare=False
    )

    @classmethod
    def of_settings(cls, settings: Settings, clock: Clock | None = None) -> Analysis:
        """As the settings say.

        Raises:
            InvalidInput: REPORT_TEXTS_INVALID.
        """
        given = settings.funnel_report
        rules = SeverityRules(given.high_rate, given.critical_rate, given.least_sessions)
        texts = load_all_texts(given.texts)
        optimizer = FunnelOptimizer(rules, texts[LANGUAGES[0]])
        return cls(optimizer, timedelta(seconds=settings.idle_session_s), clock, texts)

    def texts_in(self, language: str) -> ReportTexts:
        """What is said in a language; in English if it is empty."""
        return self.texts[language or LANGUAGES[0]]

    def watched(self) -> Watched:
        """Until when sessions were watched, at this moment."""
        return Watched(self.clock() if self.clock else None, self.idle)

    async def run(
        self,
        ledger: Reads,
        request: funnel_pb2.GetReportRequest,
        pseudonym: Callable[[str], str],
        *,
        visible_to: str = "",
    ) -> funnel_pb2.FunnelAnalysis:
        """Read the sessions, then analyze them in a thread of its own, so that no reader of the ledger waits.

        Args:
            ledger: What is read.
            request: From when to when, of which client and flow, and which steps.
            pseudonym: What the server calls a client of tokens, from the id that its issuer gave it.
            visible_to: The client of the caller, whose sessions alone are counted; empty means every client.

        Raises:
            NotFound: FLOW_NOT_FOUND.
        """
        optimizer = self.optimizer.saying(self.texts_in(request.language)) if request.language else self.optimizer
        watched = self.watched()

        def read(cursor: DuckDb) -> tuple[FunnelData, list[str]]:
            choice = funnel_choice(with_stages(cursor, request, optional=False), pseudonym, visible_to)
            steps, stages = choice.analyzed(), with_stages(cursor, request).steps
            data = read_funnel(cursor, selection_of(choice), steps=steps, now=watched.now, idle=watched.idle)
            never = [count.to_stage for count in data.steps if request.steps and not count.went_on]
            absent = absent_events(cursor, never, visible_to)
            numbers = frozenset(count.step for count in data.steps if count.to_stage in absent)
            return replace(data, absent=numbers), list(stages)

        async with self.one_at_a_time:  # Each takes seconds of a core; streams need the others.
            data, stages = await ledger.read(read)
            running = asyncio.get_running_loop().run_in_executor(self._thread, optimizer.analyze, data)
            return analysis_message(await running, stages)


def selection_of(choice: FunnelChoice) -> Selection:
    """The sessions of a funnel, for the analysis."""
    return Selection(
        choice.start,
        choice.end,
        choice.client_id,
        choice.pseudonym,
        choice.visible_to,
        choice.flow,
        choice.flow_version,
    )
