"""The pages of dead letters."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response
from vestibule.v1 import admin_pb2

from server.console.visit import Visit, form_of
from server.times import shown_time

PAGE_OF_LETTERS: Final = 50


async def show_all(visit: Visit) -> Response:
    """The dead letters."""
    asked = visit.request.query_params
    closed = asked.get("closed") == "yes"
    request = admin_pb2.ListDeadLettersRequest(
        page_size=PAGE_OF_LETTERS, page_token=asked.get("page", ""), include_closed=closed
    )
    reply = await visit.call("AdminService", "ListDeadLetters", request)
    done = asked.get("done", "")
    return visit.page(
        "letters.html",
        letters=[_shown(letter) for letter in reply.dead_letters],
        next_page=quote(reply.next_page_token),
        closed=closed,
        done=done if done in {"retried", "discarded"} else "",
    )


async def show_one(visit: Visit) -> Response:
    """One dead letter."""
    request = admin_pb2.GetDeadLetterRequest(dead_letter_id=_id(visit))
    reply = await visit.call("AdminService", "GetDeadLetter", request)
    return visit.page("letter.html", letter=_shown(reply.dead_letter))


async def retry(visit: Visit) -> Response:
    """Try a dead letter again."""
    request = admin_pb2.RetryDeadLetterRequest(dead_letter_id=_id(visit))
    await visit.call("AdminService", "RetryDeadLetter", request)
    return RedirectResponse("/letters?done=retried", 303)


async def discard(visit: Visit) -> Response:
    """Close a dead letter without another try."""
    reason = (await form_of(visit.request)).get("reason", "")
    request = admin_pb2.DiscardDeadLetterRequest(dead_letter_id=_id(visit), reason=reason)
    await visit.call("AdminService", "DiscardDeadLetter", request)
    return RedirectResponse("/letters?done=discarded", 303)


def _id(visit: Visit) -> str:
    return str(visit.request.path_params["letter_id"])


def _shown(letter: admin_pb2.DeadLetter) -> dict[str, object]:
    return {
        "id": letter.id,
        "kind": letter.kind,
        "reason": letter.reason,
        "message": letter.message,
        "attempts": letter.attempts,
        "policy": letter.policy,
        "session": letter.session_id,
        "build": letter.build,
        "correlation": letter.correlation_id,
        "time": shown_time(letter.create_time.ToDatetime()),
        "open": letter.open,
        "closed_as": letter.closed_as,
    }
