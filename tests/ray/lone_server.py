"""A server that sees no node of the cluster which it joins: what it prints is read by ``test_driver_node``.

Its configuration comes pickled, as its standard input.
"""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import sys

import psutil

from models.errors import VestibuleError
from ray_tasks.processes import lives
from ray_tasks.types import ClusterConfig
from tests.eventually import eventually
from tests.ray.joined_nodes import STARTS_S, Member


def _others(name: str = "") -> list[psutil.Process]:
    return [one for one in psutil.process_iter() if lives(one) and one.pid != os.getpid() and name in ("", one.name())]


async def main(config: ClusterConfig) -> dict[str, object]:
    """Have a sentence redacted, lose the node, have it redacted again, and end."""
    member = Member(config)
    told: dict[str, object] = {}
    try:
        await member.cluster.start()
        told["redacted"] = [await member.redacted()]
        [node] = _others("raylet")
        node.kill()
        await eventually(lambda: member.cluster.state.restarts == 1, STARTS_S)
        told["redacted"] = [*told["redacted"], await member.redacted()]  # type: ignore[misc]
        told["nodes"] = len(_others("raylet"))
    except VestibuleError as error:
        told["reason"] = error.reason
    finally:
        await member.cluster.stop()
    await eventually(lambda: not _others(), STARTS_S)
    return told


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(main(pickle.load(sys.stdin.buffer)))))
