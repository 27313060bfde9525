"""The names of all spans but those of RPCs, which have the full name of their method."""

from __future__ import annotations

from enum import StrEnum


class SpanName(StrEnum):
    """What a span is about. docs/operating/traces.md explains each."""

    STREAM = "stream"
    UTTERANCE = "utterance"
    REPLY = "reply"
    CHAT = "chat"

    UPLOAD = "upload"
    UPLOAD_CHECK = "upload.check"
    UPLOAD_SCAN = "upload.scan"
    UPLOAD_ENCODE = "upload.encode_anew"
    JOB = "job"

    WORKER_CALL = "worker.call"
    SPEECH_STEP = "speech.step"
    SPEECH_RECORDING = "speech.recording"
    SPEECH_RECOGNITION = "speech.recognition"
    PICTURE = "vision.picture"
    PICTURE_READING = "vision.read"
    PICTURE_MASKING = "vision.redact_and_mask"
    REDACTION = "redaction"

    NORMALIZE = "redaction.normalize"
    DETECT = "redaction.detect"
    TAG_SLOTS = "redaction.tag_slots"
    LEAVE_KNOWN_WORDS = "redaction.leave_known_words"
    PROPAGATE_MENTIONS = "redaction.propagate_mentions"
    DROP_EXPLAINED = "redaction.drop_explained"
    FILL_ANNOUNCED = "redaction.fill_announced"
    LEAVE_CODES = "redaction.leave_codes"
    DROP_ALLOWED = "redaction.drop_allowed"
    EXPAND = "redaction.expand"
    HEED_ALTERNATIVES = "redaction.heed_alternatives"
    ADD_DOUBTED_WORDS = "redaction.add_doubted_words"
    LEAVE_COMMANDS = "redaction.leave_commands"
    APPLY_POLICY_AND_MERGE = "redaction.apply_policy_and_merge"
    ADD_OWN_VALUES = "redaction.add_own_values"
    ANONYMIZE = "redaction.anonymize"
    CHECK_SAFETY = "redaction.check_safety"
    FIND_UNSETTLED = "redaction.find_unsettled"
    LOCATE_IN_RAW = "redaction.locate_in_raw"

    @classmethod
    def of_stage(cls, stage: object) -> SpanName:
        """The name for a stage of the redaction, a function."""
        return cls(f"redaction.{getattr(stage, '__name__', '')}")
