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

from server.cli.speech_models import CHANGE_TIMEOUT_S
from server.speech_models.choice import CHANGE_LIMIT_S

CONFIG = Path(__file__).parents[3] / "protos" / "vestibule" / "v1" / "service_config.json"
CHANGES_OF_WEIGHTS = ("UseSpeechModel", "ShadowSpeechModel", "DiscardSpeechCandidate")
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


def test_changes_of_weights_may_take_longer_than_the_server_waits_for_workers_and_are_not_repeated() -> None:
    found = {
        name.get("method", ""): entry
        for entry in json.loads(CONFIG.read_text(encoding="utf-8"))["methodConfig"]
        for name in entry["name"]
        if name["service"] == "vestibule.v1.AdminService"
    }
    for method in CHANGES_OF_WEIGHTS:
        entry = found.get(method, found[""])
        assert (float(entry["timeout"].removesuffix("s")), "retryPolicy" in entry) == (CHANGE_TIMEOUT_S, False), method
    assert CHANGE_TIMEOUT_S > CHANGE_LIMIT_S
