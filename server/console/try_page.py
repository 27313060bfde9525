"""The page on which a newcomer talks, types and sends pictures from the browser, through the services of apps."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Final

from google.protobuf.duration_pb2 import Duration
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from vestibule.v1 import conversation_pb2 as pb
from vestibule.v1 import flow_pb2, media_pb2, session_pb2

from models.errors import InvalidInput
from models.reasons import Reason
from server.console.live_page import changes as session_changes
from server.console.live_page import conversation_of
from server.console.multipart import FormPart, form_parts
from server.console.page import texts_of
from server.console.problem_page import is_script
from server.console.problem_texts import told_of_notice
from server.console.talks import Talk, Talks
from server.console.try_facts import FactInput, fact_inputs, facts_in, refused_fact, told_of_start
from server.console.visit import Visit, body_of, form_of
from server.times import zone_named

LARGEST_AUDIO: Final = 64 * 1024
"""Bytes of a piece of audio, as ``AudioChunk`` takes them."""
OVERHEAD: Final = 16 * 1024
"""Bytes of a form with a file, beside the file."""
_FILES_AT_ONCE: Final = 2
"""Files that are in memory at a time."""
_UPLOAD_S: Final = 60.0
_PIECE: Final = 128 * 1024
_PATIENCE_S: Final = 10.0
"""How long a form without scripts waits for the answer; a later one is there when the page is loaded again."""
_RECORD_S: Final = 60.0
"""The same for a record."""
_WAIT_FOR_UPLOADS_S: Final = 30
KINDS: Final = ("meter", "visitor_register", "document", "site", "recording", "unspecified")
_DEVICES: Final = {"permissions-policy": "camera=(self), microphone=(self), geolocation=()"}


class TryPages:
    """The page, and what its forms and its script send.

    Args:
        upload_bytes: Largest file.
    """

    def __init__(self, upload_bytes: int) -> None:
        self.upload_bytes = upload_bytes
        self._talks = Talks()
        self._files = asyncio.Semaphore(_FILES_AT_ONCE)

    async def show_start(self, visit: Visit) -> Response:
        """The form that opens a session."""
        if _is_local(visit):
            return await self._start_form(visit, {})
        host, _, port = visit.request.headers.get("host", "").partition(":")
        return visit.page("try.html", local=False, host=host, port=port or "8090")

    async def start(self, visit: Visit) -> Response:
        """Open a session."""
        _require_local(visit)
        form = await form_of(visit.request)
        flow = form.get("flow", "")
        request = session_pb2.StartSessionRequest(
            request_id=str(uuid.uuid4()),
            language=form.get("language", ""),
            flow=flow,
            facts=facts_in(form, flow),
            time_zone=_known_zone(form.get("time_zone", "")),
        )
        try:
            reply = await visit.call("SessionService", "StartSession", request)
        except InvalidInput as error:
            return await self._start_form(visit, form, error)
        return RedirectResponse(f"/try/{reply.session.id}", 303)

    async def _start_form(self, visit: Visit, form: Mapping[str, str], error: InvalidInput | None = None) -> Response:
        """The form, with what was sent before and why that was refused."""
        texts = texts_of(visit.request)
        listed = await visit.call("FlowService", "ListFlows", flow_pb2.ListFlowsRequest(language=texts.language))
        chosen = form.get("flow") or next((flow.name for flow in listed.flows if flow.default), "")
        wrong = refused_fact(error) if error else ""
        facts: dict[str, list[FactInput]] = {}
        for flow in listed.flows:
            request = flow_pb2.GetFlowRequest(name=flow.name, language=texts.language)
            whole = (await visit.call("FlowService", "GetFlow", request)).flow
            facts[flow.name] = fact_inputs(whole, form, wrong if flow.name == chosen else "")
        told = told_of_start(error, facts.get(chosen, ()), texts) if error else None
        language = form.get("language", texts.language)
        values = {"chosen": chosen, "facts": facts, "told": told, "language": language}
        return visit.page("try.html", code=400 if error else 200, local=True, flows=listed.flows, **values)

    async def show(self, visit: Visit) -> Response:
        """A session that is tried."""
        _require_local(visit)
        shown = await conversation_of(visit)
        said = self._talks.said(shown["session_id"])
        texts = texts_of(visit.request)
        notices = [told_of_notice(one.reason, one.message, texts) for one in said.notices]
        response = visit.page("try_session.html", said=said, notices=notices, kinds=KINDS, **shown)
        response.headers.update(_DEVICES)
        return response

    async def changes(self, visit: Visit) -> AsyncGenerator[object, None]:
        """Tells of each change of the session, and of what is said in it now."""
        changed = asyncio.Event()
        with self._talks.told(_session_id(visit), changed):
            watching = asyncio.create_task(_watch(visit, changed))
            try:
                while not watching.done():
                    await changed.wait()
                    changed.clear()
                    yield None
                await watching
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)

    async def audio(self, visit: Visit) -> Response:
        """A piece of audio: 16-bit mono PCM at the rate that the address has."""
        _require_local(visit)
        asked, body = visit.request.query_params, await body_of(visit.request, LARGEST_AUDIO)
        offset = _number(asked.get("offset", ""))
        talk = self._talks.find(visit.caller.subject, asked.get("talk", ""))
        if talk is None:
            talk = self._begin(visit, asked.get("talk", ""), rate_hz=_number(asked.get("rate", "")))
        for at in range(0, len(body), LARGEST_AUDIO):
            piece = pb.AudioChunk(offset=offset + at, data=body[at : at + LARGEST_AUDIO])
            await talk.send(pb.ConverseRequest(audio=piece))
        return Response(status_code=204)

    async def end_audio(self, visit: Visit) -> Response:
        """Nothing more is said."""
        _require_local(visit)
        talk = self._talks.find(visit.caller.subject, visit.request.query_params.get("talk", ""))
        if talk is not None:
            await talk.send(None)
        return Response(status_code=204)

    async def text(self, visit: Visit) -> Response:
        """A typed text."""
        _require_local(visit)
        text = pb.TypedText(text=(await form_of(visit.request)).get("text", ""), text_id=str(uuid.uuid4()))
        return await self._once(visit, pb.ConverseRequest(text=text), _PATIENCE_S)

    async def propose(self, visit: Visit) -> Response:
        """Ask for a record."""
        _require_local(visit)
        request = pb.Propose(wait_for_uploads=Duration(seconds=_WAIT_FOR_UPLOADS_S))
        return await self._once(visit, pb.ConverseRequest(propose=request), _RECORD_S)

    async def file(self, visit: Visit) -> Response:
        """A picture or a recording."""
        _require_local(visit)
        async with self._files:
            body = await body_of(visit.request, self.upload_bytes + OVERHEAD)
            parts = form_parts(body, visit.request.headers.get("content-type", ""))
            del body
            found = parts.get("file")
            if found is None or not found.content:
                raise InvalidInput("No file was chosen.", reason=Reason.UPLOAD_EMPTY)
            kind = parts["kind"].content.decode("utf-8", "replace") if "kind" in parts else ""
            messages = _upload(_session_id(visit), found, kind)
            await visit.call("MediaService", "Upload", messages, deadline_s=_UPLOAD_S)
        return _done(visit)

    async def end(self, visit: Visit) -> Response:
        """End the session without a record."""
        _require_local(visit)
        request = session_pb2.AbandonSessionRequest(session_id=_session_id(visit), reason="tried")
        await visit.call("SessionService", "AbandonSession", request)
        return RedirectResponse("/try", 303)

    def _begin(self, visit: Visit, talk_id: str, *, rate_hz: int = 0) -> Talk:
        config = pb.ConverseConfig(
            session_id=_session_id(visit), reply=True, guided=True
        )  # the page shows the question
        if rate_hz:
            config.encoding, config.sample_rate_hz, config.channels = pb.AUDIO_ENCODING_PCM_S16LE, rate_hz, 1

        def converse(messages: AsyncIterator[pb.ConverseRequest]) -> AsyncGenerator[object, None]:
            return visit.follow("ConversationService", "Converse", messages)

        return self._talks.begin(visit.caller.subject, talk_id, converse, config)

    async def _once(self, visit: Visit, request: pb.ConverseRequest, patience_s: float) -> Response:
        """Send one message in a conversation of its own. A script does not wait: its page follows what happens."""
        talk = self._begin(visit, str(uuid.uuid4()))
        await talk.send(request)
        await talk.send(None)
        await talk.ended(0.5 if is_script(visit.request) else patience_s)
        return _done(visit)


async def _watch(visit: Visit, changed: asyncio.Event) -> None:
    try:
        async with aclosing(session_changes(visit)) as told:
            async for _ in told:
                changed.set()
    finally:
        changed.set()


async def _upload(session_id: str, file: FormPart, kind: str) -> AsyncIterator[media_pb2.UploadRequest]:
    given = kind if kind in KINDS else "unspecified"
    description = media_pb2.UploadDescription(
        upload_id=str(uuid.uuid4()),
        session_id=session_id,
        kind=media_pb2.MediaKind.Value(f"MEDIA_KIND_{given.upper()}"),
        size_bytes=len(file.content),
        sha256=hashlib.sha256(file.content).digest(),
        media_type=file.media_type[:127],
        display_name=file.file_name[:255],
    )
    yield media_pb2.UploadRequest(description=description)
    for at in range(0, len(file.content), _PIECE):
        yield media_pb2.UploadRequest(data=file.content[at : at + _PIECE])


def _known_zone(name: str) -> str:
    """The time zone that the browser names. It may be newer than this server's database; then the server's is taken."""
    return name if zone_named(name) is not None else ""


def _session_id(visit: Visit) -> str:
    return str(visit.request.path_params["session_id"])


def _done(visit: Visit) -> Response:
    return (
        Response(status_code=204) if is_script(visit.request) else RedirectResponse(f"/try/{_session_id(visit)}", 303)
    )


def _is_local(visit: Visit) -> bool:
    """Whether the browser is on this machine, or its port is forwarded."""
    return visit.caller.peer.local


def _require_local(visit: Visit) -> None:
    if not _is_local(visit):
        raise HTTPException(403, texts_of(visit.request)("try_elsewhere"))


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise InvalidInput("The address has no such number.", reason=Reason.INVALID_ARGUMENT)
    return int(text)
