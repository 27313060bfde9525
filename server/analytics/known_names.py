"""Names that a request has and the ledger has not, with the known name that is most like each."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from server.ledger.columns import Cursor, Row, fetch_all
from server.ledger.funnel_values import number_of
from server.ledger.types import SessionState
from server.records.event_catalogue import EVENTS

NameKind = Literal["event", "key", "client", "group"]

SAMPLE: Final = 100_000
"""Events whose keys are looked at for one that is like a misspelt key. Declared keys are known without it."""
_LIKE_ENOUGH: Final = 0.6
"""Of ``difflib``, from 0 to 1."""
_REDACTED: Final = "redacted"
"""What an undeclared name or key with personal data is stored as; it is no name to suggest."""
_OF_STAGES: Final = "stage_entered"
"""The event of a stage. A funnel counts it by the name of the stage."""
_VISIBLE: Final = "($visible_to = '' OR client_id = $visible_to)"
_HAS_EVENT: Final = f"""SELECT 1 FROM events WHERE stage IS NULL AND name = $name AND {_VISIBLE}
    UNION ALL SELECT 1 FROM daily_events WHERE stage = '' AND name = $name AND {_VISIBLE} LIMIT 1"""  # noqa: S608 - ours
_EVENTS: Final = f"""SELECT DISTINCT name FROM events WHERE stage IS NULL AND {_VISIBLE}
    UNION SELECT name FROM event_declarations WHERE {_VISIBLE}"""  # noqa: S608 - ours
_OF_EVENT: Final = "($event = '' OR coalesce(stage, name) = $event) AND (NOT $of_app OR device_time IS NOT NULL)"
# The text is searched first, because that is much faster than to read the JSON of each event.
_HAS_KEY: Final = f"""SELECT 1 FROM events WHERE contains(properties::VARCHAR, $name)
    AND list_contains(json_keys(properties), $name) AND {_OF_EVENT} AND {_VISIBLE} LIMIT 1"""  # noqa: S608 - ours
_HAS_NUMBER: Final = f"""SELECT 1 FROM events WHERE contains(properties::VARCHAR, $name)
    AND {number_of("json_extract_string(properties, '$.' || $name)")} IS NOT NULL
    AND {_OF_EVENT} AND {_VISIBLE} LIMIT 1"""  # noqa: S608 - ours
_KEYS: Final = f"""SELECT DISTINCT unnest(json_keys(properties)) AS name
    FROM (SELECT properties FROM events WHERE {_OF_EVENT} AND {_VISIBLE} LIMIT {SAMPLE})
    UNION SELECT unnest(json_keys(properties)) FROM event_declarations
    WHERE ($event = '' OR name = $event) AND {_VISIBLE}"""  # noqa: S608 - ours
_HAS_CLIENT: Final = f"SELECT 1 FROM sessions WHERE client_id IN ($name, $pseudonym) AND {_VISIBLE} LIMIT 1"  # noqa: S608
_CLIENTS: Final = f"SELECT DISTINCT client_id AS name FROM sessions WHERE {_VISIBLE}"  # noqa: S608 - ours


@dataclass(frozen=True, slots=True)
class Name:
    """A name in a request.

    Attributes:
        field: Where the request has it, for example ``steps[0]``.
        event: Of a key: the event or stage that should have it; empty for any.
        of_app: Of a key: whether only events of apps may have it.
        of_number: Of a key: whether it must have a number in one of them.
        pseudonym: Of a client: under which its sessions are stored, if not under its id.
    """

    kind: NameKind
    field: str
    text: str
    event: str = ""
    of_app: bool = False
    of_number: bool = False
    pseudonym: str = ""


@dataclass(frozen=True, slots=True)
class UnknownName:
    """A name that nothing has.

    Attributes:
        name: As the request has it.
        suggestion: The known name that is most like it; empty when none is.
    """

    name: Name
    suggestion: str = ""


def unknown_names(cursor: Cursor, names: Iterable[Name], visible_to: str = "") -> list[UnknownName]:
    """Those of the names that nothing has which the caller may see.

    Args:
        cursor: Of a read.
        names: Of events, keys and clients.
        visible_to: The client of the caller; empty for every client.
    """
    unknown = [name for name in names if not _is_known(cursor, name, visible_to)]
    return [UnknownName(name, _suggested(name, _known(cursor, name, visible_to))) for name in unknown]


def _suggested(name: Name, known: list[str]) -> str:
    """The known name that is most like a name; none where that itself is known and only has no number."""
    return "" if name.text in known else most_like(name.text, known)


def most_like(text: str, known: Iterable[str]) -> str:
    """The known name that is most like a text, in any letter case; empty when none is."""
    folded = {name.casefold(): name for name in sorted(known) if name not in (_REDACTED, text)}
    found = difflib.get_close_matches(text.casefold(), folded, 1, _LIKE_ENOUGH)
    return folded[found[0]] if found else ""


def _is_known(cursor: Cursor, name: Name, visible_to: str) -> bool:
    query = {"event": _HAS_EVENT, "key": _HAS_KEY, "client": _HAS_CLIENT}[name.kind]
    query = _HAS_NUMBER if name.of_number else query
    more = {"pseudonym": name.pseudonym} if name.kind == "client" else _of(name)
    return bool(fetch_all(cursor, query, {"name": name.text, "visible_to": visible_to, **more}))


def _known(cursor: Cursor, name: Name, visible_to: str) -> list[str]:
    """All names that it could be."""
    query = {"event": _EVENTS, "key": _KEYS, "client": _CLIENTS}[name.kind]
    recorded = [row["name"] for row in fetch_all(cursor, query, {"visible_to": visible_to, **_of(name)})]
    always = [*EVENTS.keys() - {_OF_STAGES}, *SessionState] if name.kind == "event" else []
    return recorded + list(map(str, always))


def _of(name: Name) -> Row:
    """Which events may have a key."""
    return {"event": name.event, "of_app": name.of_app} if name.kind == "key" else {}
