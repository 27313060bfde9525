"""Prometheus metrics. Labels come from fixed vocabularies, never from input."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from server.observability.standard_error import lost_lines

_LATENCY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_WAIT_BUCKETS_S = (10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 28_800.0, 86_400.0)


def mirror_lag(into: CollectorRegistry) -> Gauge:
    """The one metric that a mirror of its own has, too."""
    return Gauge(
        "vestibule_mirror_lag_seconds",
        "Age of the state of PostgreSQL that analysts and reports see; 0 with the embedded ledger.",
        registry=into,
    )


class Metrics:
    """All metrics of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        into = self.registry
        self.rpcs = Counter("vestibule_rpcs", "RPCs by method and status code.", ["method", "code"], registry=into)
        self.rpc_seconds = Histogram(
            "vestibule_rpc_seconds", "Duration of RPCs.", ["method"], buckets=_LATENCY_BUCKETS_S, registry=into
        )
        self.rpc_errors = Counter(
            "vestibule_rpc_errors",
            "RPCs that ended with an error, by method and reason.",
            ["method", "reason"],
            registry=into,
        )
        self.streams = Gauge("vestibule_open_streams", "Open conversation streams.", registry=into)
        self.refused_streams = Counter(
            "vestibule_refused_streams", "Streams that were refused, by reason.", ["reason"], registry=into
        )
        self.refused_calls = Counter(
            "vestibule_refused_calls",
            "Calls that were refused for their credential, its scopes or a bound on calls, by reason.",
            ["reason"],
            registry=into,
        )
        self.floods = Counter(
            "vestibule_floods",
            "Network addresses that were refused for a while because they sent too much that belongs to no call.",
            registry=into,
        )
        self.unfitting_events = Counter(
            "vestibule_unfitting_events",
            "Events of apps that do not fit what their client has declared, by whether they were stored or refused, "
            "and those that were refused because their session had too many (session_full).",
            ["outcome"],
            registry=into,
        )
        self.show(self.unfitting_events, ("stored", "refused", "session_full"))
        self.speech_factor = Gauge(
            "vestibule_speech_real_time_factor",
            "Seconds of a speech worker that one second of streamed audio takes.",
            registry=into,
        )
        self.speech_load = Gauge(
            "vestibule_speech_load", "Share of the speech workers that the open streams need.", registry=into
        )
        self.final_seconds = Histogram(
            "vestibule_final_seconds",
            "From the end of an utterance to its redacted text.",
            buckets=_LATENCY_BUCKETS_S,
            registry=into,
        )
        self.shadow_finals = Counter(
            "vestibule_shadow_finals",
            "Finals that a candidate for the recognition of speech was to get as well, by what came of it: compared, "
            "skipped_waiting (it had one already), skipped_busy (the workers had no room for another stream), failed, "
            "or erased (their session was, meanwhile).",
            ["outcome"],
            registry=into,
        )
        self.jobs = Counter(
            "vestibule_jobs", "Attempts at jobs by kind and outcome.", ["kind", "outcome"], registry=into
        )
        self.waiting_jobs = Gauge(
            "vestibule_waiting_jobs",
            "Jobs that wait for their first or next attempt, by kind, counted each 30 s.",
            ["kind"],
            registry=into,
        )
        self.waiting_job_seconds = Gauge(
            "vestibule_waiting_job_seconds",
            "Age of the oldest of these jobs, by kind; 0 without one.",
            ["kind"],
            registry=into,
        )
        self.dead_letters = Counter(
            "vestibule_dead_letters", "Jobs that became dead letters, by kind.", ["kind"], registry=into
        )
        self.critical_letters = Counter(
            "vestibule_critical_dead_letters", "Dead letters of critical kinds, by kind.", ["kind"], registry=into
        )
        self.alerts = Counter(
            "vestibule_alerts",
            "Alerts about critical dead letters, by channel and whether they were sent.",
            ["channel", "outcome"],
            registry=into,
        )
        self.reports = Counter(
            "vestibule_reports",
            "Attempts to send a weekly report, by channel and whether it was sent, will be retried or has failed.",
            ["channel", "outcome"],
            registry=into,
        )
        self.report_failed = Gauge(
            "vestibule_report_failed",
            "1 while the newest weekly report of a channel could not be sent.",
            ["channel"],
            registry=into,
        )
        self.dropped_letters = Counter(
            "vestibule_dropped_dead_letters",
            "Open dead letters that were deleted because there were too many, by kind.",
            ["kind"],
            registry=into,
        )
        self.retry_policy = Gauge(
            "vestibule_retry_policy",
            "Bounds of the retry policies, as the settings give them: attempts, and seconds.",
            ["policy", "bound"],
            registry=into,
        )
        self.job_seconds = Histogram(
            "vestibule_job_seconds",
            "Duration of attempts at jobs.",
            ["kind"],
            buckets=_LATENCY_BUCKETS_S,
            registry=into,
        )
        self.refused_uploads = Counter(
            "vestibule_refused_uploads", "Uploads that were refused or failed, by reason.", ["reason"], registry=into
        )
        self.scans = Counter(
            "vestibule_scans", "Uploads by what the malware scanner said of them.", ["outcome"], registry=into
        )
        self.scan_seconds = Histogram(
            "vestibule_scan_seconds", "Duration of malware scans.", buckets=_LATENCY_BUCKETS_S, registry=into
        )
        self.decoder_deaths = Counter(
            "vestibule_media_decoder_deaths",
            "Processes that a file or a stream of a client made fail or use too much; only that input was refused.",
            registry=into,
        )
        self.cluster_up = Gauge(
            "vestibule_cluster_up", "1 while the Ray cluster is up and its workers take calls.", registry=into
        )
        self.cluster_losses = Counter("vestibule_cluster_losses", "How often the Ray cluster was lost.", registry=into)
        self.cluster_restarts = Counter(
            "vestibule_cluster_restarts", "How often the Ray cluster came up again after it was lost.", registry=into
        )
        self.cluster_down_seconds = Gauge(
            "vestibule_cluster_down_seconds", "Seconds since the Ray cluster was lost; 0 while it is up.", registry=into
        )
        self.worker_ends = Counter(
            "vestibule_worker_ends",
            "Processes of workers that ended while the cluster was up, by kind and reason. Serve starts another one.",
            ["kind", "reason"],
            registry=into,
        )
        self.entities = Counter("vestibule_redacted_entities", "Entities that were redacted.", ["type"], registry=into)
        self.breaker_open = Gauge(
            "vestibule_breaker_open", "1 while the breaker is not closed.", ["breaker"], registry=into
        )
        self.breaker_changes = Counter(
            "vestibule_breaker_changes",
            "Changes of state of a breaker, by the new state.",
            ["breaker", "state"],
            registry=into,
        )
        self.paused_clients = Gauge(
            "vestibule_paused_clients",
            "Clients whose calls to a kind of worker are paused, since they may be what makes it fail.",
            ["breaker"],
            registry=into,
        )
        self.certificate_days = Gauge(
            "vestibule_tls_certificate_days",
            "Whole days until the certificate of the port (server), that of the console, or the last client CA "
            "(client_ca) expires.",
            ["certificate"],
            registry=into,
        )
        self.disk_free_bytes = Gauge(
            "vestibule_disk_free_bytes",
            "Free bytes of the disks of the ledger and of the spool.",
            ["disk"],
            registry=into,
        )
        self.ledger_commit_seconds = Histogram(
            "vestibule_ledger_commit_seconds",
            "From the start of a transaction of the ledger, which may hold many writes, to its end on the disk.",
            buckets=_LATENCY_BUCKETS_S,
            registry=into,
        )
        self.ledger_writable = Gauge(
            "vestibule_ledger_writable", "0 while the disk refuses what the ledger commits, else 1.", registry=into
        )
        self.mirror_lag_seconds = mirror_lag(into)
        self.lost_log_lines = Gauge(
            "vestibule_lost_log_lines",
            "Lines of the log since the start that could not be written: a full disk, or a pipe that nobody reads.",
            registry=into,
        )
        self.lost_log_lines.set_function(lost_lines)
        self._add_records(into)

    def _add_records(self, into: CollectorRegistry) -> None:
        self.sealed_releases = Counter(
            "vestibule_sealed_releases",
            "Requests for sealed values by outcome: released, repeated for a lost answer, or refused.",
            ["outcome"],
            registry=into,
        )
        self.show(self.sealed_releases, ("released", "repeated", "refused"))
        self.waiting_records = Gauge(
            "vestibule_waiting_records",
            "Proposed records that wait for a decision and have not expired, counted each 30 s.",
            registry=into,
        )
        self.decisions = Counter(
            "vestibule_decisions", "Decisions about proposed records.", ["decision"], registry=into
        )
        self.show(self.decisions, ("approved", "rejected"))
        self.decision_seconds = Histogram(
            "vestibule_decision_seconds",
            "How long sessions waited for the decision about their record.",
            buckets=_WAIT_BUCKETS_S,
            registry=into,
        )
        self.field_decisions = Counter(
            "vestibule_field_decisions",
            "Decisions of reviewers about fields of records, by field; other for names that the prompt does not have.",
            ["field", "decision"],
            registry=into,
        )
        self.second_reviews = Counter(
            "vestibule_second_reviews",
            "Decisions about records that another credential had approved: agreed, changed (a field) or rejected.",
            ["outcome"],
            registry=into,
        )
        self.show(self.second_reviews, ("agreed", "changed", "rejected"))
        self.replies = Counter("vestibule_replies", "Replies and records by origin.", ["kind", "origin"], registry=into)

    @staticmethod
    def show(metric: Counter | Gauge | Histogram, *labels: Iterable[str]) -> None:
        """Show 0 for each combination of label values, so that the first event is seen as an increase.

        Args:
            metric: One of the metrics of this object.
            labels: The values of each label, in the order of the labels.
        """
        for values in product(*labels):
            metric.labels(*values)
