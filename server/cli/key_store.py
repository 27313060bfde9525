"""API keys for the commands: through a running server, or in the ledger file while no server runs."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from models.errors import Unavailable
from models.reasons import Reason
from server.cli.remote import CALL_TIMEOUT_S, connected
from server.cli.stopped_server import StoppedServer, stopped_server

if TYPE_CHECKING:
    import grpc
    from vestibule.v1.access_pb2 import ApiKey

    from server.access.api_keys import ApiKeys
    from server.ledger.api_keys import ApiKeyRow
    from server.ledger.transactional import Ledger
    from server.settings import Settings

T = TypeVar("T")
Made = tuple["ApiKey", str]
"""A new key without its secret, and the whole key."""


class KeyStore(ABC):
    """Where keys are made and looked up."""

    @abstractmethod
    def create(
        self, client_id: str, scopes: Sequence[str], label: str, lifetime: timedelta | None, *, checked: bool
    ) -> Made:
        """Make a key. Unless it was ``checked`` that the client id names nobody, one that may is refused."""

    @abstractmethod
    def list_keys(self, *, include_closed: bool) -> list[ApiKey]:
        """The keys, newest first."""

    @abstractmethod
    def rotate(self, key_id: str, grace: timedelta) -> Made:
        """Make another key for the holder of one."""

    @abstractmethod
    def revoke(self, key_id: str) -> ApiKey:
        """Refuse a key from now on."""


@contextmanager
def opened_key_store(address: str | None, state_dir: Path | None, data_dir: Path | None) -> Iterator[KeyStore]:
    """The keys of the server at an address, or of the ledger file if none was named and no server answers.

    Raises:
        Failure: LEDGER_LOCKED, a server holds the ledger, but none answers at the configured address.
    """
    stopped = stopped_server(address, state_dir, data_dir)
    if stopped is not None:
        yield _LedgerKeys(stopped)
        return
    with connected(address, state_dir) as channel:
        yield _ServerKeys(channel)


class _ServerKeys(KeyStore):
    def __init__(self, channel: grpc.Channel) -> None:
        from vestibule.v1 import access_pb2
        from vestibule.v1.access_pb2_grpc import AccessServiceStub

        self._pb = access_pb2
        self._stub = AccessServiceStub(channel)

    def create(
        self, client_id: str, scopes: Sequence[str], label: str, lifetime: timedelta | None, *, checked: bool
    ) -> Made:
        from google.protobuf.duration_pb2 import Duration

        request = self._pb.CreateApiKeyRequest(
            client_id=client_id,
            scopes=[self._pb.Scope.Value(f"SCOPE_{name.upper()}") for name in scopes],
            label=label,
            lifetime=None if lifetime is None else Duration(seconds=int(lifetime.total_seconds())),
            client_id_checked=checked,
        )
        made = self._stub.CreateApiKey(request, timeout=CALL_TIMEOUT_S)
        return made.api_key, made.key

    def list_keys(self, *, include_closed: bool) -> list[ApiKey]:
        request = self._pb.ListApiKeysRequest(include_closed=include_closed)
        return list(self._stub.ListApiKeys(request, timeout=CALL_TIMEOUT_S).api_keys)

    def rotate(self, key_id: str, grace: timedelta) -> Made:
        from google.protobuf.duration_pb2 import Duration

        request = self._pb.RotateApiKeyRequest(id=key_id, grace=Duration(seconds=int(grace.total_seconds())))
        made = self._stub.RotateApiKey(request, timeout=CALL_TIMEOUT_S)
        return made.api_key, made.key

    def revoke(self, key_id: str) -> ApiKey:
        request = self._pb.RevokeApiKeyRequest(id=key_id)
        return self._stub.RevokeApiKey(request, timeout=CALL_TIMEOUT_S).api_key


class _LedgerKeys(KeyStore):
    """Opens the file for each step. The first key of a new installation is made before its ledger exists."""

    def __init__(self, stopped: StoppedServer) -> None:
        self._stopped = stopped

    def create(
        self, client_id: str, scopes: Sequence[str], label: str, lifetime: timedelta | None, *, checked: bool
    ) -> Made:
        from server.access.caller import Scope
        from server.ledger.types import utc_now
        from server.records.machine_words import REDACTED, client_id_personal
        from server.rpc.convert import api_key

        words = _LocalWords(self._stopped.settings)
        if not words.readable and (label or (client_id and not checked)):
            raise _unread_words()

        async def create(keys: ApiKeys) -> tuple[ApiKeyRow, str]:
            personal = await words.personal([label, client_id])
            if client_id in personal and not checked:
                raise client_id_personal()
            return await keys.create(
                client_id=client_id,
                scopes=[Scope(name) for name in scopes],
                label=REDACTED if label in personal else label,
                expire_time=None if lifetime is None else utc_now() + lifetime,
            )

        row, key = self._run(create)
        return api_key(row), key

    def list_keys(self, *, include_closed: bool) -> list[ApiKey]:
        from server.rpc.convert import api_key

        async def rows(keys: ApiKeys) -> list[ApiKey]:
            return [api_key(row) for row in keys.list_keys(include_closed=include_closed)]

        self._stopped.require_ledger()
        return self._run(rows)

    def rotate(self, key_id: str, grace: timedelta) -> Made:
        from server.rpc.convert import api_key

        self._stopped.require_ledger()
        row, key = self._run(lambda keys: keys.rotate(key_id, grace))
        return api_key(row), key

    def revoke(self, key_id: str) -> ApiKey:
        from server.rpc.convert import api_key

        self._stopped.require_ledger()
        return api_key(self._run(lambda keys: keys.revoke(key_id)))

    def _run(self, step: Callable[[ApiKeys], Coroutine[Any, Any, T]]) -> T:
        from server.access.api_keys import ApiKeys
        from server.access.audit import AuditTrail, load_or_create_key, load_or_create_subjects_key
        from server.access.audit_head import head_kept
        from server.access.caller import OFFLINE, acting_as
        from server.ledger.types import utc_now

        settings = self._stopped.settings

        async def run(ledger: Ledger) -> T:
            audit_key = load_or_create_key(settings.keys_dir)
            subjects_key = load_or_create_subjects_key(settings.keys_dir)
            trail = AuditTrail(audit_key, subjects_key, utc_now, keep_peers=settings.audit.peers)
            keys = ApiKeys(ledger, utc_now, trail)
            await keys.load()
            async with head_kept(ledger, audit_key, settings.keys_dir):
                return await step(keys)

        with self._stopped.opened() as ledger, acting_as(OFFLINE):
            return asyncio.run(run(ledger))


def _unread_words() -> Unavailable:
    return Unavailable(
        "The client's name and the label cannot be checked for names of persons, because the weights are missing.",
        reason=Reason.WEIGHTS_UNAVAILABLE,
        hint="Fetch them with `vestibule models fetch`. Else leave --label out, and say with --client-checked that the "
        "client's name is no person's.",
    )


class _LocalWords:
    """Reads words with the weights of this machine, as the server does.

    Attributes:
        readable: Whether the weights are there. Without them it finds nothing.
    """

    def __init__(self, settings: Settings) -> None:
        from server.cli.weights import REDACTION_WEIGHTS, is_placed

        self._settings = settings
        self.readable = all(is_placed(name, settings.weights_dir) for name in REDACTION_WEIGHTS)

    async def personal(self, words: Iterable[str]) -> set[str]:
        """Those of the words in which something personal was found."""
        from models.redaction.types import RedactionContext
        from models.text import TextSource
        from server.cli.offline_run import local_redactor
        from server.records.machine_words import as_device

        wanted = sorted({word for word in words if word})
        if not (wanted and self.readable):
            return set()
        redactor = await asyncio.to_thread(local_redactor, self._settings, 1)
        found = redactor.redact_many(list(map(as_device, wanted)), RedactionContext(TextSource.TYPED))
        return {word for word, redaction in zip(wanted, found, strict=True) if redaction.entities}
