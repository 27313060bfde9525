"""What a report is about: from when to when, and which versions of apps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from server.funnel.selection import CHOSEN
from server.ledger.columns import Cursor, fetch_all, used_in

Unit = Literal["week", "month"]

MOST_WEEKS: Final = 27
"""A longer time is counted by months."""
VERSION_KEYS: Final = ("app_version", "version")
"""Keys of the declared property that holds the version of an app. The first one counts where an event has both."""
MOST_ASKED: Final = 20_000
"""Sessions whose versions are read, drawn by a hash of their ids."""


def _version(key: str) -> str:
    """SQL of a version: only of values that are shown as they came. A text may be anything."""
    value, kind = f"json_extract_string(e.properties, '$.{key}')", f"e.properties_meta, '$.{key}.kind'"
    return f"""CASE WHEN json_extract_string({kind}) IN ('enumeration', 'code')
        OR json_type(e.properties, '$.{key}') IN ('UBIGINT', 'DOUBLE') THEN {value} END"""


_VERSIONS = f"""WITH drawn AS (SELECT s.id FROM sessions AS s WHERE {CHOSEN} ORDER BY hash(s.id) LIMIT {MOST_ASKED}),
told AS (
    SELECT e.session_id, coalesce(e.event_time, e.server_time) AS time, e.sequence,
        coalesce({", ".join(map(_version, VERSION_KEYS))}) AS value
    FROM events AS e JOIN drawn ON drawn.id = e.session_id
    WHERE e.device_time IS NOT NULL AND e.properties <> '{{}}')
SELECT value, count(*) AS sessions FROM (
    SELECT session_id, arg_min(value, (time, sequence)) AS value FROM told WHERE value IS NOT NULL GROUP BY session_id)
GROUP BY value ORDER BY sessions DESC, value"""  # noqa: S608 - literals of ours


@dataclass(frozen=True, slots=True)
class Version:
    """A version of an app, as the first event of a session that has one says."""

    value: str
    sessions: int


@dataclass(frozen=True, slots=True)
class Span:
    """What a report is about.

    Attributes:
        first: When its first session was opened; None where there is none.
        last: When its last one was.
        versions: Those of its apps, that of the most sessions first; of a sample where there are many sessions.
    """

    first: datetime | None = None
    last: datetime | None = None
    versions: tuple[Version, ...] = ()

    @property
    def unit(self) -> Unit:
        """What the drop-offs are counted by."""
        return "week" if not self.first or not self.last or (self.last - self.first).days < 7 * MOST_WEEKS else "month"


def read_versions(cursor: Cursor, parameters: dict[str, Any]) -> tuple[Version, ...]:
    """The versions of the apps, that of the most sessions first.

    Args:
        cursor: Of a read.
        parameters: From ``outcome_parameters``.
    """
    return tuple(Version(**row) for row in fetch_all(cursor, _VERSIONS, used_in(_VERSIONS, parameters)))
