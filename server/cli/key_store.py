"""API keys for the commands: through a running server, or in the ledger file while no server runs."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from models.errors import NotFound, Unavailable
from models.reasons import Reason
from server.cli.channel import open_channel
from server.cli.output import STARTING, Failure
from server.cli.remote import CALL_TIMEOUT_S, Endpoint, connected, endpoint
from server.cli.tls_problems import tls_problem

if TYPE_CHECKING:
    import grpc
    from vestibule.v1.access_pb2 import ApiKey

    from server.access.api_keys import ApiKeys
    from server.settings import Settings

T = TypeVar("T")
Made = tuple["ApiKey", str]
"""A new key without its secret, and the whole key."""


class KeyStore(ABC):
    """Where keys are made and looked up."""

    @abstractmethod
    def create(self, client_id: str, scopes: Sequence[str], label: str, lifetime: timedelta | None) -> Made:
        """Make a key."""

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
    from server.cli.analyst import ledger_settings

    settings, server = ledger_settings(None, state_dir, data_dir), endpoint(address)
    if address is None and not _answers(server):
        click.echo(f"No server answers at {server.target}, so the ledger file is used.", err=True)
        yield _LedgerKeys(settings, server.target)
        return
    with connected(address, settings.state_dir) as channel:
        yield _ServerKeys(channel)


def _answers(server: Endpoint) -> bool:
    """Whether a server listens there, of whatever health.

    Raises:
        Failure: One listens, but its TLS is not what the settings say.
    """
    import grpc
    from grpc_health.v1.health_pb2 import HealthCheckRequest
    from grpc_health.v1.health_pb2_grpc import HealthStub

    with open_channel(server.target, tls=server.tls, credential="") as channel:
        try:
            HealthStub(channel).Check(HealthCheckRequest(), timeout=CALL_TIMEOUT_S)
        except grpc.RpcError as error:
            if problem := tls_problem(server.target, server.tls):
                raise problem from error
            return isinstance(error, grpc.Call) and error.code() is not grpc.StatusCode.UNAVAILABLE
    return True


class _ServerKeys(KeyStore):
    def __init__(self, channel: grpc.Channel) -> None:
        from vestibule.v1 import access_pb2
        from vestibule.v1.access_pb2_grpc import AccessServiceStub

        self._pb = access_pb2
        self._stub = AccessServiceStub(channel)

    def create(self, client_id: str, scopes: Sequence[str], label: str, lifetime: timedelta | None) -> Made:
        from google.protobuf.duration_pb2 import Duration

        request = self._pb.CreateApiKeyRequest(
            client_id=client_id,
            scopes=[self._pb.Scope.Value(f"SCOPE_{name.upper()}") for name in scopes],
            label=label,
            lifetime=None if lifetime is None else Duration(seconds=int(lifetime.total_seconds())),
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

    def __init__(self, settings: Settings, target: str) -> None:
        self._settings = settings
        self._target = target

    def create(self, client_id: str, scopes: Sequence[str], label: str, lifetime: timedelta | None) -> Made:
        from server.access.caller import Scope
        from server.ledger.types import utc_now
        from server.rpc.convert import api_key

        row, key = self._run(
            lambda keys: keys.create(
                client_id=client_id,
                scopes=[Scope(name) for name in scopes],
                label=label,
                expire_time=None if lifetime is None else utc_now() + lifetime,
            )
        )
        return api_key(row), key

    def list_keys(self, *, include_closed: bool) -> list[ApiKey]:
        from server.rpc.convert import api_key

        async def rows(keys: ApiKeys) -> list[ApiKey]:
            return [api_key(row) for row in keys.list_keys(include_closed=include_closed)]

        self._require_ledger()
        return self._run(rows)

    def rotate(self, key_id: str, grace: timedelta) -> Made:
        from server.rpc.convert import api_key

        self._require_ledger()
        row, key = self._run(lambda keys: keys.rotate(key_id, grace))
        return api_key(row), key

    def revoke(self, key_id: str) -> ApiKey:
        from server.rpc.convert import api_key

        self._require_ledger()
        return api_key(self._run(lambda keys: keys.revoke(key_id)))

    def _require_ledger(self) -> None:
        if not self._settings.ledger_path.exists():
            raise NotFound(
                f"There is no ledger in {self._settings.data_dir}.",
                reason=Reason.LEDGER_NOT_FOUND,
                hint="Name the server's folder with --data-dir, or the server with --address.",
            )

    def _run(self, step: Callable[[ApiKeys], Coroutine[Any, Any, T]]) -> T:
        from server.access.api_keys import ApiKeys
        from server.access.audit import AuditTrail, load_or_create_key
        from server.access.audit_head import head_kept
        from server.access.caller import OFFLINE, acting_as
        from server.ledger.types import utc_now
        from server.ledger.writer import Ledger

        settings = self._settings
        try:
            ledger = Ledger.open(settings.ledger_path, utc_now)
        except Unavailable as error:
            if error.reason is not Reason.LEDGER_LOCKED:
                raise
            hint = f"A server holds it, but none answers at {self._target}. {STARTING} "
            hint += "Else name it with --address, and see --tls-ca."
            raise Failure(error.message, reason=error.reason, hint=hint) from error

        async def run() -> T:
            audit_key = load_or_create_key(settings.state_dir)
            keys = ApiKeys(ledger, utc_now, AuditTrail(audit_key, utc_now, keep_peers=settings.audit.peers))
            await keys.load()
            async with head_kept(ledger, audit_key, settings.state_dir):
                return await step(keys)

        try:
            with acting_as(OFFLINE):
                return asyncio.run(run())
        finally:
            ledger.close()
