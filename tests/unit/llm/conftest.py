from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.llm.scripted_upstream import ScriptedUpstream, run_upstream


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedUpstream]:
    with run_upstream(tmp_path_factory.mktemp("upstream") / "received") as upstream:
        yield upstream
