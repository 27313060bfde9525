"""Every event that the server itself records in a session, with its properties.

``docs/reference/events.md`` is written from this table, and a test compares it with all calls of ``make_event``. Events
of apps are their own; those of the server and its upstreams that belong to no session are in ``v_server_events``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Kind = Literal["number", "word", "boolean"]
"""How a value is stored: a number or a boolean of JSON, or a word that the server chose."""


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """An event.

    Attributes:
        meaning: When it is recorded.
        took: What ``took_s`` measures; empty where it is null.
        properties: Name, kind, and what it says. One that is not known is left out.
    """

    meaning: str
    took: str = ""
    properties: Mapping[str, tuple[Kind, str]] = field(default_factory=dict)


REDACTED_PREFIX: Final = "redacted_"

_COUNTS: Mapping[str, tuple[Kind, str]] = {
    "entities": ("number", "Entities that were redacted, all kinds together."),
    f"{REDACTED_PREFIX}*": ("number", "The same for each kind that was found, for example redacted_phone."),
}
_SEALED: tuple[Kind, str] = ("number", "Values that were sealed for another system; left out for none.")
_REASON: tuple[Kind, str] = ("word", "Stable reason, in lower case.")
_REFUSAL: Mapping[str, tuple[Kind, str]] = {
    "reason": _REASON,
    "left_out": (
        "number",
        "Refusals of the client before this one, under the same name, that became no events. Of each client and name, "
        "20 refusals become events within five minutes. Of further ones, the last becomes an event when the five "
        "minutes are over, or when the server stops.",
    ),
}
_ORIGIN: tuple[Kind, str] = ("word", "MODEL or FALLBACK.")
_UPLOAD_KIND: tuple[Kind, str] = ("word", "What the app says that the file shows or carries; unspecified for nothing.")
_JOB: tuple[Kind, str] = ("word", "Kind of the job, for example read_picture.")

STEP_PREFIX: Final = "step_"
_FIELD: tuple[Kind, str] = ("word", "Name of the field.")
_STEP: tuple[Kind, str] = ("word", "Name of its step.")
_OF_FIELD: Mapping[str, tuple[Kind, str]] = {
    "field": _FIELD,
    "step": _STEP,
    "way": (
        "word",
        "speech, text, picture, app for a value that the app gave, or review for what a reviewer did.",
    ),
}

EVENTS: Final[Mapping[str, RecordedEvent]] = {
    "stage_entered": RecordedEvent(
        "The session entered the stage in the column stage. ABANDONED with the reason idle ends one without activity.",
        "Time in the stage before.",
        {"reason": ("word", "Why, where the stage does not say it: idle, new_material, or what a client gave.")},
    ),
    "stream_opened": RecordedEvent(
        "A conversation stream was opened.",
        properties={
            "encoding": ("word", "Encoding of the audio; UNSPECIFIED for typed text alone."),
            "language": ("word", "Language that was asked for; detected for none."),
        },
    ),
    "stream_resumed": RecordedEvent(
        "A stream whose connection was lost was resumed.", "Time since the connection was lost."
    ),
    "stream_refused": RecordedEvent("A stream could not be opened or resumed.", properties=_REFUSAL),
    "events_refused": RecordedEvent(
        "Events of the app were refused for the first time in this session, because it had too many.",
        properties=_REFUSAL,
    ),
    "stream_broken_off": RecordedEvent(
        "The server ended an open stream early, for example because a breaker opened or nothing came from the client.",
        properties=_REFUSAL,
    ),
    "turn_finished": RecordedEvent(
        "An utterance or a typed text is stored, redacted.",
        "Work that recognizing it took.",
        {
            "source": ("word", "typed or speech."),
            "confidence_percent": ("number", "Confidence of the recognizer; 100 for typed text."),
            "language": ("word", "Language that was recognized; unknown for none."),
            "spoken_ms": ("number", "Length of the utterance."),
            "delay_ms": ("number", "From the end of the utterance to its stored text; left out for typed text."),
            "sealed": _SEALED,
            **_COUNTS,
        },
    ),
    f"{STEP_PREFIX}*": RecordedEvent(
        "The person came to a step of the flow for the first time, for example step_meter. The steps of a flow are the "
        "stages of its funnel."
    ),
    "field_answered": RecordedEvent("A field of the flow has its first value.", properties=_OF_FIELD),
    "field_corrected": RecordedEvent("A field of the flow that had a value got another one.", properties=_OF_FIELD),
    "field_reopened": RecordedEvent(
        "A field of the flow is asked again: the person went back, what they said was no answer, or a reviewer took "
        "its value out.",
        properties=_OF_FIELD,
    ),
    "step_skipped": RecordedEvent(
        "A field of the flow was skipped, with its step or because it is not required.", properties=_OF_FIELD
    ),
    "disagreement_asked": RecordedEvent(
        "The person was asked whether what was said or what a picture shows is right.",
        properties={"field": _FIELD, "step": _STEP},
    ),
    "no_speech": RecordedEvent(
        "Nothing was understood in an utterance.",
        properties={
            "utterance": ("number", "Number within the stream, from 0."),
            "spoken_ms": ("number", "Length of the utterance."),
        },
    ),
    "replied": RecordedEvent(
        "The assistant replied within a stream.",
        "Time since the turn that it answers.",
        {"origin": _ORIGIN, "reason": ("word", "Stable reason why the reply broke off; left out for a whole one.")},
    ),
    "reply_interrupted": RecordedEvent(
        "The person went on before the reply was over, so it stopped.",
        "Time since the turn that it answers.",
        {
            "origin": ("word", "MODEL or FALLBACK; left out when nothing was sent."),
            "by": ("word", "typed or speech."),
            "sent_sentences": ("number", "Sentences that were sent before."),
            "sent_characters": ("number", "Characters of them."),
        },
    ),
    "replied_late": RecordedEvent(
        "A reply that a job made is stored.", "Time since the turn that it answers.", {"origin": _ORIGIN}
    ),
    "upload_accepted": RecordedEvent(
        "A file passed all checks and waits to be read.",
        properties={
            "kind": _UPLOAD_KIND,
            "media_type": ("word", "Detected media type."),
            "size_bytes": ("number", "Size of the file."),
        },
    ),
    "upload_refused": RecordedEvent(
        "A file was refused.",
        properties={
            "kind": _UPLOAD_KIND,
            "media_type": ("word", "Detected media type; unknown for none."),
            "size_bytes": ("number", "Size that the app gave."),
            **_REFUSAL,
        },
    ),
    "upload_not_scanned": RecordedEvent(
        "A file was accepted without the optional malware scan.", properties={"kind": _UPLOAD_KIND}
    ),
    "upload_read": RecordedEvent(
        "A file was read.",
        "Time since it was accepted.",
        {
            "kind": _UPLOAD_KIND,
            "compute_ms": ("number", "Work that reading it took."),
            "sealed": _SEALED,
            **_COUNTS,
        },
    ),
    "picture_labelled": RecordedEvent(
        "The vision upstream said what a picture shows.",
        "Time since the picture was accepted.",
        {
            "kind": _UPLOAD_KIND,
            "labels": ("number", "Labels that are stored."),
            "entities": ("number", "Entities that were redacted in them."),
        },
    ),
    "upload_failed": RecordedEvent("A file could not be read.", properties={"reason": _REASON}),
    "job_retried": RecordedEvent(
        "An attempt at a job failed, and another one follows.",
        properties={
            "job": _JOB,
            "reason": _REASON,
            "attempt": ("number", "Number of the attempt that failed, from 1."),
            "retry_in_s": ("number", "Until the next one."),
        },
    ),
    "job_failed": RecordedEvent(
        "A job failed for good and has a dead letter.",
        properties={
            "job": _JOB,
            "reason": _REASON,
            "attempts": ("number", "Attempts that were made."),
            "exhausted": ("boolean", "Whether all attempts were used; false where no attempt could help."),
        },
    ),
    "job_redriven": RecordedEvent("The job of a dead letter is tried again.", properties={"job": _JOB}),
    "job_discarded": RecordedEvent("A dead letter was discarded.", properties={"job": _JOB}),
    "record_proposed": RecordedEvent("A record waits for approval.", properties={"origin": _ORIGIN}),
    "proposal_unchanged": RecordedEvent(
        "A record was asked for after one was sent back, and what was written was that one again; it was not proposed.",
        properties={"origin": _ORIGIN},
    ),
    "record_decided": RecordedEvent(
        "A person approved or rejected a record, or its flow needed nobody to approve it.",
        "Time since it was proposed.",
        {
            "decision": ("word", "approved or rejected."),
            "origin": _ORIGIN,
            "reason": (
                "word",
                "Why, as a machine word; approved_by_policy where nobody had to approve; left out for none.",
            ),
        },
    ),
    "review_claimed": RecordedEvent(
        "A reviewer claimed a record, so that nobody else decides it meanwhile.",
        "Time since the session waits for a decision.",
    ),
    "field_decided": RecordedEvent(
        "A reviewer accepted, corrected or rejected a field of a record, or removed it by deciding about another one.",
        "Time since the record was proposed, or last changed by a reviewer.",
        {
            "field": ("word", "Name of the field; other for one that is not declared."),
            "decision": ("word", "accepted, corrected, rejected or removed."),
            "origin": _ORIGIN,
            "reason": ("word", "Why, as a machine word; left out for one that was accepted or removed."),
        },
    ),
    "record_approved_in_part": RecordedEvent(
        "A person approved a record that needs more approvals.",
        "Time since it was proposed.",
        {
            "approvals": ("number", "Approvals that it has now."),
            "needed": ("number", "Approvals that it needs."),
        },
    ),
    "second_review": RecordedEvent(
        "A person decided about a record that another credential had approved.",
        "Time since it was proposed.",
        {"outcome": ("word", "agreed, changed (a field was corrected or rejected), or rejected.")},
    ),
    "decision_refused": RecordedEvent(
        "A decision about a record was refused, for example because the record had changed meanwhile.",
        properties=_REFUSAL,
    ),
    "sealed_values_released": RecordedEvent(
        "Sealed values were released to the system that they are for.",
        properties={
            "values": ("number", "Values that were released."),
            "fields": ("number", "Fields of the record that they belong to."),
        },
    ),
    "redacted_again": RecordedEvent(
        "Texts of the session were redacted again with newer rules.",
        properties={"texts": ("number", "Texts that changed."), "entities": ("number", "Entities that were found.")},
    ),
}
