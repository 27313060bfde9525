"""LiteLLM's router as the peer of benchmarks/outage.py; runs in an environment of its own.

The first line of standard input is ``{"primary": url, "fallback": url, "options": arguments of litellm.Router,
"scale", "retry_after_s"}``. When one request to the fallback has been answered it writes ``"ready"``. The second line
is ``{"arrivals": [seconds of time.monotonic], "patience_s"}``. The answer is one line: ``{"requests": [[at, took_s,
served_by]], "connections": [[at, port]], "cpu_s"}``.
"""

import asyncio
import json
import logging
import sys
import time
from collections.abc import Awaitable
from typing import Any

import litellm  # type: ignore[import-not-found]
import openai
from _outage_load import note_connections, play  # type: ignore[import-not-found]
from litellm.router_config import build_router_config  # type: ignore[import-not-found]
from litellm.router_python_host import PythonHost  # type: ignore[import-not-found]
from litellm.types.router import RouterRateLimitError  # type: ignore[import-not-found]

ERRORS = (openai.OpenAIError, RouterRateLimitError)
NOBODY = "http://127.0.0.1:9/v1"
"""A closed port."""
MESSAGES = [{"role": "user", "content": "I am at the Riverside site"}]


class ScaledHost(PythonHost):  # type: ignore[misc]
    """Waits between two attempts for a scaled time. The router takes them from constants that cannot be set.

    A wait that obeys Retry-After, which comes scaled, is that time and a bit; all others are shorter than it.
    """

    __slots__ = ("_retry_after_s", "_scale")

    def __init__(self, scale: float, retry_after_s: float) -> None:
        self._scale = scale
        self._retry_after_s = retry_after_s

    def sleep(self, seconds: float) -> Awaitable[None]:
        obeyed_s = self._retry_after_s if seconds >= self._retry_after_s else 0.0
        return asyncio.sleep(obeyed_s + (seconds - obeyed_s) / self._scale)


def main() -> None:
    logging.disable(logging.CRITICAL)
    litellm.suppress_debug_info = True
    asyncio.run(serve())


async def serve() -> None:
    connections = note_connections()
    wanted = json.loads(sys.stdin.readline())
    await ask(make_router(wanted | {"primary": NOBODY}), "llm")  # its first failure loads much of its code
    router = make_router(wanted)
    await ask(router, "fallback")
    say("ready")
    plan = json.loads(await asyncio.to_thread(sys.stdin.readline))
    before_s = time.process_time()
    requests = await play(plan["arrivals"], lambda: ask(router, "llm"), plan["patience_s"], ERRORS)
    say({"requests": requests, "connections": connections, "cpu_s": time.process_time() - before_s})


def make_router(wanted: dict[str, Any]) -> Any:
    """A router as its documentation has it: a model, and another one to fall back to."""
    arguments = {
        "model_list": [deployment("llm", wanted["primary"]), deployment("fallback", wanted["fallback"])],
        "fallbacks": [{"llm": ["fallback"]}],
        **wanted["options"],
    }
    host = ScaledHost(wanted["scale"], wanted["retry_after_s"])
    return litellm.Router.from_config(build_router_config(arguments), host)


def deployment(name: str, url: str) -> dict[str, Any]:
    return {"model_name": name, "litellm_params": {"model": f"openai/{name}", "api_base": url, "api_key": "none"}}


async def ask(router: Any, model: str) -> str:
    """Have a reply streamed; it is the name of what answers."""
    answer = await router.acompletion(model=model, messages=MESSAGES, stream=True)
    return "".join([chunk.choices[0].delta.content or "" async for chunk in answer])


def say(content: object) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
