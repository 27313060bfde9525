"""The service config that apps give to their channels names every method that they may repeat."""

from __future__ import annotations

import json
from pathlib import Path

from google.protobuf.descriptor_pb2 import MethodOptions
from vestibule.v1 import (
    admin_pb2,
    experiment_pb2,
    flow_pb2,
    funnel_pb2,
    media_pb2,
    recommendation_pb2,
    review_pb2,
    risk_pb2,
    sealed_pb2,
    session_pb2,
)

CONFIG = Path(__file__).parents[3] / "protos" / "vestibule" / "v1" / "service_config.json"
PROTOS = (
    *(admin_pb2, experiment_pb2, flow_pb2, funnel_pb2, media_pb2),
    *(recommendation_pb2, review_pb2, risk_pb2, sealed_pb2, session_pb2),
)


def test_every_call_that_only_reads_is_repeated_and_ends() -> None:
    repeated = {
        (name["service"], name.get("method", ""))
        for entry in json.loads(CONFIG.read_text(encoding="utf-8"))["methodConfig"]
        for name in entry["name"]
        if "retryPolicy" in entry and "timeout" in entry
    }
    reads = [
        (service.full_name, method.name)
        for proto in PROTOS
        for service in proto.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        if method.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS
    ]
    assert len(reads) > 15
    assert [read for read in reads if read not in repeated and (read[0], "") not in repeated] == []
