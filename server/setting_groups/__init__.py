"""The groups of settings, by subject. ``server.settings`` puts them together and reads the environment."""

from __future__ import annotations

from server.setting_groups.access import ApprovalSettings, AuditSettings, AuthSettings
from server.setting_groups.alerts import AlertSettings
from server.setting_groups.breakers import BreakerSettings, BreakersSettings
from server.setting_groups.console import ConsoleSettings
from server.setting_groups.experiments import ExperimentSettings
from server.setting_groups.fields import MEBIBYTE, Address, Empty, Port, Secret, Url
from server.setting_groups.flows import FlowSettings
from server.setting_groups.funnel import FunnelReportSettings
from server.setting_groups.labels import LabelSettings
from server.setting_groups.limits import LimitSettings
from server.setting_groups.llm import LlmSettings, UpstreamSettings
from server.setting_groups.media import ClamavSettings, MediaSettings
from server.setting_groups.reports import ReportSettings
from server.setting_groups.retries import RetrySettings
from server.setting_groups.risk import RiskSettings
from server.setting_groups.sealed import SealedSettings
from server.setting_groups.stored_data import (
    DeadLetterSettings,
    EventSettings,
    JobKind,
    LedgerSettings,
    QuackSettings,
    RetentionSettings,
)
from server.setting_groups.tls import ClientSettings, TlsSettings
from server.setting_groups.traces import TraceSettings
from server.setting_groups.workers import RaySettings, RedactionSettings, SpeechSettings, VisionSettings, WorkerSettings

__all__ = [
    "MEBIBYTE",
    "Address",
    "AlertSettings",
    "ApprovalSettings",
    "AuditSettings",
    "AuthSettings",
    "BreakerSettings",
    "BreakersSettings",
    "ClamavSettings",
    "ClientSettings",
    "ConsoleSettings",
    "DeadLetterSettings",
    "Empty",
    "EventSettings",
    "ExperimentSettings",
    "FlowSettings",
    "FunnelReportSettings",
    "JobKind",
    "LabelSettings",
    "LedgerSettings",
    "LimitSettings",
    "LlmSettings",
    "MediaSettings",
    "Port",
    "QuackSettings",
    "RaySettings",
    "RedactionSettings",
    "ReportSettings",
    "RetentionSettings",
    "RetrySettings",
    "RiskSettings",
    "SealedSettings",
    "Secret",
    "SpeechSettings",
    "TlsSettings",
    "TraceSettings",
    "UpstreamSettings",
    "Url",
    "VisionSettings",
    "WorkerSettings",
]
