"""The events that clients declare: checked, compared with what was declared before, stored, and looked up."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final

from models.errors import FieldViolation, InvalidInput
from models.reasons import Reason
from ray_tasks.types import Gateway
from server.access.audit import AuditAction, AuditTrail
from server.flows.app_events import Declaration, DeclaredProperty
from server.flows.definition import FlowDefinition
from server.ledger import event_declarations
from server.ledger.columns import Cursor
from server.ledger.transactional import Ledger
from server.ledger.types import Clock
from server.records.machine_words import MachineWords, as_device, as_value, client_id_personal
from server.records.typed_values import Reader, reader_of

WORDS_CHECKED: Final = "words_checked"
"""In the audit: an operator said that the words name nobody, and they were not checked."""
MOST_WORDS: Final = 5000
"""Different names, keys and values of one client, so that they can be checked within the time of a call."""
MOST_VIOLATIONS: Final = 20
"""That are told of a refused call; more would not fit into the trailers of gRPC."""
_WORDS_AT_A_TIME: Final = 200
_PSEUDONYM: Final = re.compile(r"hash-[0-9a-f]{32}")
_MAY_NAME: Final = re.compile(r"[A-Za-z]{3}|[A-Za-z][^A-Za-z0-9]+[A-Za-z]|(?:[0-9][^0-9]*){7}")
"""A value without three letters beside each other, two groups of letters or seven digits names nobody: A-1042."""

ClientEvents = Mapping[str, Mapping[str, Reader | None]]
"""Declared events of a client; of each the keys, with what reads their values. None stands for text."""


@dataclass(frozen=True, slots=True)
class DeclarationChange:
    """One difference between two declarations.

    Attributes:
        key: Of a property; empty for the event as a whole.
        before: As a file of declarations has it; empty if it was not there.
        after: The same; empty if it is there no more.
    """

    name: str
    key: str
    before: str
    after: str


class DeclaredEvents:
    """What clients have declared, and flows.

    Args:
        audit: Records what is declared, and knows what the server calls a client of tokens.
        flows: Whose declarations hold for the sessions of their version.

    Attributes:
        on_change: Called after a client has declared.
    """

    def __init__(
        self,
        ledger: Ledger,
        gateway: Gateway,
        clock: Clock,
        audit: AuditTrail,
        flows: Iterable[FlowDefinition] = (),
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._audit = audit
        self._words = MachineWords(gateway, as_value)
        self._clients = MachineWords(gateway, as_device)
        self._known: dict[str, ClientEvents] | None = None
        self._version = 0
        self._of_flows: dict[tuple[str, int], ClientEvents] = {}
        self.on_change: Callable[[], None] = lambda: None
        self.learn(flows)

    def learn(self, flows: Iterable[FlowDefinition]) -> None:
        """Take over the declarations of more flows."""
        self._of_flows |= {
            (flow.name, flow.version): _readers_of(flow.declared_events) for flow in flows if flow.declared_events
        }

    def forget(self) -> None:
        """Read what clients have declared again, for the next batch."""
        self._version += 1
        self._known = None

    @property
    def by_flows(self) -> bool:
        """Whether a flow declares any. Otherwise the flow of a session does not matter."""
        return bool(self._of_flows)

    async def of_session(self, client_id: str, flow: str, version: int) -> ClientEvents:
        """What is declared for a session. An event that its client declares is as the client declares it."""
        return {**self._of_flows.get((flow, version), {}), **await self.of_client(client_id)}

    async def of_client(self, client_id: str) -> ClientEvents:
        """What the client of a session has declared; empty if it has declared nothing."""
        known = self._known
        if known is None:
            version = self._version
            known = self._readers(await self._ledger.read(event_declarations.all_declarations))
            if version == self._version:  # else something was declared meanwhile
                self._known = known
        return known.get(client_id, {})

    async def listed(self, client_id: str = "", *, visible_to: str = "") -> dict[str, Declaration]:
        """Declarations by client.

        Args:
            client_id: Those of this client alone, by the id under which it was declared; empty means all.
            visible_to: The client of the caller, who sees no others; empty for one who sees all.
        """
        found = await self._ledger.read(event_declarations.all_declarations)
        return {
            name: given
            for name, given in found.items()
            if client_id in ("", name) and visible_to in ("", name, self._audit.client_pseudonym(name))
        }

    async def declare(
        self, client_id: str, wanted: Declaration, *, words_checked: bool, dry_run: bool
    ) -> list[DeclarationChange]:
        """Declare all events of a client, in place of what it had declared; returns what changes.

        Args:
            client_id: As sessions have it, or as an issuer of tokens gave it.
            wanted: All its events.
            words_checked: Whether somebody made sure that names, keys and values name no person.
            dry_run: Whether to store nothing.

        Raises:
            InvalidInput: CLIENT_ID_PERSONAL, EVENT_WORD_PERSONAL, EVENT_DECLARATION_INVALID.
            Unavailable: The redactor cannot be reached, or failed.
        """
        before = (await self.listed(client_id)).get(client_id, {})
        changes = list(_changes(before, wanted))
        if not changes:
            return []
        await self._check_client(client_id)
        if not words_checked:
            await self._check_words(before, wanted)
        if not dry_run:
            reason = WORDS_CHECKED if words_checked else ""
            entry = self._audit.entry(AuditAction.EVENTS_DECLARED, ("client", client_id), reason=reason)
            now = self._clock()

            def store(cursor: Cursor) -> None:
                event_declarations.replace_declaration(cursor, client_id, wanted, now)
                self._audit.append(cursor, entry)

            await self._ledger.write(store)
            self.forget()
            self.on_change()
        return changes

    def _readers(self, declarations: Mapping[str, Declaration]) -> dict[str, ClientEvents]:
        found: dict[str, ClientEvents] = {}
        for client_id, events in declarations.items():
            readers = _readers_of(events)
            # Sessions of a client of tokens have its pseudonym. A client of keys with that id has its own row.
            found.setdefault(self._audit.client_pseudonym(client_id), readers)
            found[client_id] = readers
        return found

    async def _check_client(self, client_id: str) -> None:
        if _PSEUDONYM.fullmatch(client_id):
            return
        if await self._ledger.read(lambda cursor: event_declarations.knows_client(cursor, client_id)):
            return
        if await self._clients.personal([client_id]):
            raise client_id_personal(
                "Make a key for the client first, with `vestibule keys create`. A client of tokens has a hash, which "
                "`vestibule sessions list` shows once it has a session: declare for that."
            )

    async def _check_words(self, before: Declaration, wanted: Declaration) -> None:
        """Refuse words in which something personal is found. Those that the client had declared were checked."""
        known = {word for word, _ in word_places(before)}
        places = [(word, path) for word, path in word_places(wanted) if word not in known]
        new = sorted({word for word, _ in places})
        if len(new) > MOST_WORDS:
            raise InvalidInput(
                f"More than {MOST_WORDS} new names, keys and values at once cannot be checked.",
                reason=Reason.EVENT_DECLARATION_INVALID,
                hint="Declare a property with that many values as text, as a code or as a number.",
            )
        personal = await self._personal_among(new)
        wrong = [FieldViolation(path, "may name a person") for word, path in places if word in personal]
        if wrong:
            raise InvalidInput(
                "A name, a key or a value may name a person. Declared words are stored and shown as they are.",
                reason=Reason.EVENT_WORD_PERSONAL,
                hint="Choose other words. If they name nobody, say so with --words-checked, or with words_checked in "
                "the request.",
                violations=tuple(wrong[:MOST_VIOLATIONS]),
            )

    async def _personal_among(self, words: list[str]) -> set[str]:
        found: set[str] = set()
        for at in range(0, len(words), _WORDS_AT_A_TIME):
            found |= await self._words.personal(words[at : at + _WORDS_AT_A_TIME])
        return found


@dataclass(frozen=True, slots=True)
class DeclaredWords:
    """Names and keys that are declared.

    Attributes:
        by_client: Those that each client has declared.
        of_flows: Those of all flows, which each client may use.
    """

    by_client: Mapping[str, frozenset[str]]
    of_flows: frozenset[str] = frozenset()

    def of_client(self, client_id: str) -> frozenset[str]:
        """Those in events of a client."""
        return self.by_client.get(client_id, frozenset()) | self.of_flows


def declared_words(declarations: Mapping[str, Declaration], flows: Iterable[FlowDefinition] = ()) -> DeclaredWords:
    """Names and keys of declarations by client, and of flows."""
    return DeclaredWords(
        {client_id: _words_of(events) for client_id, events in declarations.items()},
        frozenset[str]().union(*(_words_of(flow.declared_events) for flow in flows)),
    )


def _words_of(declaration: Declaration) -> frozenset[str]:
    return frozenset(word for name, properties in declaration.items() for word in (name, *properties))


def _readers_of(declaration: Declaration) -> ClientEvents:
    return {
        name: {key: reader_of(given) for key, given in properties.items()} for name, properties in declaration.items()
    }


def word_places(declaration: Declaration) -> Iterator[tuple[str, str]]:
    """Names, keys and values that may name somebody, each with its place in the request."""
    for at, (name, properties) in enumerate(declaration.items()):
        yield name, f"events[{at}].name"
        for within, (key, given) in enumerate(properties.items()):
            yield key, f"events[{at}].properties[{within}].key"
            for number, value in enumerate(given.values):
                if _MAY_NAME.search(value):
                    yield value, f"events[{at}].properties[{within}].values[{number}]"


def _changes(before: Declaration, after: Declaration) -> Iterator[DeclarationChange]:
    for name in dict.fromkeys(chain(before, after)):
        if name not in before or name not in after:
            yield DeclarationChange(name, "", "event" if name in before else "", "event" if name in after else "")
        old, new = before.get(name, {}), after.get(name, {})
        for key in dict.fromkeys(chain(old, new)):
            if old.get(key) != new.get(key):
                yield DeclarationChange(name, key, _written(old, key), _written(new, key))


def _written(properties: Mapping[str, DeclaredProperty], key: str) -> str:
    return str(properties[key]) if key in properties else ""
