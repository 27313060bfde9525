"""The part of the settings that Ray and its workers get."""

from __future__ import annotations

from dataclasses import replace

from ray_tasks.types import ClusterConfig, TraceExport, WorkerConfig
from server.preflight import checked_policies
from server.runtime.installation import load_or_create_installation_id
from server.setting_groups import WorkerSettings
from server.settings import Settings


def cluster_config(settings: Settings) -> ClusterConfig:
    """The picklable part of the settings.

    Raises:
        InvalidInput: POLICY_INVALID, with every place that is wrong; INSTALLATION_ID_INVALID.
    """
    speech = replace(
        _worker(settings.speech, settings.speech.device),
        engine=settings.speech.engine,
        weights=settings.speech.weights,
        partial_weights=settings.speech.partial_weights,
        at_once=settings.speech.at_once,
    )
    redaction = replace(
        _worker(settings.redaction, settings.redaction.device),
        engine=settings.redaction.engine,
        weights=settings.redaction.ner_weights,
    )
    return ClusterConfig(
        speech=speech,
        vision=_worker(settings.vision, settings.vision.device),
        redaction=redaction,
        weights_dir=str(settings.weights_dir),
        state_key_path=str(settings.state_key_path),
        installation=load_or_create_installation_id(settings.keys_dir),
        state_dir=str(settings.state_dir),
        address=settings.ray.address,
        shared=settings.shared_dir is not None,
        allow_no_token=settings.ray.allow_no_token,
        dashboard=settings.ray.dashboard,
        dashboard_port=settings.ray.dashboard_port,
        metrics_port=settings.ray.metrics_port,
        num_cpus=settings.ray.num_cpus,
        num_gpus=settings.ray.num_gpus,
        object_store_bytes=settings.ray.object_store_bytes,
        image_pixels=settings.limits.image_pixels,
        page_lines=settings.vision.page_lines,
        page_cpu_s=settings.vision.page_cpu_s,
        redaction_policies=checked_policies(settings.redaction.policy_file),
        retry=settings.retry.policies["interactive"],
        retry_share=settings.retry.share,
        retry_least=settings.retry.least,
        traces=trace_export(settings),
    )


def trace_export(settings: Settings) -> TraceExport:
    """Where spans go."""
    return TraceExport(settings.traces.endpoint, settings.traces.header_pairs)


def _worker(settings: WorkerSettings, device: str) -> WorkerConfig:
    return WorkerConfig(
        replicas=settings.replicas,
        most_replicas=settings.most_replicas,
        ongoing_per_replica=settings.ongoing_per_replica,
        cpus=settings.cpus,
        gpus=settings.gpus,
        threads=settings.threads,
        max_ongoing=settings.max_ongoing,
        max_queued=settings.max_queued,
        device=device,
    )
