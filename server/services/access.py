"""AccessService: makes, lists, rotates and revokes API keys."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from vestibule.v1 import access_pb2, access_pb2_grpc

from server.access.api_keys import ApiKeys
from server.ledger.types import Clock
from server.records.machine_words import MachineWords, client_id_personal
from server.rpc import convert


class AccessService(access_pb2_grpc.AccessServiceServicer):
    """See protos/vestibule/v1/access.proto.

    Args:
        words: Reads client ids and labels as names of devices.
    """

    def __init__(self, keys: ApiKeys, words: MachineWords, clock: Clock) -> None:
        self._keys = keys
        self._words = words
        self._clock = clock

    async def CreateApiKey(  # noqa: N802, D102
        self, request: access_pb2.CreateApiKeyRequest, context: Any
    ) -> access_pb2.CreateApiKeyResponse:
        if not request.client_id_checked and await self._words.personal([request.client_id]):
            raise client_id_personal()
        lifetime = timedelta(seconds=convert.seconds(request.lifetime)) if request.HasField("lifetime") else None
        row, key = await self._keys.create(
            client_id=request.client_id,
            scopes={convert.scope(scope) for scope in request.scopes},
            label=await self._words.replaced(request.label),
            expire_time=None if lifetime is None else self._clock() + lifetime,
        )
        return access_pb2.CreateApiKeyResponse(api_key=convert.api_key(row), key=key)

    async def ListApiKeys(  # noqa: N802, D102
        self, request: access_pb2.ListApiKeysRequest, context: Any
    ) -> access_pb2.ListApiKeysResponse:
        rows = self._keys.list_keys(include_closed=request.include_closed)
        return access_pb2.ListApiKeysResponse(api_keys=map(convert.api_key, rows))

    async def RotateApiKey(  # noqa: N802, D102
        self, request: access_pb2.RotateApiKeyRequest, context: Any
    ) -> access_pb2.RotateApiKeyResponse:
        row, key = await self._keys.rotate(request.id, timedelta(seconds=convert.seconds(request.grace)))
        return access_pb2.RotateApiKeyResponse(api_key=convert.api_key(row), key=key)

    async def RevokeApiKey(  # noqa: N802, D102
        self, request: access_pb2.RevokeApiKeyRequest, context: Any
    ) -> access_pb2.RevokeApiKeyResponse:
        return access_pb2.RevokeApiKeyResponse(api_key=convert.api_key(await self._keys.revoke(request.id)))
