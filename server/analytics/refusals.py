"""Why a statement of an analyst is refused, and what the analyst can do instead."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from server.analytics.sql_functions import ALLOWED


class Cause(StrEnum):
    """One kind of refusal: its word, which log and audit carry, and what to do instead.

    Attributes:
        hint: What to do, in one or two sentences.
    """

    hint: str

    def __new__(cls, word: str, hint: str) -> Self:
        """Make a member."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.hint = hint
        return member

    TOO_LONG = "sql_too_long", "Shorten it: use a list in one IN (...), a range, or WITH for what is repeated."
    NO_SQL = "sql_syntax", "Correct the SQL there. It is DuckDB's dialect: text in single quotes, names in double ones."
    NOT_SELECT = "sql_not_select", "Begin with SELECT, FROM, WITH or DESCRIBE. Nothing can be changed, set or loaded."
    STATEMENTS = "sql_statements", "Send one statement at a time, each ended by at most one semicolon."
    TOO_DEEP = "sql_too_deep", "Give inner queries a name in WITH, and use IN (...) in the place of long OR chains."
    KIND = "sql_kind", "Use joins, subqueries, WITH without RECURSIVE, and values in the place of parameters."
    CTE_NAME = "sql_cte_name", "Rename it in WITH: letters, digits and _ only, for example WITH picked AS (...)."
    SHOW = "sql_show", "SHOW TABLES lists the views; DESCRIBE v_funnel shows the columns of one."
    TABLE = "sql_table", "Read a view; SHOW TABLES lists them."
    FUNCTION = "sql_function", "Use a function that only computes on values; none reads files, settings or other SQL."
    PLAN = "sql_plan", "Check names and types: DESCRIBE v_funnel shows the columns of a view and their types."
    TIME = (
        "sql_time",
        (
            "Read less: filter by time, join on a key, aggregate before joining. The operator can raise "
            "VESTIBULE_QUACK__QUERY_S."
        ),
    )
    MEMORY = (
        "sql_memory",
        (
            "Filter or aggregate before sorting and joining, and build no long texts or lists. The operator can raise "
            "VESTIBULE_QUACK__QUERY_BYTES."
        ),
    )
    BUSY = "sql_busy", "Other work uses all places or the CPU. Try again in some seconds."
    ENDED = "sql_ended", "Try once more. If it happens again, the query itself is the cause: make it simpler."
    SNAPSHOT = (
        "sql_snapshot",
        (
            "Try again in some seconds. If it stays so, have the operator check the free space of the state folder and "
            "`vestibule status`."
        ),
    )
    UNKNOWN = "sql_refused", "Send it again to see why; the server remembers the last 256 refusals only."


_BY_WORD = {cause.value: cause for cause in Cause}


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal.

    Attributes:
        message: What is not allowed, as a sentence.
        hint: What to do instead; empty for that of the cause.
    """

    cause: Cause
    message: str
    own_hint: str = ""

    @property
    def hint(self) -> str:
        """What to do instead."""
        return self.own_hint or self.cause.hint

    def encoded(self) -> str:
        """As text, for a client."""
        return json.dumps([self.cause, self.message, self.own_hint])

    @classmethod
    def of_text(cls, text: str) -> Self:
        """The refusal that ``encoded`` made this text of; one of another release has no known cause."""
        try:
            cause, message, own_hint = json.loads(text)
            return cls(_BY_WORD[cause], message, own_hint)
        except (ValueError, KeyError):
            return cls(Cause.UNKNOWN, "The query was refused.")


def refused_function(name: str) -> Refused:
    """The refusal of a function of this name; empty for one that no message may show."""
    message = f"The function {name or 'of this name'} may not be used."
    near = difflib.get_close_matches(name, ALLOWED, n=2, cutoff=0.8)
    if not near:
        return Refused(Cause.FUNCTION, message)
    return Refused(Cause.FUNCTION, message, f"Did you mean {' or '.join(near)}? {Cause.FUNCTION.hint}")
