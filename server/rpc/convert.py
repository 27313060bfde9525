"""Converts our values to protobuf messages and back. Only this module and ``server.services`` use the messages."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from vestibule.v1 import access_pb2, common_pb2, funnel_pb2, media_pb2, recommendation_pb2, session_pb2

from models.errors import InvalidInput
from models.reasons import Reason
from models.text import RedactedText
from server.access.caller import Scope, current_caller
from server.ledger.api_keys import ApiKeyRow
from server.ledger.stage_report import StageReport
from server.ledger.types import (
    Artifact,
    Origin,
    RecommendationRow,
    SessionRow,
    TurnRow,
    UploadRow,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NANOS_A_SECOND = 1_000_000_000
_ORIGINS = {Origin.MODEL: common_pb2.ORIGIN_MODEL, Origin.FALLBACK: common_pb2.ORIGIN_FALLBACK}
_SEVERITIES = {
    "NORMAL": funnel_pb2.SEVERITY_NORMAL,
    "HIGH": funnel_pb2.SEVERITY_HIGH,
    "CRITICAL": funnel_pb2.SEVERITY_CRITICAL,
}
_KIND_PREFIX = "MEDIA_KIND_"
_SCOPE_PREFIX = "SCOPE_"


def timestamp(at: datetime) -> Timestamp:
    """An aware time as a message."""
    message = Timestamp()
    message.FromDatetime(at.astimezone(UTC))
    return message


def moment(message: Timestamp) -> datetime:
    """A message as an aware time in UTC.

    Raises:
        InvalidInput: It is outside the years 1 to 9999, or its nanos are no part of a second.
    """
    if not 0 <= message.nanos < _NANOS_A_SECOND:
        raise InvalidInput("The nanos of a time are not from 0 to 999999999.", reason=Reason.INVALID_ARGUMENT)
    try:  # ToDatetime takes four times as long
        return _EPOCH + timedelta(seconds=message.seconds, microseconds=message.nanos // 1000)
    except OverflowError:
        raise InvalidInput("A time is outside the years 1 to 9999.", reason=Reason.INVALID_ARGUMENT) from None


def duration(seconds: float) -> Duration:
    """Seconds as a message, to the millisecond."""
    message = Duration()
    message.FromMilliseconds(round(seconds * 1000))
    return message


def seconds(message: Duration) -> float:
    """A message as seconds."""
    return message.seconds + message.nanos / 1e9


def redacted(text: RedactedText) -> common_pb2.RedactedText:
    """Redacted text with its counts."""
    return common_pb2.RedactedText(value=text.value, entity_counts=text.counts, safe_for_llm=text.safe_for_llm)


def origin(value: Origin) -> common_pb2.Origin.ValueType:
    """The origin of a text as an enum value."""
    return _ORIGINS[value]


def session(row: SessionRow, uploads: list[UploadRow], recommendation: RecommendationRow | None) -> session_pb2.Session:
    """A session with its uploads and its newest recommendation."""
    message = session_pb2.Session(
        id=row.id,
        client_id=row.client_id,
        state=common_pb2.SessionState.Value(f"SESSION_STATE_{row.state}"),
        create_time=timestamp(row.create_time),
        update_time=timestamp(row.update_time),
        language=row.language,
        turn_count=row.turn_count,
        uploads=[upload(u) for u in uploads],
        variant=row.variant,
        flow=row.flow,
        flow_version=row.flow_version,
        time_zone=row.time_zone,
    )
    if recommendation is not None:
        message.recommendation.CopyFrom(recommendation_message(recommendation))
    return message


def turn(row: TurnRow) -> session_pb2.Turn:
    """A turn; a text for which the redactor does not vouch is left out."""
    message = session_pb2.Turn(
        id=row.id,
        source=session_pb2.TurnSource.Value(f"TURN_SOURCE_{row.source.upper()}"),
        create_time=timestamp(row.create_time),
        confidence=row.confidence,
        language=row.language,
    )
    if row.text.safe_for_llm:
        message.text.CopyFrom(redacted(row.text))
    if row.source == "speech":
        message.spoken.CopyFrom(duration(row.end_s - row.start_s))
    if row.reply is not None and row.reply.safe_for_llm:
        message.reply.CopyFrom(redacted(row.reply))
    if row.reply_origin is not None:
        message.reply_origin = origin(row.reply_origin)
    message.reply_cut_reason = row.reply_cut
    return message


def upload_id(row: UploadRow) -> str:
    """The id by which the current caller can fetch an upload.

    Two clients may have given the same one, so a caller of every client gets the id of the ledger.
    """
    return row.shown_id if current_caller().client_id else row.id


def media_kind(value: media_pb2.MediaKind.ValueType) -> str:
    """``MEDIA_KIND_METER`` as ``meter``; unspecified as an empty string."""
    name = media_pb2.MediaKind.Name(value).removeprefix(_KIND_PREFIX).lower()
    return "" if name == "unspecified" else name


def kind_value(name: str) -> media_pb2.MediaKind.ValueType:
    """``meter`` as ``MEDIA_KIND_METER``; an empty string as unspecified."""
    return media_pb2.MediaKind.Value(f"{_KIND_PREFIX}{(name or 'unspecified').upper()}")


def redacted_file(artifact: Artifact, size_bytes: int) -> media_pb2.DownloadRedactedResponse:
    """The first message of a download: the description of the file."""
    if artifact.is_recording:
        recording = media_pb2.RedactedRecording(
            media_type=artifact.media_type, size_bytes=size_bytes, muted_count=artifact.painted
        )
        return media_pb2.DownloadRedactedResponse(recording=recording)
    image = media_pb2.RedactedImage(
        media_type=artifact.media_type,
        size_bytes=size_bytes,
        width=artifact.width,
        height=artifact.height,
        painted_count=artifact.painted,
    )
    return media_pb2.DownloadRedactedResponse(image=image)


def upload(row: UploadRow) -> media_pb2.Upload:
    """An upload, under the id that its client gave."""
    message = media_pb2.Upload(
        id=upload_id(row),
        session_id=row.session_id,
        kind=kind_value(row.kind),
        state=media_pb2.UploadState.Value(f"UPLOAD_STATE_{row.state}"),
        progress=row.progress,
        size_bytes=row.size_bytes,
        media_type=row.media_type,
        has_redacted_image=row.artifact is not None and not row.artifact.is_recording,
        has_redacted_recording=row.artifact is not None and row.artifact.is_recording,
        attempts=row.attempts,
        failure_reason=row.failure_reason,
        create_time=timestamp(row.create_time),
        update_time=timestamp(row.update_time),
    )
    if row.text is not None:
        message.text.CopyFrom(redacted(row.text))
    for label in row.labels or ():
        message.labels.add(text=redacted(label.text), confidence=label.confidence)
    if row.display_name is not None:
        message.display_name.CopyFrom(redacted(row.display_name))
    return message


def record(row: RecommendationRow) -> common_pb2.ProposedRecord:
    """The record of a recommendation, which the ledger keeps as canonical JSON."""
    content = json.loads(row.record.value)
    return common_pb2.ProposedRecord(
        summary=content["summary"],
        fields=[_record_field(field) for field in content["fields"]],
        missing=content["missing"],
    )


def _record_field(field: dict[str, Any]) -> common_pb2.RecordField:
    confidence = field.get("confidence", "unspecified").upper()
    return common_pb2.RecordField(
        name=field["name"],
        value=field["value"],
        source_id=field.get("source_id", ""),
        confidence=common_pb2.FieldConfidence.Value(f"FIELD_CONFIDENCE_{confidence}"),
        findings=[
            common_pb2.FieldFinding(
                kind=common_pb2.FindingKind.Value(f"FINDING_KIND_{finding['kind'].upper()}"),
                against=finding["severity"] == "error",
                message=finding["message"],
                check=finding["check"],
                source_id=finding["source_id"],
                other_value=finding["value"],
            )
            for finding in field.get("findings", ())
        ],
    )


def recommendation_message(row: RecommendationRow) -> recommendation_pb2.Recommendation:
    """A recommendation."""
    message = recommendation_pb2.Recommendation(
        id=row.id,
        session_id=row.session_id,
        state=recommendation_pb2.RecommendationState.Value(f"RECOMMENDATION_STATE_{row.state}"),
        record=record(row),
        content_hash=bytes.fromhex(row.content_hash),
        origin=origin(row.origin),
        create_time=timestamp(row.create_time),
        decided_by=row.decided_by,
        decided_subject=row.decided_subject,
    )
    if row.decide_time is not None:
        message.decide_time.CopyFrom(timestamp(row.decide_time))
    if row.expire_time is not None:
        message.expire_time.CopyFrom(timestamp(row.expire_time))
    message.approvals_needed = row.approvals_needed
    for approval in row.approvals:
        message.approvals.add(
            subject=approval.subject, decided_by=approval.decided_by, approve_time=timestamp(approval.time)
        )
    return message


def stage(report: StageReport) -> funnel_pb2.FunnelStage:
    """One stage of the funnel."""
    message = funnel_pb2.FunnelStage(
        name=report.name,
        session_count=report.sessions,
        under_way_count=report.under_way,
        dropped_count=report.dropped,
        drop_off_rate=report.drop_off_rate,
        counted_count=report.counted,
        severity=_SEVERITIES.get(report.severity, funnel_pb2.SEVERITY_UNSPECIFIED),
    )
    if report.median_s is not None:
        message.median_time.CopyFrom(duration(report.median_s))
    return message


def scope(value: access_pb2.Scope.ValueType) -> Scope:
    """A scope of a request; the rules of the proto refuse all others before."""
    return Scope(access_pb2.Scope.Name(value).removeprefix(_SCOPE_PREFIX).lower())


def scope_value(name: str) -> access_pb2.Scope.ValueType:
    """A scope as an enum value."""
    return access_pb2.Scope.Value(f"{_SCOPE_PREFIX}{name.upper()}")


def api_key(row: ApiKeyRow) -> access_pb2.ApiKey:
    """An API key without its secret."""
    message = access_pb2.ApiKey(
        id=row.id,
        client_id=row.client_id,
        scopes=map(scope_value, row.scopes),
        label=row.label,
        create_time=timestamp(row.create_time),
        holder_id=row.holder_id,
    )
    for name, at in (
        ("expire_time", row.expire_time),
        ("revoke_time", row.revoke_time),
        ("last_use_time", row.last_use_time),
    ):
        if at is not None:
            getattr(message, name).CopyFrom(timestamp(at))
    return message
