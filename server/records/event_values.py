"""Reads the names and properties of a batch of events by what their client has declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Final, NamedTuple

from models.errors import FieldViolation, InvalidInput, TooLarge
from models.reasons import Reason
from models.text import RedactedText
from ray_tasks.types import Gateway
from server.key_places import key_place
from server.ledger import sessions
from server.ledger.event_properties import PropertyValue, TypedValue
from server.ledger.sessions import SessionOwner
from server.ledger.transactional import Ledger
from server.observability.metrics import Metrics
from server.records.declared_events import MOST_VIOLATIONS, ClientEvents, DeclaredEvents
from server.records.event_catalogue import EVENTS
from server.records.machine_words import REDACTED, MachineWords, with_safe_keys
from server.records.remembered_texts import RememberedTexts, SpokenIn
from server.setting_groups.stored_data import Undeclared

REDACT_TIMEOUT_S: Final = 10.0
LONGEST_BATCH_CHARACTERS: Final = 150_000
"""Of all that the redactor reads for a batch: different texts, also with their keys, and undeclared names and keys. It
must finish within its timeout.
Found in docs/evaluation/constants/streaming.md, LONGEST_BATCH_CHARACTERS."""

NOT_DECLARED: Final = "is not declared"
OF_THE_SERVER: Final = "is the name of an event of the server; a funnel counts both in one step"
_NO_LANGUAGE: Final = "en"


class GivenEvent(NamedTuple):
    """An event as an app sent it."""

    session_id: str
    name: str
    properties: Mapping[str, str]


class ReadEvent(NamedTuple):
    """The same as it may be stored."""

    name: str
    properties: Mapping[str, PropertyValue]


@dataclass(frozen=True, slots=True)
class EventProblem:
    """What does not fit the declaration of a client.

    Attributes:
        index: Of the event in its batch.
        key: Of the property; empty for the name of the event. One in which something personal is found is ``redacted``.
        description: What is wrong or wanted, never a value.
        refused: Whether the event is not stored; else the value is, as redacted text.
    """

    index: int
    key: str
    description: str
    refused: bool


@dataclass(slots=True)
class _Draft:
    """An event while its texts are redacted.

    Attributes:
        undeclared: Those of the name and the keys that are not declared.
        problems: Keys, or nothing for the name, with what is wrong.
    """

    given: GivenEvent
    typed: Mapping[str, TypedValue]
    undeclared: Set[str]
    problems: Sequence[tuple[str, str]]

    def texts(self, language: str) -> list[SpokenIn]:
        """The values that the redactor must read."""
        return [SpokenIn(language, value, key) for key, value in self.given.properties.items() if key not in self.typed]

    @property
    def all_typed(self) -> bool:
        """Whether no value is text."""
        return len(self.typed) == len(self.given.properties)


class EventValues:
    """Reads batches.

    What is declared as anything but text is kept as it came, if it fits. Every other value is text, and redacted.

    Args:
        undeclared: What becomes of an event that does not fit what its client has declared.
        metrics: Count these events.
    """

    def __init__(
        self, ledger: Ledger, gateway: Gateway, declared: DeclaredEvents, undeclared: Undeclared, metrics: Metrics
    ) -> None:
        self._ledger = ledger
        self._declared = declared
        self._strict = undeclared == "refuse"
        self._words = MachineWords(gateway)
        self._texts = RememberedTexts(gateway, REDACT_TIMEOUT_S)
        self._unfitting = metrics.unfitting_events.labels("refused" if self._strict else "stored")

    async def read(
        self, events: Sequence[GivenEvent], client_id: str
    ) -> tuple[list[ReadEvent | None], list[EventProblem]]:
        """The events in their order, None for one that is refused, and what is wrong with any.

        Args:
            events: The batch.
            client_id: Of the caller; empty for one who may send events of every client.

        Raises:
            TooLarge: EVENTS_TOO_LARGE.
            InvalidInput: EVENTS_UNDECLARED, every event of the batch is refused.
            Unavailable: The redactor cannot be reached, or failed.
            DeadlineExceeded: It took too long.
        """
        drafts = await self._drafts(events, client_id)
        different = list({id(draft): draft for draft in drafts}.values())
        kept = [draft for draft in different if not self._refuses(draft)]
        words = {word for draft in different for word in draft.undeclared}
        with_text = [draft for draft in kept if not draft.all_typed]
        languages = await self._languages(with_text)
        texts = {text for draft in with_text for text in draft.texts(languages[draft.given.session_id])}
        if sum(map(len, words)) + sum(text.characters for text in texts) > LONGEST_BATCH_CHARACTERS:
            raise TooLarge(
                f"Different texts, names and keys have more than {LONGEST_BATCH_CHARACTERS} characters together.",
                reason=Reason.EVENTS_TOO_LARGE,
                hint="Send fewer events at a time.",
            )
        safe = await self._texts.redact(texts)
        personal = await self._words.personal(words)
        problems = [
            EventProblem(index, REDACTED, _of_hidden_key(draft, key, what), self._strict)
            if key in personal
            else EventProblem(index, key, what, self._strict)
            for index, draft in enumerate(drafts)
            for key, what in draft.problems
        ]
        self._unfitting.inc(sum(bool(draft.problems) for draft in drafts))
        if not kept:
            raise _all_refused(problems)
        read = {id(draft): _read(draft, languages.get(draft.given.session_id, ""), safe, personal) for draft in kept}
        return [read.get(id(draft)) for draft in drafts], problems

    def _refuses(self, draft: _Draft) -> bool:
        return self._strict and bool(draft.problems)

    async def _languages(self, drafts: Sequence[_Draft]) -> dict[str, str]:
        """The languages in which the texts of sessions are read; English where none was given or detected."""
        ids = list({draft.given.session_id for draft in drafts})
        found = await self._ledger.read(lambda cursor: sessions.languages_of(cursor, ids)) if ids else {}
        return {session_id: found.get(session_id, _NO_LANGUAGE) for session_id in ids}

    async def _drafts(self, events: Sequence[GivenEvent], client_id: str) -> list[_Draft]:
        if client_id and not self._declared.by_flows:
            declared = await self._declared.of_client(client_id)
            without: dict[str, _Draft] = {}
            return [_draft(event, declared, without, strict=self._strict) for event in events]
        ids = list({event.session_id for event in events})
        owners = await self._ledger.read(lambda cursor: sessions.owners_of(cursor, ids))
        if client_id:
            # A session of another client is to the caller as one that does not exist.
            unknown = SessionOwner(client_id, "", 0)
            owners = {each: owner for each, owner in owners.items() if owner.client_id == client_id}
            owners = {each: owners.get(each, unknown) for each in ids}
        by_owner = {owner: await self._declared.of_session(*owner) for owner in set(owners.values())}
        shared: dict[SessionOwner, dict[str, _Draft]] = {owner: {} for owner in by_owner}
        return [
            # An event of a session that does not exist has no client, and is not stored.
            _draft(event, by_owner[owner], shared[owner], strict=self._strict)
            if (owner := owners.get(event.session_id)) is not None
            else _draft(event, {}, {}, strict=False)
            for event in events
        ]


def _draft(event: GivenEvent, declared: ClientEvents, without: dict[str, _Draft], *, strict: bool) -> _Draft:
    """The draft of an event. Those without properties share one for each name, which ``without`` keeps."""
    if event.properties:
        return _new_draft(event, declared, strict=strict)
    draft = without.get(event.name)
    if draft is None:
        draft = without[event.name] = _new_draft(event, declared, strict=strict)
    return draft


def _new_draft(event: GivenEvent, declared: ClientEvents, *, strict: bool) -> _Draft:
    readers = declared.get(event.name)
    problems = [("", OF_THE_SERVER)] if event.name in EVENTS else []
    if readers is None:
        problems += [("", NOT_DECLARED)] if strict else []
        return _Draft(event, {}, {event.name, *event.properties}, problems)
    typed: dict[str, TypedValue] = {}
    undeclared = event.properties.keys() - readers.keys()
    for key, value in event.properties.items():
        if key in undeclared:
            if strict:
                problems.append((key, NOT_DECLARED))
        elif (reader := readers[key]) is not None:
            read = reader.read(value)
            if read is None:
                problems.append((key, reader.expected))
            else:
                typed[key] = read
    return _Draft(event, typed, undeclared, problems)


def _read(draft: _Draft, language: str, safe: Mapping[SpokenIn, RedactedText], personal: set[str]) -> ReadEvent:
    given, typed = draft.given, draft.typed
    if draft.all_typed and not draft.undeclared:
        return ReadEvent(given.name, typed)
    found = draft.undeclared & personal
    keys = with_safe_keys(given.properties, found) if found else {key: key for key in given.properties}
    properties = {
        keys[key]: typed.get(key) or safe[SpokenIn(language, value, key)] for key, value in given.properties.items()
    }
    return ReadEvent(REDACTED if given.name in found else given.name, properties)


def _of_hidden_key(draft: _Draft, key: str, what: str) -> str:
    """What is wrong with a key that is not repeated, such as ``zz``, in which a name may be found."""
    return f"{what}; it is {key_place(key, draft.given.properties)}, and not shown because it may name a person"


def _all_refused(problems: Sequence[EventProblem]) -> InvalidInput:
    return InvalidInput(
        "No event of the batch fits what its client has declared, so none is stored.",
        reason=Reason.EVENTS_UNDECLARED,
        hint="Correct the events, or declare them with `vestibule events declare`.",
        violations=tuple(
            FieldViolation(
                f"events[{problem.index}].{f'properties.{problem.key}' if problem.key else 'name'}", problem.description
            )
            for problem in problems[:MOST_VIOLATIONS]
        ),
    )
