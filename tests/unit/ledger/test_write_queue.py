"""Which writes go first, and that none waits for ever."""

from __future__ import annotations

import queue
from concurrent.futures import Future
from typing import Any

import pytest

from server.ledger.columns import Cursor
from server.ledger.group_commit import Write
from server.ledger.write_queue import MOST_BEFORE, MOST_ROWS, MOST_WRITES, Alone, End, WriteQueue


def _write(name: str) -> Write[str]:
    def fn(_: Cursor) -> str:
        return name

    fn.__name__ = name
    return Write(fn, Future())


def _names(batch: list[Write[Any]]) -> list[str]:
    return [write.fn.__name__ for write in batch]


def _take(waiting: WriteQueue) -> list[str]:
    batch, then = waiting.take()
    assert then is None
    return _names(batch)


def test_other_writes_go_before_those_of_many_rows() -> None:
    waiting = WriteQueue(10)
    waiting.put(_write("events"), 500)
    for name in ("one", "two"):
        waiting.put(_write(name))
    assert _take(waiting) == ["one", "two"]
    assert _take(waiting) == ["events"]


def test_a_write_of_many_rows_comes_after_so_many_other_transactions() -> None:
    waiting = WriteQueue(100)
    waiting.put(_write("events"), 500)
    order = []
    for _ in range(MOST_BEFORE + 1):
        waiting.put(_write("other"))
        order += _take(waiting)
    assert order == ["other"] * MOST_BEFORE + ["events"]
    assert _take(waiting) == ["other"]
    waiting.put(_write("events"), 500)
    waiting.put(_write("other"))
    assert _take(waiting) == ["other"]  # its count begins anew


def test_writes_of_many_rows_share_a_transaction_up_to_a_number_of_rows() -> None:
    waiting = WriteQueue(10)
    for name, rows in (("a", MOST_ROWS - 1), ("b", 1), ("c", 1), ("d", MOST_ROWS + 7), ("e", 1)):
        waiting.put(_write(name), rows)
    transactions = []
    for _ in range(4):
        taken = _take(waiting)
        while more := waiting.more():
            taken += _names(more)
        transactions.append(taken)
    assert transactions == [["a", "b"], ["c"], ["d"], ["e"]]


def test_a_transaction_of_many_rows_takes_no_more_when_another_write_waits() -> None:
    waiting = WriteQueue(10)
    for name in ("a", "b", "c"):
        waiting.put(_write(name), 1)
    assert _take(waiting) == ["a"]
    assert _names(waiting.more()) == ["b"]
    waiting.put(_write("other"))
    assert waiting.more() == []
    assert _take(waiting) == ["other"]
    assert waiting.more() == []  # those of many rows are kept out of the others' transaction
    assert _take(waiting) == ["c"]


def test_a_transaction_has_a_bound_of_writes() -> None:
    waiting = WriteQueue(1000)
    for _ in range(MOST_WRITES + 1):
        waiting.put(_write("one"))
    assert [len(_take(waiting)) for _ in range(2)] == [MOST_WRITES, 1]


def test_what_is_to_be_done_alone_comes_after_the_writes_before_it() -> None:
    waiting = WriteQueue(10)
    alone: Alone[int] = Alone(lambda: 7, Future())
    waiting.put(_write("before"))
    waiting.put(alone)
    waiting.put(_write("after"))
    batch, then = waiting.take()
    assert (_names(batch), then) == (["before"], alone)
    assert _take(waiting) == ["after"]


def test_a_cancelled_write_is_not_taken() -> None:
    waiting = WriteQueue(10)
    gone, many = _write("gone"), _write("many")
    waiting.put(gone)
    waiting.put(many, 3)
    assert gone.future.cancel() and many.future.cancel()
    assert (waiting.take(), waiting.take()) == (([], None), ([], None))


def test_the_bound_counts_both_kinds() -> None:
    waiting = WriteQueue(2)
    waiting.put(_write("one"))
    waiting.put(_write("many"), 500)
    for rows in (0, 500):
        with pytest.raises(queue.Full):
            waiting.put(_write("third"), rows)


def test_what_waits_is_taken_before_the_end() -> None:
    waiting = WriteQueue(10)
    waiting.put(_write("many"), 500)
    waiting.put(_write("one"))
    waiting.end()
    assert [_take(waiting), _take(waiting)] == [["one"], ["many"]]
    batch, then = waiting.take()
    assert batch == [] and isinstance(then, End)


def test_nothing_comes_within_the_timeout() -> None:
    assert WriteQueue(10).take(0.0) == ([], None)
