"""Who gets the OCR models next, and when a page has to end. The clock is moved by hand, and no model runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from models.cancellation import Cancellation, Cancelled
from models.errors import DeadlineExceeded, WorkTooLong
from models.vision.turns import DENSE_SHARE, LEVELS_S, MOST_PASSED_OVER, PageWork, Turns

BATCH_S = 0.25


class Models:
    """Turns whose time is moved by hand, and pages that use them in threads."""

    def __init__(self, seconds: float = 60.0) -> None:
        self.now = 0.0
        self.turns = Turns(seconds, clock=lambda: self.now)
        self.order: list[str] = []

    def use(self, work: PageWork, seconds: float = BATCH_S) -> None:
        with self.turns.page(work) as turn, turn():
            self.now += seconds

    def page(self, name: str, work: PageWork, batches: int) -> threading.Thread:
        """A page that is read in a thread of its own."""

        def read() -> None:
            with self.turns.page(work) as turn:
                for _ in range(batches):
                    with turn():
                        self.now += BATCH_S
                        self.order.append(name)

        return threading.Thread(target=read)

    @contextmanager
    def held_until_waiting(self, *pages: threading.Thread) -> Iterator[None]:
        """Start the pages while the models are in use, and let go when all of them wait."""
        with self.turns.page(PageWork()) as turn, turn():
            for count, page in enumerate(pages, 1):
                page.start()
                while len(self.turns._waiting) < count:
                    threading.Event().wait(0.001)
            yield
        for page in pages:
            page.join(60)


def test_a_small_picture_comes_before_a_page_that_used_the_models_for_long() -> None:
    models = Models()
    dense = PageWork()
    models.use(dense, LEVELS_S[-1])
    with models.held_until_waiting(models.page("dense", dense, 20), models.page("small", PageWork(), 3)):
        pass
    assert models.order.index("small") <= 1, "it waits for one batch at most"
    assert models.order[:4].count("small") == 3, "and for no other"


def test_a_small_picture_keeps_the_models_between_its_turns() -> None:
    models = Models()
    dense, between, ended = PageWork(), threading.Event(), threading.Event()
    models.use(dense, LEVELS_S[-1])
    page = models.page("dense", dense, 1)
    with models.turns.page(PageWork()) as turn:
        with turn():
            page.start()
            while not models.turns._waiting:
                between.wait(0.001)
        assert not ended.wait(0.05)
        assert models.order == [], "the models are idle, but it goes on in a moment"
        with turn():
            models.order.append("small")
    page.join(60)
    assert models.order == ["small", "dense"]


def test_a_page_that_fails_keeps_nothing() -> None:
    models = Models()
    with pytest.raises(ValueError, match="broken"), models.turns.page(PageWork()) as turn:
        with turn():
            pass
        raise ValueError("broken")
    models.use(PageWork())


def test_a_flow_of_small_pictures_does_not_stop_a_large_one() -> None:
    models = Models()
    dense = PageWork()
    models.use(dense, LEVELS_S[-1])
    small = [models.page(f"small {n}", PageWork(), 4) for n in range(8)]
    with models.held_until_waiting(models.page("dense", dense, 3), *small):
        pass
    places = [place for place, name in enumerate(models.order) if name == "dense"]
    assert places[0] < MOST_PASSED_OVER + 4, "when the small picture of that moment is read"
    assert places[-1] < len(models.order) - 1
    assert len(models.order) == 3 + 8 * 4


def test_pages_of_one_size_are_read_one_after_the_other() -> None:
    models = Models()
    pages = [PageWork(), PageWork()]
    for page in pages:
        models.use(page, LEVELS_S[-1])
    first, second = (models.page(name, page, 5) for name, page in zip(["first", "second"], pages, strict=True))
    with models.held_until_waiting(second, first):
        pass
    assert models.order == ["first"] * 5 + ["second"] * 5, "so that not both are late"


def test_a_page_ends_when_it_used_the_models_for_too_long() -> None:
    models = Models(seconds=1.0)
    page = PageWork()
    for _ in range(4):
        models.use(page)
    with pytest.raises(WorkTooLong) as caught:
        models.use(page)
    assert caught.value.reason == "PAGE_TOO_SLOW"
    assert "in parts" in caught.value.hint
    models.use(PageWork())  # the models are free for others


def test_each_page_of_a_document_has_the_whole_time_but_comes_after_single_ones() -> None:
    models = Models(seconds=5.0)
    first = PageWork()
    models.use(first, 4.5)
    second = first.next_page()
    models.use(second, 1.0)
    with models.held_until_waiting(models.page("document", second, 2), models.page("single", PageWork(), 2)):
        pass
    assert models.order[:2].count("single") >= 1
    assert models.order.index("single") <= 1


def test_the_time_of_a_call_ends_a_page_that_only_waited() -> None:
    models = Models()
    page = PageWork(Cancellation(10.0, clock=lambda: models.now))
    models.use(page, 1.0)
    models.now = 10.0
    with pytest.raises(DeadlineExceeded) as caught:
        models.use(page)
    assert type(caught.value) is DeadlineExceeded, "it may be tried again when the models are less busy"


@pytest.mark.parametrize(("share", "reason"), [(0.9, "DEADLINE_EXCEEDED"), (1.0, "PAGE_TOO_SLOW")])
def test_the_time_of_a_call_ends_a_dense_page_for_good(share: float, reason: str) -> None:
    models = Models(seconds=60.0)
    page = PageWork(Cancellation(40.0, clock=lambda: models.now))
    models.use(page, share * DENSE_SHARE * 60.0)
    models.now = 40.0
    with pytest.raises(DeadlineExceeded) as caught:
        models.use(page)
    assert caught.value.reason == reason


def test_a_page_whose_caller_gave_up_ends_at_once() -> None:
    models = Models()
    cancellation = Cancellation()
    page = PageWork(cancellation)
    models.use(page)
    cancellation.cancel()
    with pytest.raises(Cancelled):
        models.use(page)


def test_a_page_that_waits_ends_when_its_caller_gives_up() -> None:
    models = Models()
    cancellation = Cancellation()
    ended = threading.Event()

    def read() -> None:
        with pytest.raises(Cancelled):
            models.use(PageWork(cancellation))
        ended.set()

    reader = threading.Thread(target=read)
    with models.turns.page(PageWork()) as turn, turn():
        reader.start()
        cancellation.cancel()
        assert ended.wait(60), "while another page still uses the models"
    reader.join(10)
