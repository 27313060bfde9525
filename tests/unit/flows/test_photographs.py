"""Fields that ask for photographs: each picture belongs to one of them, in the order in which they ask."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from server.flows.definition import FlowDefinition
from server.flows.loader import parse_flow
from server.flows.photographs import Photograph, answers_of_photograph
from server.flows.progress import NO_VALUE, Answer, AnswerStatus, Progress, progress_of
from server.flows.questions import question

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
SIDES = ("front", "rear", "left", "right")


def flow_of(*fields: dict[str, Any]) -> FlowDefinition:
    asked = [{"kind": "photo", "ask": f"Show the {each['name']}.", "pictures": ["site"], **each} for each in fields]
    steps = [{"name": "views", "pictures": ["site", "meter"], "fields": asked}]
    return parse_flow(yaml.safe_dump({"name": "car", "version": 1, "title": "Car", "steps": steps}))


@dataclass
class Camera:
    """A session to which pictures are sent, and in which they are read in any order."""

    flow: FlowDefinition
    rows: list[Answer] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    minutes: dict[str, int] = field(default_factory=dict)

    @property
    def progress(self) -> Progress:
        return progress_of(self.flow, {}, self.rows)

    @property
    def asked(self) -> str:
        return self.progress.current.field.name if self.progress.current else ""

    def send(self, picture: str) -> None:
        """Send a picture now, which is read later."""
        self.minutes.setdefault(picture, len(self.rows) + len(self.minutes))

    def read(self, new: str, sent: Sequence[str] = (), kind: str = "site") -> str:
        """Read a picture. ``site-1`` is a picture, and ``site-1 again`` the same one, sent once more."""
        self.send(new)
        self.done.append(new)
        order = [each for each in sent or sorted(self.done, key=self.minutes.__getitem__) if each in self.done]
        photographs = [Photograph(each, kind, each.removesuffix(" again"), self.time(each)) for each in order]
        self.rows += answers_of_photograph(self.progress, photographs, new)
        return self.asked

    def time(self, picture: str) -> datetime:
        return NOW + timedelta(minutes=self.minutes[picture])

    def had(self) -> dict[str, tuple[str, ...]]:
        return {one.field.name: one.photographs for one in self.progress.fields if one.photographs}

    def after(self, status: AnswerStatus, name: str) -> str:
        time = NOW + timedelta(minutes=len(self.rows) + len(self.minutes))
        self.rows.append(Answer("views", name, status, NO_VALUE, "app", create_time=time))
        return self.asked


def test_each_picture_answers_the_one_field_that_is_asked() -> None:
    camera = Camera(flow_of(*({"name": side} for side in SIDES)))
    assert [camera.read(picture) for picture in ("a", "b", "c", "d")] == ["rear", "left", "right", ""]
    assert camera.had() == {"front": ("a",), "rear": ("b",), "left": ("c",), "right": ("d",)}
    assert {one.value.value for one in camera.progress.fields} == {"1"}


def test_the_same_picture_sent_twice_counts_once() -> None:
    camera = Camera(flow_of({"name": "sides", "least": 2}, {"name": "inside"}))
    assert [camera.read(picture) for picture in ("a", "a again", "b", "b again", "c")] == [
        "sides",
        "sides",
        "inside",
        "inside",
        "",
    ]
    assert camera.had() == {"sides": ("a", "b"), "inside": ("c",)}


@pytest.mark.parametrize("order", [*itertools.permutations("abc")])
def test_pictures_count_in_the_order_in_which_they_were_sent(order: Sequence[str]) -> None:
    camera = Camera(flow_of({"name": "front"}, {"name": "sides", "least": 2}))
    for picture in order:
        camera.read(picture, sent=("a", "b", "c"))
    assert {name: sorted(pictures) for name, pictures in camera.had().items()} == {"front": ["a"], "sides": ["b", "c"]}
    assert [one.value.value for one in camera.progress.fields] == ["1", "2"]
    assert not camera.asked


def test_of_one_picture_sent_twice_the_one_that_is_read_first_counts() -> None:
    camera = Camera(flow_of({"name": "front"}, {"name": "rear"}))
    camera.read("a again", sent=("a", "a again", "b"))
    assert camera.read("a", sent=("a", "a again", "b")) == "rear"
    camera.read("b", sent=("a", "a again", "b"))
    assert camera.had() == {"front": ("a again",), "rear": ("b",)}


def test_more_pictures_than_are_asked_for_belong_to_the_last_field() -> None:
    camera = Camera(flow_of({"name": "front"}, {"name": "rear"}))
    for picture in ("a", "b", "c"):
        camera.read(picture)
    assert camera.had() == {"front": ("a",), "rear": ("b", "c")}


def test_only_pictures_of_its_kinds_belong_to_a_field() -> None:
    camera = Camera(flow_of({"name": "dashboard", "pictures": ["meter"]}, {"name": "front"}))
    assert camera.read("a") == "dashboard"
    assert camera.had() == {"front": ("a",)}
    assert Camera(flow_of({"name": "front"})).read("a", kind="document") == "front"


def test_a_skipped_field_is_passed_over_until_nothing_else_lacks_a_picture() -> None:
    camera = Camera(flow_of({"name": "front", "required": False}, {"name": "rear"}))
    camera.after(AnswerStatus.SKIPPED, "front")
    camera.read("a")
    assert camera.had() == {"rear": ("a",)}
    camera.read("b")
    assert camera.had() == {"front": ("b",), "rear": ("a",)}


def test_a_field_that_is_opened_again_begins_anew() -> None:
    camera = Camera(flow_of({"name": "front"}, {"name": "rear"}))
    camera.read("a")
    camera.read("b")
    assert camera.after(AnswerStatus.REOPENED, "front") == "front"
    assert camera.read("c") == ""
    assert camera.had() == {"front": ("c",), "rear": ("b",)}


def test_a_field_that_is_opened_again_gets_no_picture_that_came_before() -> None:
    """Neither one that is sent again, nor one that is read later, nor one that moves because of that."""
    camera = Camera(flow_of({"name": "front"}, {"name": "rear"}))
    camera.read("a")
    camera.send("late")
    camera.read("b")
    camera.after(AnswerStatus.REOPENED, "front")
    assert [camera.read(picture) for picture in ("late", "a again")] == ["front", "front"]
    assert {name: sorted(pictures) for name, pictures in camera.had().items()} == {"rear": ["a again", "b", "late"]}
    assert camera.read("c") == ""
    assert camera.had()["front"] == ("c",)


def test_without_another_field_a_picture_that_came_before_belongs_to_none() -> None:
    camera = Camera(flow_of({"name": "front", "least": 2}))
    camera.read("a")
    assert camera.after(AnswerStatus.REOPENED, "front") == "front"
    assert question_of(camera) == "Show the front."
    camera.read("a again")
    assert camera.had() == {}
    camera.read("b")
    assert question_of(camera) == "Show the front. (1 von 2)"


def question_of(camera: Camera) -> str:
    assert camera.progress.current is not None
    return question(camera.progress.current, "de").value


def test_a_question_says_how_many_pictures_have_come() -> None:
    camera = Camera(flow_of({"name": "sides", "least": 3}))
    told = []
    for picture in ("", "a", "b"):
        if picture:
            camera.read(picture)
        assert camera.progress.current is not None
        told.append(question(camera.progress.current, "de").value)
    assert told == ["Show the sides.", "Show the sides. (1 von 3)", "Show the sides. (2 von 3)"]
