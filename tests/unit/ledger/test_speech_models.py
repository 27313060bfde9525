"""The chosen weights for speech, and finals that a candidate recognised as well."""

from __future__ import annotations

from dataclasses import replace

from server.ledger import erasure, model_comparisons, retention, sessions, speech_models, turns
from server.ledger.columns import Cursor, count, fetch_all
from server.ledger.speech_models import SpeechModelsRow
from server.ledger.types import SessionRow, SessionState, TurnRow
from tests.unit.ledger.makers import after, comparison, new_id, redacted, session, turn


def _said(cursor: Cursor, row: SessionRow, at: int = 0) -> TurnRow:
    said = replace(turn(row.id, at, stream_id=new_id()), text=redacted("Call [REDACTED_PHONE_1]"))
    turns.insert_turn(cursor, said)
    return said


def _open(cursor: Cursor, client_id: str = "app") -> SessionRow:
    row = session(client_id=client_id)
    sessions.insert_or_get(cursor, row)
    return row


def test_what_was_chosen_last_counts_and_nothing_before_the_first_choice(cursor: Cursor) -> None:
    assert speech_models.load(cursor) == SpeechModelsRow()
    speech_models.store(cursor, SpeechModelsRow("base", "small", 0.25), after(1))
    assert speech_models.load(cursor) == SpeechModelsRow("base", "small", 0.25, after(1))
    speech_models.store(cursor, SpeechModelsRow("small"), after(2))
    assert speech_models.load(cursor) == SpeechModelsRow("small", "", 0.0, after(2))
    assert count(cursor, "SELECT count(*) FROM speech_models") == 1


def test_a_final_is_compared_once_and_comes_back_as_it_was(cursor: Cursor) -> None:
    said = _said(cursor, _open(cursor))
    row = comparison(said, 3, redacted("Call me"), words=5, word_differences=2, entities_equal=False)
    assert model_comparisons.insert_comparison(cursor, row)
    assert not model_comparisons.insert_comparison(cursor, replace(row, words=9))
    assert model_comparisons.newest(cursor, "base", "small", "", 10) == [row]


def test_no_final_of_an_erased_session_is_compared_and_erasure_takes_those_that_were(cursor: Cursor) -> None:
    gone, stays = _open(cursor), _open(cursor)
    said = [_said(cursor, row) for row in (gone, stays)]
    for each in said:
        assert model_comparisons.insert_comparison(cursor, comparison(each))
    assert erasure.found(cursor, frozenset({gone.id})).rows["model_comparisons"] == 1
    assert erasure.erase(cursor, frozenset({gone.id})).rows["model_comparisons"] == 1
    late = replace(said[0], id=new_id())
    assert not model_comparisons.insert_comparison(cursor, comparison(late)), "its answer came after the erasure"
    assert [row.session_id for row in model_comparisons.newest(cursor, "base", "small", "", 10)] == [stays.id]


def test_comparisons_go_with_the_turns_of_sessions_that_have_ended(cursor: Cursor) -> None:
    ended, running = _open(cursor), _open(cursor)
    for row in (ended, running):
        for at in (0, 100):
            model_comparisons.insert_comparison(cursor, comparison(_said(cursor, row, at), at))
    sessions.move(cursor, ended, SessionState.ABANDONED, after(200))
    assert retention.delete_turns(cursor, after(50)) == 1
    left = model_comparisons.newest(cursor, "base", "small", "", 10)
    assert sorted((row.session_id == ended.id, row.create_time) for row in left) == [
        (False, after(0)),
        (False, after(100)),
        (True, after(100)),
    ]


def test_the_newest_of_two_weights_and_of_one_client_are_listed(cursor: Cursor) -> None:
    assert model_comparisons.last_candidate(cursor, "base") == ""
    mine, other = _open(cursor), _open(cursor, "other")
    for at, row in enumerate((mine, other, mine)):
        model_comparisons.insert_comparison(cursor, comparison(_said(cursor, row, at), at))
    model_comparisons.insert_comparison(cursor, comparison(_said(cursor, mine, 9), 9, candidate="tiny"))
    model_comparisons.insert_comparison(cursor, comparison(_said(cursor, mine, 10), 10, weights="tiny"))

    def times(client_id: str, most: int = 10) -> list[object]:
        return [row.create_time for row in model_comparisons.newest(cursor, "base", "small", client_id, most)]

    assert times("") == [after(2), after(1), after(0)]
    assert times("", most=2) == [after(2), after(1)]
    assert times("app") == [after(2), after(0)]
    assert times("nobody") == []
    assert [model_comparisons.last_candidate(cursor, weights) for weights in ("tiny", "base")] == ["small", ""]


def test_both_texts_of_those_that_differ_are_given_also_when_the_turn_is_gone(cursor: Cursor) -> None:
    row = _open(cursor)
    equal, words, entities = (_said(cursor, row, at) for at in range(3))
    model_comparisons.insert_comparison(cursor, comparison(equal, 0))
    model_comparisons.insert_comparison(cursor, comparison(words, 1, redacted("Cold"), word_differences=2))
    model_comparisons.insert_comparison(cursor, comparison(entities, 2, redacted("Call"), entities_equal=False))
    cursor.execute("DELETE FROM turns WHERE id = ?", [entities.id])
    rows = model_comparisons.newest(cursor, "base", "small", "", 10)
    found = model_comparisons.differing_texts(cursor, rows, 10)
    assert [(each.text and each.text.value, each.candidate_text.value) for each in found] == [
        (None, "Call"),
        ("Call [REDACTED_PHONE_1]", "Cold"),
    ]
    assert len(model_comparisons.differing_texts(cursor, rows, 1)) == 1


def test_comparisons_of_one_session_can_be_deleted_alone(cursor: Cursor) -> None:
    one, other = _open(cursor), _open(cursor)
    for row in (one, other):
        model_comparisons.insert_comparison(cursor, comparison(_said(cursor, row)))
    model_comparisons.delete_of_session(cursor, one.id)
    assert [row.session_id for row in model_comparisons.newest(cursor, "base", "small", "", 10)] == [other.id]


def test_analysts_see_both_texts_unless_the_redactor_does_not_vouch_for_them(cursor: Cursor) -> None:
    row = _open(cursor)
    for at, safe in enumerate((True, False)):
        said = _said(cursor, row, at)
        model_comparisons.insert_comparison(cursor, comparison(said, at, redacted("Cold", safe=safe)))
    shown = fetch_all(cursor, "SELECT text, candidate_text FROM v_model_comparisons ORDER BY create_time")
    assert [(each["text"], each["candidate_text"]) for each in shown] == [
        ("Call [REDACTED_PHONE_1]", "Cold"),
        ("Call [REDACTED_PHONE_1]", None),
    ]
