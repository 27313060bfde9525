"""What ``make chaos`` notices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.seen import Seen
from tests.chaos.verdict import Kept, judge, leaks

REFERENCE = [(0, "Good morning."), (1, "The reading is 04821.")]


def promised() -> Seen:
    seen = Seen()
    seen.uploads = {"read", "dead"}
    seen.typed = {"text": "turn"}
    seen.typed_streams = {"stream": 1}
    seen.proposals = seen.approved = {"record"}
    seen.spoken = {"session": [("a", 0, "Good morning."), ("b", 1, "The reading is 04821.")]}
    return seen


def kept() -> Kept:
    return Kept(
        uploads={"read": "DONE", "dead": "FAILED"},
        failed_with_letter={"dead"},
        jobs={("read_upload", "DONE"): 1, ("read_upload", "DEAD"): 1},
        dead_without_letter=0,
        letters=["('letter', 'TIMEOUT')"],
        reads=1,
        turns={
            "turn": ("typed", "other", "stream", 0, "I am [REDACTED_NAME]."),
            "a": ("speech", "session", "spoken", 0, "Good morning."),
            "b": ("speech", "session", "spoken", 1, "The reading is 04821."),
        },
        recommendations={"record": "APPROVED"},
    )


def test_nothing_is_wrong_when_everything_is_there() -> None:
    assert judge(promised(), kept(), REFERENCE, ["Lopez"]) == []


def without(turn: str) -> dict[str, tuple[str, str, str, int, str]]:
    return {key: value for key, value in kept().turns.items() if key != turn}


TWICE = kept().turns | {"again": ("typed", "other", "stream", 1, "I am [REDACTED_NAME].")}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"uploads": {"read": "DONE"}}, "upload dead is lost"),
        ({"failed_with_letter": set()}, "upload dead is FAILED, and in no open dead letter"),
        ({"uploads": {"read": "PROCESSING", "dead": "FAILED"}, "reads": 0}, "upload read is PROCESSING"),
        ({"reads": 2}, "1 uploads are done, and 2 events say that one was read"),
        ({"jobs": {("reply", "QUEUED"): 3}}, "3 jobs of the kind reply are QUEUED"),
        ({"dead_without_letter": 1}, "1 dead jobs have no open dead letter"),
        ({"turns": without("turn")}, "the turn of the typed text text is lost"),
        ({"turns": TWICE}, "1 texts were typed on stream stream, and it has 2 turns"),
        ({"turns": without("a")}, "the ledger holds 1 turns of the spoken session session, 2 were sent"),
        ({"recommendations": {}}, "record record is lost"),
        ({"recommendations": {"record": "PENDING"}}, "the approval of record record is lost"),
        ({"letters": ["('letter', 'Maria Lopez')"]}, "a dead letter holds 'Lopez'"),
    ],
)
def test_what_the_ledger_lacks_or_has_twice_is_noticed(change: dict[str, object], said: str) -> None:
    problems = judge(promised(), replace(kept(), **change), REFERENCE, ["Lopez"])  # type: ignore[arg-type]
    assert any(problem.startswith(said) for problem in problems), problems


def lose_a_final(seen: Seen) -> None:
    del seen.spoken["session"][0]


def repeat_a_final(seen: Seen) -> None:
    seen.spoken["session"].append(seen.spoken["session"][-1])


def give_up(seen: Seen) -> None:
    seen.gave_up.append("upload: UNAVAILABLE for 600 s")


@pytest.mark.parametrize("change", [lose_a_final, repeat_a_final, give_up])
def test_what_a_client_did_not_get_is_noticed(change: Callable[[Seen], None]) -> None:
    seen = promised()
    change(seen)
    assert judge(seen, kept(), REFERENCE, ["Lopez"])


def test_more_dead_letters_than_the_faults_leave_are_noticed() -> None:
    assert judge(promised(), kept(), REFERENCE, ["Lopez"], most_letters=1) == []
    [problem] = judge(promised(), kept(), REFERENCE, ["Lopez"], most_letters=0)
    assert problem.startswith("there are 1 dead letters, and 0 may be")


def test_files_are_searched_for_texts_and_bytes(tmp_path: Path) -> None:
    for name, held in (("clean", b"\0\1"), ("text", b"\0Lopez\0"), ("media", b"\0OggS\0")):
        (tmp_path / name).write_bytes(held)
    files = [tmp_path / name for name in ("clean", "text", "media", "gone meanwhile")]
    assert leaks(files, ["Lopez", b"OggS"]) == ["text holds 'Lopez'", "media holds b'OggS'"]
