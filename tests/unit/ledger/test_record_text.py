"""A stored record is redacted text, proven part by part."""

from __future__ import annotations

import pytest

from models.text import RedactedText
from server.ledger.record_text import record_text
from tests.fakes.gateway import redacted


class TestRecordText:
    def test_text_that_was_not_redacted_is_refused(self) -> None:
        parts = [redacted("A visit by [REDACTED_NAME].")]
        good = '{"fields":[{"name":"meter_reading","source_id":"","value":"A visit by [REDACTED_NAME]."}]}'
        assert record_text(good, parts).counts == {"NAME": 1}
        with pytest.raises(ValueError, match="not redacted") as caught:
            record_text('{"summary":"A visit by Maria."}', parts)
        assert "Maria" not in str(caught.value)

    def test_one_unsafe_part_makes_it_unsafe(self) -> None:
        unsafe = RedactedText.restore("Hm.", {}, safe_for_llm=False)
        assert not record_text('{"summary":"Hm."}', [unsafe]).safe_for_llm
