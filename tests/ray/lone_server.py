"""A server that sees no node of the cluster which it joins: what it prints is read by ``test_driver_node``.

Its configuration comes pickled, as its standard input.
"""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import subprocess
import sys

import psutil

from models.child_python import child_python
from models.errors import VestibuleError
from ray_tasks.processes import lives
from ray_tasks.ray_child import MODULE
from ray_tasks.types import ClusterConfig
from tests.eventually import eventually
from tests.ray.joined_nodes import STARTS_S, Member


def _others(name: str = "") -> list[psutil.Process]:
    return [one for one in psutil.process_iter() if lives(one) and one.pid != os.getpid() and name in ("", one.name())]


async def _killed_while_it_starts(config: ClusterConfig) -> int:
    """A server and the process that owns its Ray are killed when the node is up; returns how many nodes that leaves."""
    server = await asyncio.create_subprocess_exec(*child_python("-m", __spec__.name, "start"), stdin=subprocess.PIPE)
    assert server.stdin is not None
    server.stdin.write(pickle.dumps(config))
    server.stdin.write_eof()
    await eventually(lambda: bool(_others("raylet")), STARTS_S)
    for process in [one for one in _others() if MODULE in one.cmdline()]:
        process.kill()
    server.kill()
    await server.wait()
    return len(_others("raylet"))


async def _join(config: ClusterConfig) -> dict[str, object]:
    """A sentence is redacted, the node is killed, and a sentence is redacted again."""
    member = Member(config)
    try:
        await member.cluster.start()
        first = await member.redacted()
        [node] = _others("raylet")
        node.kill()
        await eventually(lambda: member.cluster.state.restarts == 1, STARTS_S)
        return {"redacted": [first, await member.redacted()], "nodes": len(_others("raylet"))}
    except VestibuleError as error:
        return {"reason": error.reason, "hint": error.hint}
    finally:
        await member.cluster.stop()


async def _twice(config: ClusterConfig) -> dict[str, object]:
    """Start twice, end, and see what is left."""
    left = await _killed_while_it_starts(config)
    told = await _join(config)
    await eventually(lambda: not _others(), STARTS_S)
    return {"left_by_the_first": left, **told}


async def main(what: str, config: ClusterConfig) -> None:
    """Do one of three things, and print what came of it."""
    if what == "start":
        await Member(config).cluster.start()
    else:
        sys.stdout.write(json.dumps(await {"join": _join, "twice": _twice}[what](config)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], pickle.load(sys.stdin.buffer)))
