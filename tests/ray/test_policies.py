"""Policies on real workers: the client chooses, the session makes the tags."""

from __future__ import annotations

import re

from models.redaction.types import RedactionContext, RedactionScope
from models.text import RawText, RedactedText
from ray_tasks.gateway import RayGateway
from tests.ray.conftest import DATA


async def test_workers_choose_the_policy_by_the_client_and_the_tags_by_the_session(gateway: RayGateway) -> None:
    texts = [RawText("I am Maria Lopez, call 415-555-0132 or write to maria@example.com")]

    async def written(client: str, session: str) -> RedactedText:
        context = RedactionContext(scope=RedactionScope(client, session))
        return (await gateway.redact(texts, context, timeout_s=30))[0].text

    strict = await written("other-app", "one")
    assert strict.value == "I am [REDACTED_NAME], call [REDACTED_PHONE] or write to [REDACTED_EMAIL]"
    assert strict.safe_for_llm
    first, again, elsewhere = [await written("hashing-app", session) for session in ("one", "one", "two")]
    assert re.fullmatch(
        r"I am \[REDACTED_NAME_[0-9a-f]{8}\], call \*\*\*0132 or write to maria@example\.com", first.value
    )
    assert first == again
    assert first != elsewhere
    assert not first.safe_for_llm


async def test_a_picture_follows_the_policy(gateway: RayGateway) -> None:
    data = (DATA / "register.jpg").read_bytes()
    scope = RedactionScope("hashing-app", "one")
    page = await gateway.read_picture(data, document_type="visitor_register", timeout_s=60, scope=scope)
    assert re.search(r"\*\*\*\d{4}", page.text.value)
    assert re.search(r"\[REDACTED_NAME_[0-9a-f]{8}\]", page.text.value)
