"""Rows and verifications of the audit as messages."""

from __future__ import annotations

from collections.abc import Sequence

from vestibule.v1 import admin_pb2

from server.access.audit_check import AuditReport
from server.ledger.audit import AuditFilter, AuditRow
from server.rpc import convert


def audit_report(report: AuditReport) -> admin_pb2.VerifyAuditResponse:
    """What a verification found, as a message."""
    return admin_pb2.VerifyAuditResponse(
        intact=report.intact,
        row_count=report.rows,
        last_number=report.end.number,
        last_hash=report.end.hash,
        faults=[admin_pb2.AuditFault(number=f.number, kind=f.kind, message=f.message) for f in report.faults],
        fault_count=report.fault_count,
        recorded_breaks=report.recorded_breaks,
    )


def audit_filter(request: admin_pb2.ListAuditEntriesRequest, client_id: str) -> AuditFilter:
    """Which rows a request asks for, of one client only if it is given."""
    since = convert.moment(request.start_time) if request.HasField("start_time") else None
    return AuditFilter(since, (request.subject,) if request.subject else (), request.action, client_id)


def audit_page(rows: Sequence[AuditRow], next_token: str) -> admin_pb2.ListAuditEntriesResponse:
    """A page of rows as a message."""
    return admin_pb2.ListAuditEntriesResponse(entries=map(audit_entry, rows), next_page_token=next_token)


def audit_entry(row: AuditRow) -> admin_pb2.AuditEntry:
    """A row as a message."""
    return admin_pb2.AuditEntry(
        number=row.number,
        create_time=convert.timestamp(row.time),
        subject=row.subject,
        client_id=row.client_id,
        peer=row.peer,
        action=row.action,
        object_type=row.object_type,
        object_id=row.object_id,
        outcome=admin_pb2.AuditOutcome.Value(f"AUDIT_OUTCOME_{row.outcome.upper()}"),
        reason=row.reason,
        count=row.count,
    )
