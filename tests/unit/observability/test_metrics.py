"""What the metrics show."""

from __future__ import annotations

from server.jobs.types import JobOutcome
from server.observability.metrics import Metrics
from server.streaming.admission import Admission, AdmissionLimits
from server.streaming.load_meter import SpeechLoadMeter


def test_label_combinations_without_events_are_shown_as_zero() -> None:
    metrics = Metrics()
    metrics.show(metrics.jobs, ["reply", "read"], JobOutcome)
    metrics.show(metrics.breaker_open, ["llm_api"])
    assert len(list(JobOutcome)) > 1
    for kind in ("reply", "read"):
        for outcome in JobOutcome:
            labels = {"kind": kind, "outcome": outcome.value}
            assert metrics.registry.get_sample_value("vestibule_jobs_total", labels) == 0.0
    assert metrics.registry.get_sample_value("vestibule_breaker_open", {"breaker": "llm_api"}) == 0.0


def test_every_refusal_reason_is_shown_from_the_start() -> None:
    metrics = Metrics()
    Admission(AdmissionLimits(1, 1, 1, 1, 0.8), SpeechLoadMeter(1, lambda: 0.0), metrics)
    for reason in ("TOO_MANY_STREAMS", "TOO_MANY_CLIENT_STREAMS", "TOO_MANY_SESSION_STREAMS", "SPEECH_BUSY"):
        assert metrics.registry.get_sample_value("vestibule_refused_streams_total", {"reason": reason}) == 0.0
