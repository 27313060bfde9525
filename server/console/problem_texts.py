"""What a page says of an error: a text by its reason, in the language of the page.

The server's own messages are in English. They are shown for a reason that has no text here, and beside the text of a
reason whose message names what is wrong, such as the field.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from models.errors import FieldViolation, VestibuleError
from models.reason_row import Status
from models.reasons import Reason
from server.console.rule_texts import rule_in
from server.languages.texts import Texts
from server.rpc.interceptors.rules_in_words import WHOLE

_BY_TEXT: Final[Mapping[str, tuple[Reason, ...]]] = {
    # decisions about a record
    "error_claimed": (Reason.REVIEW_CLAIMED,),
    "error_changed": (Reason.CONTENT_CHANGED,),
    "error_decided": (Reason.RECOMMENDATION_DECIDED,),
    "error_expired": (Reason.RECOMMENDATION_EXPIRED,),
    "error_approved_twice": (Reason.APPROVER_REPEATED,),
    "error_own_session": (Reason.OWN_SESSION,),
    "error_state": (Reason.WRONG_STATE,),
    "error_not_found": (
        Reason.RECOMMENDATION_NOT_FOUND,
        Reason.SESSION_NOT_FOUND,
        Reason.UPLOAD_NOT_FOUND,
        Reason.PICTURE_GONE,
        Reason.FLOW_NOT_FOUND,
        Reason.NOT_FOUND,
    ),
    # corrections
    "error_value": (Reason.INVALID_RECORD,),
    "error_value_hidden": (Reason.CORRECTION_REDACTED,),
    "error_not_applicable": (Reason.FIELD_NOT_APPLICABLE,),
    "error_form": (Reason.INVALID_ARGUMENT, Reason.FIELD_NOT_IN_RECORD),
    # lists of the funnel
    "error_cause": (Reason.FUNNEL_FEATURE_UNKNOWN, Reason.FUNNEL_CONDITION_MISFIT),
    # logins
    "error_credential": (Reason.CREDENTIALS_INVALID, Reason.CREDENTIALS_MISSING),
    "error_credential_expired": (Reason.CREDENTIALS_EXPIRED,),
    "error_credential_revoked": (Reason.CREDENTIALS_REVOKED,),
    "error_scope": (Reason.SCOPE_MISSING, Reason.ALL_CLIENTS_ONLY),
    "error_login": (Reason.LOGIN_FAILED,),
    "error_issuer": (Reason.ISSUER_UNAVAILABLE,),
    "error_logins": (Reason.REFUSALS_TOO_FAST, Reason.TOO_MANY_CREDENTIAL_CHECKS),
    # sessions that are tried, and what is sent in them
    "error_fact": (Reason.FACT_INVALID,),
    "error_session_ended": (Reason.SESSION_ENDED,),
    "error_no_material": (Reason.NO_MATERIAL,),
    "error_unchanged": (Reason.PROPOSAL_UNCHANGED,),
    "error_no_speech": (Reason.NO_SPEECH,),
    "error_no_file": (Reason.UPLOAD_EMPTY, Reason.EMPTY_FILE),
    "error_file_large": (
        Reason.UPLOAD_TOO_LARGE,
        Reason.IMAGE_TOO_LARGE,
        Reason.AUDIO_TOO_LARGE,
        Reason.AUDIO_TOO_LONG,
        Reason.DECOMPRESSION_BOMB,
        Reason.TOO_LARGE,
    ),
    "error_file_format": (Reason.UNSUPPORTED_MEDIA,),
    "error_file_kind": (Reason.MEDIA_TYPE_MISMATCH,),
    "error_file_broken": (
        Reason.BAD_MEDIA,
        Reason.BROKEN_MEDIA,
        Reason.MEDIA_NOT_DECODABLE,
        Reason.TRAILING_DATA,
    ),
    "error_file_unsafe": (Reason.ACTIVE_CONTENT, Reason.FOREIGN_CONTENT, Reason.MEDIA_TOO_COMPLEX),
    "error_file_locked": (Reason.ENCRYPTED_DOCUMENT,),
    "error_file_pages": (Reason.TOO_MANY_PAGES,),
    "error_malware": (Reason.MALWARE_FOUND,),
    "error_scan": (Reason.SCAN_FAILED, Reason.SCAN_INCOMPLETE, Reason.SCANNER_UNREACHABLE),
    "error_quota": (Reason.UPLOAD_QUOTA,),
    # the server
    "error_busy": (
        Reason.CALLS_TOO_FAST,
        Reason.DECODERS_BUSY,
        Reason.JOBS_FULL,
        Reason.LEDGER_BUSY,
        Reason.OVERLOADED,
        Reason.SCANNER_BUSY,
        Reason.SESSION_JOBS_FULL,
        Reason.SPEECH_BUSY,
        Reason.TOO_MANY_CALLS,
        Reason.TOO_MANY_CLIENT_CALLS,
        Reason.TOO_MANY_CLIENT_STREAMS,
        Reason.TOO_MANY_SESSION_STREAMS,
        Reason.TOO_MANY_STREAMS,
        Reason.UPLOADS_FULL,
    ),
    "error_full": (Reason.LEDGER_FULL, Reason.SPOOL_FULL),
    "error_away": (
        Reason.BREAKER_OPEN,
        Reason.CLUSTER_LOST,
        Reason.CLUSTER_UNAVAILABLE,
        Reason.DECODER_UNAVAILABLE,
        Reason.REDACTION_FAILED,
        Reason.SHUTTING_DOWN,
        Reason.UNAVAILABLE,
        Reason.WORKERS_NOT_READY,
        Reason.WORKER_LOST,
    ),
    "error_late": (Reason.DEADLINE_EXCEEDED,),
    "problem_internal": (Reason.INTERNAL,),
}
TEXT_OF_REASON: Final[Mapping[str, str]] = {reason: text for text, reasons in _BY_TEXT.items() for reason in reasons}
"""The key of a text, by the reason that it stands for."""

_MESSAGE_SAYS_MORE: Final = frozenset(
    {
        Reason.ALL_CLIENTS_ONLY,
        Reason.CORRECTION_REDACTED,
        Reason.FACT_INVALID,
        Reason.FIELD_NOT_APPLICABLE,
        Reason.FIELD_NOT_IN_RECORD,
        Reason.INTERNAL,
        Reason.INVALID_ARGUMENT,
        Reason.INVALID_RECORD,
        Reason.LOGIN_FAILED,
        Reason.NOT_FOUND,
        Reason.OVERLOADED,
        Reason.SCOPE_MISSING,
        Reason.UNAVAILABLE,
        Reason.WRONG_STATE,
    }
)
"""Reasons whose messages name what is wrong: the field and what would fit it, the scope, or the part of the server."""
_PASSES: Final = frozenset({Status.RESOURCE_EXHAUSTED, Status.UNAVAILABLE, Status.DEADLINE_EXCEEDED})


@dataclass(frozen=True, slots=True)
class Told:
    """What a page says of an error.

    Attributes:
        message: What is wrong, and mostly what to do.
        detail: What else the server says; may be empty.
        own: Whether the message is a text of the page, in its language; else it is the server's, in English.
        own_detail: The same of the detail.
    """

    message: str
    detail: str = ""
    own: bool = True
    own_detail: bool = False


def told_of(error: VestibuleError, texts: Texts, *, of_form: bool = True) -> Told:
    """What a page says of an error.

    Args:
        error: What was raised.
        texts: In the language of the page.
        of_form: Whether a form was sent; else an address was opened.
    """
    own = text_of(error.reason, texts)
    if own is None:
        return Told(error.message, error.hint, own=False)
    if not of_form and TEXT_OF_REASON[error.reason] == "error_form":
        own = texts("error_address")
    if error.reason.status in _PASSES:
        wait_s = error.retry_after_s
        again = texts("error_again") if wait_s is None else texts("error_again_in", seconds=max(1, math.ceil(wait_s)))
        own = f"{own} {again}"
    rules = [rule_in(found, texts) for found in error.violations]
    if error.reason == Reason.INVALID_ARGUMENT and rules and None not in rules:
        return Told(own, " ".join(filter(None, rules)), own_detail=True)
    return Told(own, _detail(error) if error.reason in _MESSAGE_SAYS_MORE else "")


def told_of_notice(reason: str, message: str, texts: Texts) -> Told:
    """What a page says of a notice of the server.

    Args:
        reason: Its stable reason.
        message: What the server says, in English.
        texts: In the language of the page.
    """
    own = text_of(reason, texts)
    return Told(message, own=False) if own is None else Told(own)


def text_of(reason: str, texts: Texts) -> str | None:
    """The text of a reason; None for one that has none."""
    key = TEXT_OF_REASON.get(reason)
    return None if key is None else texts(key)


def _detail(error: VestibuleError) -> str:
    """What the server says, each thing once: its message, the rules that were broken, and what to do."""
    found = [(one, one.description.rstrip(".")) for one in error.violations]
    rules = [_rule(one) for one, description in found if description not in error.message]
    hint = "" if error.hint == error.default_hint else error.hint  # that of a class is for programmers
    if any(description in hint for _, description in found):
        hint = ""  # it repeats a rule
    fields_only = bool(rules) and all(one.field in error.message and one.field in _rule(one) for one, _ in found)
    return " ".join(filter(None, ["" if fields_only else error.message, *rules, hint]))


def _rule(found: FieldViolation) -> str:
    """A broken rule as a sentence. One that is no sentence, such as "must be a UUID", follows the name of its field."""
    description = found.description.rstrip(".")
    subject = "The request" if found.field == WHOLE else found.field
    return f"{description}." if description[:1].isupper() else f"{subject} {description}."
