"""SealedValueService: tells which sealed values there are, and releases them once."""

from __future__ import annotations

from typing import Any

from vestibule.v1 import sealed_pb2 as pb
from vestibule.v1 import sealed_pb2_grpc

from server.ledger.sealed_values import SealedRow
from server.records.sealed_releases import SealedReleases
from server.rpc import convert


class SealedValueService(sealed_pb2_grpc.SealedValueServiceServicer):
    """See protos/vestibule/v1/sealed.proto."""

    def __init__(self, releases: SealedReleases) -> None:
        self._releases = releases

    async def ListSealedValues(  # noqa: N802, D102
        self, request: pb.ListSealedValuesRequest, context: Any
    ) -> pb.ListSealedValuesResponse:
        return pb.ListSealedValuesResponse(values=map(_known, await self._releases.stored(request.session_id)))

    async def ReleaseSealedValues(  # noqa: N802, D102
        self, request: pb.ReleaseSealedValuesRequest, context: Any
    ) -> pb.ReleaseSealedValuesResponse:
        rows = await self._releases.release(request.session_id, request.fields, request.request_id)
        values = [pb.ReleasedValue(value=_known(row), ciphertext=row.value.ciphertext) for row in rows]
        return pb.ReleaseSealedValuesResponse(values=values)


def _known(row: SealedRow) -> pb.SealedValue:
    message = pb.SealedValue(
        id=row.id,
        session_id=row.session_id,
        field=row.value.field,
        type=row.value.type,
        key_id=row.value.key_id,
        source_id=row.source_id,
        create_time=convert.timestamp(row.create_time),
        released_to=row.released_to,
    )
    if row.release_time is not None:
        message.release_time.CopyFrom(convert.timestamp(row.release_time))
    return message
