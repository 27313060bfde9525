"""The page of one record: its fields beside what they come from, and what a person decides."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Final

from starlette.responses import RedirectResponse, Response
from vestibule.v1 import common_pb2, recommendation_pb2, session_pb2
from vestibule.v1 import review_pb2 as pb

from models.errors import InvalidInput
from models.reasons import Reason
from server.console.flow_words import flow_words
from server.console.page import texts_of
from server.console.picture_place import PicturePlace
from server.console.visit import Visit, form_of
from server.languages.texts import Texts
from server.records.decision_reasons import FIELD_REASONS, RECORD_REASONS
from server.times import shown_time

DECISIONS: Final = {
    "accept": pb.FIELD_DECISION_ACCEPTED,
    "correct": pb.FIELD_DECISION_CORRECTED,
    "reject": pb.FIELD_DECISION_REJECTED,
}
_DECIDED: Final = {recommendation_pb2.RECOMMENDATION_STATE_APPROVED, recommendation_pb2.RECOMMENDATION_STATE_REJECTED}
_HOW: Final = {"turn_id": "said", "answer_id": "given"}
_SHORT: Final = 16
DONE: Final = frozenset({"claimed", "decided", "commented", "approved_first", "nothing"})


async def show(visit: Visit) -> Response:
    """One record."""
    review = (await visit.call("ReviewService", "GetReview", pb.GetReviewRequest(recommendation_id=_id(visit)))).review
    texts, done = texts_of(visit.request), visit.request.query_params.get("done", "")
    found = review.recommendation
    judged = {field.name: field for field in found.record.fields}
    version = int(review.session.flow_version or 0)
    words = await flow_words(visit, review.session.flow, version, texts)
    photographs = await _photographs(visit, review)
    return visit.page(
        "review.html",
        review=review,
        record=found.record,
        words=words,
        hash=found.content_hash.hex(),
        missing=[words.label(name) for name in found.record.missing],
        waits=found.state == recommendation_pb2.RECOMMENDATION_STATE_PENDING,
        state=_state(found, texts),
        newer=review.newer_recommendation_id,
        fields=[
            {
                **_field(field, review.session.id, texts),
                **_confidence_shown(judged.get(field.name)),
                "photographs": photographs.get(field.name, ()),
            }
            for field in review.fields
        ],
        comments=[_comment(comment) for comment in review.comments],
        claim=_claim(review, texts),
        expires=shown_time(found.expire_time.ToDatetime()),
        proposed=shown_time(found.create_time.ToDatetime()),
        reasons=FIELD_REASONS,
        rejections=RECORD_REASONS,
        done=done if done in DONE else "",
    )


async def claim(visit: Visit) -> Response:
    """Reserve the record."""
    await visit.call("ReviewService", "ClaimReview", pb.ClaimReviewRequest(recommendation_id=_id(visit)))
    return _back(_id(visit), "claimed")


async def release(visit: Visit) -> Response:
    """Give the record back."""
    await visit.call("ReviewService", "ReleaseReview", pb.ReleaseReviewRequest(recommendation_id=_id(visit)))
    return RedirectResponse("/reviews?done=released", 303)


async def decide(visit: Visit) -> Response:
    """Accept, correct and reject fields."""
    form = await form_of(visit.request)
    choices = choices_of(form)
    if not choices:
        return _back(_id(visit), "nothing")
    request = pb.DecideFieldsRequest(recommendation_id=_id(visit), content_hash=_hash(form), choices=choices)
    reply = await visit.call("ReviewService", "DecideFields", request)
    return _back(reply.review.recommendation.id, "decided")


async def approve(visit: Visit) -> Response:
    """Approve the record that was shown."""
    form = await form_of(visit.request)
    request = recommendation_pb2.ApproveRecommendationRequest(recommendation_id=_id(visit), content_hash=_hash(form))
    reply = await visit.call("RecommendationService", "ApproveRecommendation", request)
    if reply.recommendation.state == recommendation_pb2.RECOMMENDATION_STATE_PENDING:
        return _back(_id(visit), "approved_first")
    return RedirectResponse("/reviews?done=approved", 303)


async def reject(visit: Visit) -> Response:
    """Reject the record that was shown, or send it back for another proposal."""
    form = await form_of(visit.request)
    revise = form.get("what") == "revise"
    request = recommendation_pb2.RejectRecommendationRequest(
        recommendation_id=_id(visit), content_hash=_hash(form), reason=form.get("reason", ""), revise=revise
    )
    await visit.call("RecommendationService", "RejectRecommendation", request)
    return RedirectResponse(f"/reviews?done={'revised' if revise else 'rejected'}", 303)


async def comment(visit: Visit) -> Response:
    """Write a comment."""
    text = (await form_of(visit.request)).get("text", "").strip()
    if not text:
        return _back(_id(visit), "nothing")
    request = pb.CommentReviewRequest(recommendation_id=_id(visit), text=text, comment_id=str(uuid.uuid4()))
    await visit.call("ReviewService", "CommentReview", request)
    return _back(_id(visit), "commented")


def choices_of(form: Mapping[str, str]) -> list[pb.FieldChoice]:
    """The decisions of a form: for a field NAME, ``choice.NAME``, ``value.NAME`` and ``reason.NAME``.

    A field without a choice is left as it is, whatever its value: browsers change line breaks.

    Args:
        form: As it was sent.
    """
    found = []
    for key, chosen in form.items():
        kind, _, name = key.partition(".")
        decision = DECISIONS.get(chosen)
        if kind != "choice" or decision is None:
            continue
        found.append(
            pb.FieldChoice(
                name=name,
                decision=decision,
                value=form.get(f"value.{name}", "").strip() if chosen == "correct" else "",
                reason="" if chosen == "accept" else form.get(f"reason.{name}") or "other",
            )
        )
    return found


def _state(found: recommendation_pb2.Recommendation, texts: Texts) -> str:
    """Its state, and who decided."""
    state = texts(f"review_state_{_last_word(recommendation_pb2.RecommendationState.Name(found.state))}")
    if found.state not in _DECIDED:
        return state
    who = found.decided_by or short(found.decided_subject)
    return texts("review_decided", state=state, who=who, time=shown_time(found.decide_time.ToDatetime()))


def _field(field: pb.ReviewField, session_id: str, texts: Texts) -> dict[str, object]:
    source = field.source
    file = f"/sessions/{session_id}/uploads/{source.upload_id}"
    return {
        "name": field.name,
        "value": field.value,
        "missing": field.missing,
        "removed": field.decision == pb.FIELD_DECISION_REMOVED,
        "decision": _decision(field, texts),
        "before": field.proposed_value if field.proposed_value != field.value else "",
        "text": source.text.value,
        "how": _HOW.get(source.WhichOneof("source") or "", "read"),
        "link": f"/sessions/{session_id}#source-{source.turn_id or source.upload_id}",
        "picture": _picture(file, source) if source.has_redacted_image else None,
        "recording": file if source.has_redacted_recording else "",
    }


async def _photographs(visit: Visit, review: pb.Review) -> dict[str, list[str]]:
    """Addresses of the redacted pictures that were counted for fields that no single source answers, by field."""
    fields = [one for one in review.fields if one.photograph_ids and not one.source.upload_id]
    if not fields or not visit.allowed("SessionService", "GetSession"):
        return {}
    request = session_pb2.GetSessionRequest(session_id=review.session.id)
    session = (await visit.call("SessionService", "GetSession", request)).session
    shown = {upload.id for upload in session.uploads if upload.has_redacted_image}
    return {
        one.name: [f"/sessions/{session.id}/uploads/{each}" for each in one.photograph_ids if each in shown]
        for one in fields
    }


def _confidence_shown(field: common_pb2.RecordField | None) -> dict[str, object]:
    """How sure a field is, and what was found about it: what is against its value first."""
    if field is None:
        return {"confidence": "", "findings": []}
    confidence = {
        common_pb2.FIELD_CONFIDENCE_SURE: "sure",
        common_pb2.FIELD_CONFIDENCE_UNSURE: "unsure",
    }.get(field.confidence, "")
    return {"confidence": confidence, "findings": sorted(field.findings, key=lambda found: not found.against)}


def _picture(address: str, source: pb.FieldSource) -> PicturePlace:
    box = source.box if source.HasField("box") else None
    return PicturePlace.of(address, source.picture_width, source.picture_height, box)


def _decision(field: pb.ReviewField, texts: Texts) -> str:
    if field.decision == pb.FIELD_DECISION_UNSPECIFIED:
        return ""
    word = _last_word(pb.FieldDecision.Name(field.decision))
    return texts(f"review_decision_{word}", who=field.decided_by or short(field.decided_subject))


def _comment(found: pb.ReviewComment) -> dict[str, str]:
    return {
        "text": found.text.value or found.word.replace("_", " "),
        "who": found.reviewer or short(found.subject),
        "time": shown_time(found.create_time.ToDatetime()),
    }


def _claim(review: pb.Review, texts: Texts) -> dict[str, object]:
    if not review.HasField("claim"):
        return {"text": texts("review_free"), "mine": False, "taken": False}
    held = review.claim
    until = shown_time(held.expire_time.ToDatetime())
    key = "review_mine_until" if held.mine else "review_taken_until"
    return {
        "text": texts(key, who=held.reviewer or short(held.subject), time=until),
        "mine": held.mine,
        "taken": not held.mine,
    }


def short(subject: str) -> str:
    """The beginning of a credential's id, which is enough to tell people apart."""
    return subject if len(subject) <= _SHORT else f"{subject[:_SHORT]}…"


def _last_word(name: str) -> str:
    """The last part of the name of an enum value, in small letters."""
    return name.rpartition("_")[2].lower()


def _hash(form: Mapping[str, str]) -> bytes:
    try:
        return bytes.fromhex(form.get("hash", ""))
    except ValueError:
        raise InvalidInput(
            "The form names no record.", reason=Reason.INVALID_ARGUMENT, hint="Open the record again."
        ) from None


def _id(visit: Visit) -> str:
    return str(visit.request.path_params["recommendation_id"])


def _back(recommendation_id: str, done: str) -> Response:
    return RedirectResponse(f"/reviews/{recommendation_id}?done={done}", 303)
