"""Messages of AdminService about the weights that recognise speech."""

from __future__ import annotations

from vestibule.v1 import admin_pb2

from models.text import RedactedText
from server.rpc import convert
from server.speech_models.choice import SpeechModelChoice
from server.speech_models.differences import plain
from server.speech_models.report import ComparedGroup, ModelReport, Speed
from server.speech_models.shadow import FinalsShadow, ShadowOutcome


def speech_models_message(choice: SpeechModelChoice) -> admin_pb2.SpeechModels:
    """Which weights recognise speech on this server."""
    row, problem = choice.in_use, choice.problem
    return admin_pb2.SpeechModels(
        weights=choice.weights,
        chosen=bool(row.weights),
        candidate=row.candidate,
        share=row.share,
        update_time=convert.timestamp(row.update_time) if row.update_time else None,
        problem=problem.reason if problem else "",
    )


def compare_response(found: ModelReport, shadow: FinalsShadow) -> admin_pb2.CompareSpeechModelsResponse:
    """How two weights compare."""
    return admin_pb2.CompareSpeechModelsResponse(
        speech_models=speech_models_message(shadow.choice),
        weights=found.weights,
        candidate=found.candidate,
        comparisons=[_comparison(group) for group in found.groups],
        skipped_count=shadow.skipped,
        failed_count=shadow.counts[ShadowOutcome.FAILED],
        examples=[
            admin_pb2.SpeechExample(
                turn_id=each.turn_id, text=_shown(each.text), candidate_text=_shown(each.candidate_text)
            )
            for each in found.examples
        ],
    )


def _shown(text: RedactedText | None) -> str:
    """A text of the ledger, unless the redactor does not vouch for it."""
    return plain(text.value) if text is not None and text.safe_for_llm else ""


def _comparison(group: ComparedGroup) -> admin_pb2.SpeechComparison:
    low, high = group.rate_bounds or (None, None)
    return admin_pb2.SpeechComparison(
        language=group.language,
        final_count=group.finals,
        equal_count=group.equal,
        differing_share=group.differing.mid,
        differing_share_low=group.differing.low,
        differing_share_high=group.differing.high,
        word_count=group.words,
        word_difference_count=group.word_differences,
        word_difference_rate=group.rate,
        word_difference_rate_low=low,
        word_difference_rate_high=high,
        entities_differ_count=group.entities_differ,
        audio=convert.duration(group.audio_s),
        speed=_speed(group.speed),
        candidate_speed=_speed(group.candidate_speed),
    )


def _speed(speed: Speed) -> admin_pb2.SpeechSpeed:
    median_s, high_s = speed.latency_s
    median, high = speed.factor
    return admin_pb2.SpeechSpeed(
        median_latency=convert.duration(median_s),
        p95_latency=convert.duration(high_s),
        median_factor=median,
        p95_factor=high,
    )
