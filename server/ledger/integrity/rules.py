"""What holds in every ledger, as data: references between tables, keys, and rules about the rows of one table.

The SQL runs on both engines. DuckDB has no foreign keys here, because it then refuses updates of the rows that are
referred to. The code keeps these rules, and stops where one is broken: a state that it does not know, or a job without
its session.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from server.ledger.integrity.problems import Check
from server.ledger.schema import TABLES
from server.ledger.types import JobState, RecommendationState, SessionState, UploadState


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule about rows.

    Attributes:
        table: Whose rows break it.
        broken: One sentence about such rows.
        sql: Gives the id of each such row.
    """

    check: Check
    table: str
    broken: str
    sql: str


def _refers(table: str, column: str, parent: str, where: str = "true", shown: str = "id") -> Rule:
    return Rule(
        Check.REFERENCES,
        table,
        f"{column} names no row of {parent}.",
        f"SELECT {shown} FROM {table} WHERE {where}"  # noqa: S608 - ours
        f" AND NOT EXISTS (SELECT 1 FROM {parent} AS parent WHERE parent.id = {table}.{column})",
    )


def _unique(table: str, columns: tuple[str, ...], where: str = "true", shown: str = "") -> Rule:
    key = ", ".join(columns)
    return Rule(
        Check.KEYS,
        table,
        f"Several rows have the same {' and '.join(columns)}.",
        f"SELECT min({shown or columns[0]}) FROM {table} WHERE {where} GROUP BY {key} HAVING count(*) > 1",  # noqa: S608
    )


def _rule(table: str, broken: str, where: str, shown: str = "id") -> Rule:
    return Rule(Check.RULES, table, broken, f"SELECT {shown} FROM {table} WHERE {where}")  # noqa: S608 - ours


def _known_states(table: str, states: type[SessionState | UploadState | JobState | RecommendationState]) -> Rule:
    known = ", ".join(f"'{state}'" for state in states)
    return _rule(table, "The state is none that there is.", f"state NOT IN ({known})")


def _primary_keys() -> list[Rule]:
    """The keys by which DuckDB finds rows. Its index and the rows can differ in a damaged file."""
    return [
        _unique(table.name, (name,)) for table in TABLES for name, kind, _ in table.columns if "PRIMARY KEY" in kind
    ]


_WITH_SESSION: Final = (
    *("streams", "turns", "uploads", "recommendations", "events", "answers", "sealed_values", "field_decisions"),
    *("review_comments", "approvals", "model_comparisons"),
)
_OF_SESSION: Final = ("tag_numbers", "participants", "reviews", "picture_lines")
"""Tables whose rows have no ``id``; their session is told."""
_MAYBE_WITH_SESSION: Final = ("jobs", "dead_letters")
_OF_RECORD: Final = ("field_decisions", "review_comments", "approvals")
_OPEN_LETTER: Final = "closed_as = ''"

RULES: Final = (
    *_primary_keys(),
    _unique("sessions", ("client_id", "request_id"), shown="id"),
    _unique("jobs", ("key",), shown="id"),
    _unique("turns", ("stream_id", "utterance"), shown="id"),
    _unique("answers", ("session_id", "position")),
    _unique("recommendations", ("session_id",), "state = 'PENDING'"),
    _unique("dead_letters", ("job_id",), _OPEN_LETTER),
    _unique("tag_numbers", ("session_id", "type", "number")),
    _unique("weekly_reports", ("week", "channel")),
    _unique("flows", ("name", "version")),
    *(_refers(table, "session_id", "sessions") for table in _WITH_SESSION),
    *(_refers(table, "session_id", "sessions", shown="session_id") for table in _OF_SESSION),
    *(_refers(table, "session_id", "sessions", "session_id <> ''") for table in _MAYBE_WITH_SESSION),
    *(_refers(table, "recommendation_id", "recommendations") for table in _OF_RECORD),
    _refers("field_decisions", "result_id", "recommendations"),
    _refers("turn_words", "turn_id", "turns", shown="turn_id"),
    _refers("picture_lines", "upload_id", "uploads", shown="upload_id"),
    _refers("job_attempts", "job_id", "jobs", shown="job_id"),
    _refers("dead_letters", "job_id", "jobs", _OPEN_LETTER),
    _known_states("sessions", SessionState),
    _known_states("uploads", UploadState),
    _known_states("jobs", JobState),
    _known_states("recommendations", RecommendationState),
    _rule(
        "jobs", "It runs and nobody has its lease.", "state = 'RUNNING' AND (lease_owner = '' OR lease_until IS NULL)"
    ),
    _rule("jobs", "It does not run and somebody has its lease.", "state <> 'RUNNING' AND lease_owner <> ''"),
    _rule(
        "jobs",
        "It failed for good and has no dead letter.",
        "state = 'DEAD' AND id NOT IN (SELECT job_id FROM dead_letters)",
    ),
    _rule(
        "dead_letters",
        "It is open, and its job did not fail for good.",
        f"{_OPEN_LETTER} AND job_id IN (SELECT id FROM jobs WHERE state <> 'DEAD')",  # noqa: S608 - a literal of ours
    ),
    _rule(
        "sessions",
        "It has more turns than it counts.",
        "turn_count < (SELECT count(*) FROM turns WHERE turns.session_id = sessions.id)",
    ),
    _rule(
        "audit",
        "The row before it is missing.",
        "number > 1 AND number - 1 NOT IN (SELECT number FROM (SELECT number FROM audit) AS numbers)",
        "number",
    ),
    _rule(
        "migrations",
        "The row before it is missing.",
        "number > 1 AND number - 1 NOT IN (SELECT number FROM (SELECT number FROM migrations) AS numbers)",
        "number",
    ),
)
