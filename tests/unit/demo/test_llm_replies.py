"""What the stand-in for the remote LLM answers."""

from __future__ import annotations

from server.cli.demo.llm_replies import reply_to

PHONE, EMAIL, READING = "Call me on [REDACTED_PHONE].", "or write to [REDACTED_EMAIL].", "The meter reads 48217."


def test_the_stand_in_asks_each_question_once() -> None:
    messages = [{"role": "system", "content": "Write in English."}]
    for said in ("I am at the Riverside site.", PHONE, EMAIL, READING):
        messages.append({"role": "user", "content": said})
        messages.append({"role": "assistant", "content": "".join(reply_to(messages))})
    replies = [message["content"] for message in messages if message["role"] == "assistant"]
    assert [reply.count("?") for reply in replies] == [1, 0, 0, 0]
    assert ["meter reading" in reply for reply in replies[1:3]] == [True, True]
    assert replies[-1].endswith("check the record and approve it.")
