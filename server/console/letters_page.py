"""The pages of dead letters."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote, urlencode

from starlette.responses import RedirectResponse, Response
from vestibule.v1 import admin_pb2, session_pb2

from models.errors import NotFound
from server.console.page import texts_of
from server.console.session_history import turn_shown, turns_and_session, uploads_shown
from server.console.visit import Visit, form_of
from server.languages.formats import Formats
from server.times import shown_time

PAGE_OF_LETTERS: Final = 50
REDRIVE_S: Final = 30.0
"""Of the call that redrives many. It works for up to eight seconds, and waits for one of somebody else."""
_FILTERS: Final = ("kind", "reason")
_Which = dict[str, str]
"""Conditions, by the name of a filter; those that are empty are left out."""


async def show_all(visit: Visit) -> Response:
    """The dead letters."""
    asked, which = visit.request.query_params, _which(visit.request.query_params)
    closed = asked.get("closed") == "yes"
    request = admin_pb2.ListDeadLettersRequest(
        page_size=PAGE_OF_LETTERS,
        page_token=asked.get("page", ""),
        include_closed=closed,
        filter=_filter(which),
    )
    reply = await visit.call("AdminService", "ListDeadLetters", request)
    counts = reply.open_counts
    matching = [found for found in counts if all(getattr(found, name) == value for name, value in which.items())]
    done = asked.get("done", "")
    return visit.page(
        "letters.html",
        letters=[_shown(letter) for letter in reply.dead_letters],
        next_page=_address("/letters", which, **_closed(closed), page=reply.next_page_token)
        if reply.next_page_token
        else "",
        closed=closed,
        which=which,
        choices={name: _choices(name, counts, which) for name in _FILTERS},
        other_list=_address("/letters", which, **_closed(not closed)),
        matching=sum(found.count for found in matching),
        redrive=_address("/letters/redrive", which),
        done=done if done in {"retried", "discarded"} else "",
        redriven=_number(done),
    )


async def show_one(visit: Visit) -> Response:
    """One dead letter, and what its job works on."""
    request = admin_pb2.GetDeadLetterRequest(dead_letter_id=_id(visit))
    reply = await visit.call("AdminService", "GetDeadLetter", request)
    return visit.page("letter.html", letter=_shown(reply.dead_letter), **await _preview(visit, reply))


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


async def ask_redrive(visit: Visit) -> Response:
    """Ask whether all open letters that match are meant, and say how many they are."""
    which = _which(visit.request.query_params)
    found = await _redrive(visit, which)
    return visit.page(
        "letters_redrive.html",
        which=which,
        number=found.matched_count,
        counts=found.counts,
        operation_id=str(uuid.uuid4()),
        back=_address("/letters", which),
        redriven=_number(visit.request.query_params.get("done", "")),
    )


async def redrive(visit: Visit) -> Response:
    """Try all open letters again that match. Where some are left, the page asks about these.

    A form that is sent twice is one operation.
    """
    form = await form_of(visit.request)
    which = _which(form)
    found = await _redrive(visit, which, form.get("why", ""), form.get("operation_id", ""))
    page = "/letters/redrive" if found.remaining_count else "/letters"
    return RedirectResponse(_address(page, which, done=str(found.done_count)), 303)


async def _redrive(visit: Visit, which: _Which, why: str | None = None, operation_id: str = "") -> Any:
    """Redrive the letters that match; only count them where nothing says why."""
    request = admin_pb2.RedriveDeadLettersRequest(
        filter=_filter(which),
        reason="preview" if why is None else why,
        operation_id=str(uuid.uuid4()) if why is None else operation_id,
        dry_run=why is None,
    )
    return await visit.call("AdminService", "RedriveDeadLetters", request, deadline_s=REDRIVE_S)


async def _preview(visit: Visit, reply: admin_pb2.GetDeadLetterResponse) -> dict[str, Any]:
    """What the job works on: what was said or typed, and the file, both redacted; and the address of the record."""
    works_on, session_id = reply.references, reply.dead_letter.session_id
    turns: list[session_pb2.Turn] = []
    session: session_pb2.Session | None = None
    if session_id:
        with suppress(NotFound):  # a letter may outlive its session
            turns, session = await turns_and_session(visit, session_id)
    texts = texts_of(visit.request)
    uploads = session.uploads if session is not None else ()
    record = works_on.get("recommendation_id", "")
    return {
        "turns": [turn_shown(turn, Formats(texts.language)) for turn in turns if turn.id == works_on.get("turn_id")],
        "uploads": uploads_shown(visit, [file for file in uploads if file.id == works_on.get("upload_id")], texts),
        "record": f"/reviews/{record}" if record and visit.allowed("ReviewService", "GetReview") else "",
    }


def _id(visit: Visit) -> str:
    return str(visit.request.path_params["letter_id"])


def _which(given: Mapping[str, str]) -> _Which:
    return {name: value for name in _FILTERS if (value := given.get(name, "").strip())}


def _filter(which: _Which) -> admin_pb2.DeadLetterFilter:
    return admin_pb2.DeadLetterFilter(kind=which.get("kind", ""), reason=which.get("reason", ""))


def _choices(name: str, counts: Iterable[admin_pb2.DeadLetterCount], which: _Which) -> list[str]:
    """What a filter offers: what open letters have, and what is chosen."""
    there = {getattr(found, name) for found in counts}
    return sorted(there | {which[name]} if name in which else there)


def _closed(closed: bool) -> dict[str, str]:
    return {"closed": "yes"} if closed else {}


def _address(path: str, which: _Which, **more: str) -> str:
    query = urlencode(which | more, quote_via=quote)
    return f"{path}?{query}" if query else path


def _number(done: str) -> int | None:
    """How many letters an address says were redriven; None for something else."""
    return int(done) if done.isascii() and done.isdecimal() and len(done) < 10 else None


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
