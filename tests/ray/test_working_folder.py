"""Ray's processes run no file of the folder in which the server was started."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path

from models.child_python import child_python, import_path

STARTS_RAY = """
import json, pathlib, sys
import ray
from ray_tasks.processes import end
from ray_tasks.ray_runtime import RayRuntime
from tests.ray.conftest import small_config

runtime = RayRuntime(small_config(pathlib.Path(sys.argv[1]), dashboard=False))
runtime.start()

@ray.remote
def path_of_a_worker():
    import os, sys
    return os.getcwd(), sys.path

print(json.dumps(ray.get(path_of_a_worker.remote())), flush=True)
family = runtime.processes()
runtime.shutdown()
end(family, 5.0)
runtime.close(keep_folder=False)
"""
TRAP = "from pathlib import Path\nPath(__file__).with_name('ran.txt').write_text(__name__)\nraise ImportError"


async def test_no_process_of_ray_runs_a_file_of_the_working_folder(tmp_path: Path) -> None:
    working, state = tmp_path / "working", tmp_path / "state"
    working.mkdir()
    state.mkdir()
    for name in ("aiohttp", "click", "grpc", "numpy", "psutil", "setproctitle", "yaml"):
        (working / f"{name}.py").write_text(TRAP)
    server = await asyncio.create_subprocess_exec(
        *child_python("-c", STARTS_RAY, str(state)),
        cwd=working,
        env=os.environ | import_path(),
        stdout=subprocess.PIPE,
    )
    output, _ = await asyncio.wait_for(server.communicate(), 120)
    folder, path = json.loads(output)
    assert folder == str(working)
    assert not {"", ".", str(working)} & set(path)
    assert not (working / "ran.txt").exists()
