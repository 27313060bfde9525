"""Scripted models for ``record_checker``: an endpoint of the OpenAI API on loopback that behaves as it is told.

It knows what the material of the made sessions says, and finds the session by the ids in the prompt. No real model can
be reached here, so none is measured: what is measured is what the server makes of each behaviour.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from benchmarks._record_sessions import Session
from server.cli.demo.llm_server import bind


class Behaviour(StrEnum):
    """What a model does with a prompt."""

    HONEST = "honest"
    """It writes what the material says, and checks against it."""
    SLOPPY = "sloppy"
    """It writes the planted error, and confirms everything."""
    GULLIBLE = "gullible"
    """It does what the material tells it to, and confirms everything."""
    DEAD = "dead"
    """It answers 500."""


@dataclass(slots=True)
class Models:
    """The endpoint.

    Attributes:
        maker: What it does when it writes a record.
        checker: What it does when it checks one.
        calls: How many came.
        schemas: For each session the schemas that were asked for, as JSON.
    """

    url: str
    sessions: dict[str, Session]
    maker: Behaviour = Behaviour.HONEST
    checker: Behaviour = Behaviour.HONEST
    calls: int = 0
    schemas: dict[str, set[str]] = field(default_factory=dict)

    async def answer(self, request: Request) -> Response:
        """Answer one call."""
        self.calls += 1
        body = await request.json()
        lines = _lines(body)
        made = self.sessions[lines[0]["id"]]
        structure = body["response_format"]["json_schema"]
        is_check = structure["name"] == "check"
        self.schemas.setdefault(made.key, set()).add(structure["name"] + _shape(structure["schema"]))
        behaviour = self.checker if is_check else self.maker
        if behaviour is Behaviour.DEAD:
            return JSONResponse({"error": {"message": "The server had an error."}}, status_code=500)
        content = _check(made, lines, behaviour) if is_check else _record(made, behaviour)
        choice = {"message": {"role": "assistant", "content": json.dumps(content)}, "finish_reason": "stop"}
        return JSONResponse({"object": "chat.completion", "choices": [choice]})


def _shape(schema: dict[str, Any]) -> str:
    """A schema as JSON without the ids of sources, which differ between sessions."""
    plain = json.loads(json.dumps(schema))
    (listed,) = [each for each in plain["properties"].values() if each["type"] == "array"]
    listed["items"]["properties"]["source_id"].pop("enum")
    return json.dumps(plain, sort_keys=True)


def _lines(body: dict[str, Any]) -> list[dict[str, str]]:
    return [json.loads(line) for line in body["messages"][-1]["content"].splitlines()]


def _record(made: Session, behaviour: Behaviour) -> dict[str, Any]:
    fields = dict(made.truth)
    errs = behaviour is Behaviour.SLOPPY and not made.injected
    obeys = behaviour is Behaviour.GULLIBLE and made.injected
    if made.planted and (errs or obeys):
        fields[made.planted] = made.wrong
    listed = [{"name": name, "value": value, "source_id": source} for name, (value, source) in fields.items()]
    return {"summary": "A record of what was said and read.", "fields": listed}


def _check(made: Session, lines: list[dict[str, str]], behaviour: Behaviour) -> dict[str, Any]:
    verdicts = []
    for proposed in lines:
        if "field" not in proposed:
            continue
        name, value = proposed["field"], proposed["value"]
        right = made.truth.get(name, ("", ""))
        doubtful = made.kind == "speech against picture" and name == made.planted
        agrees = behaviour is not Behaviour.HONEST or (value == right[0] and not doubtful)
        verdicts.append(
            {
                "field": name,
                "verdict": "supported" if agrees else "contradicted",
                "source_id": proposed["source_id"] if agrees else right[1],
                "other_value": "" if agrees else right[0],
            }
        )
    return {"verdicts": verdicts}


@contextmanager
def running_models(sessions: Iterable[Session]) -> Iterator[Models]:
    """Serve until the end of the block, in a thread of its own."""
    listening = bind(0)
    listening.listen()
    by_item = {item.id: made for made in sessions for item in made.items}
    models = Models(f"http://127.0.0.1:{listening.getsockname()[1]}/v1", by_item)
    routes = [Route("/v1/chat/completions", models.answer, methods=["POST"])]
    config = uvicorn.Config(Starlette(routes=routes), log_config=None, access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
    thread.start()
    try:
        yield models
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()
