"""The facts of a flow on the page for newcomers: their inputs, and what a session gets of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from server.access.caller import Scope
from server.cli.flow_starter import starter
from server.flows.catalogue import Flows
from server.flows.loader import parse_flow
from server.ledger import sessions
from tests.unit.console.harness import Harness

FACTS = """
facts:
  - {name: last_mileage, kind: number, unit: km, label: "last <mileage>"}
  - {name: station, kind: word, options: [vienna, leeds_north]}
  - {name: category, kind: word}
  - {name: insured, kind: yes_no}
  - {name: rented_on, kind: date}
"""
PLAIN = re.sub(r"facts:\n(?:  .*\n)+|checks:\n(?:  .*\n)+", "", starter("bike_return"))


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    with_facts = PLAIN.replace("bike_return", "car_return").replace("\nsteps:", f"{FACTS}\nsteps:")
    made = Harness(tmp_path, flows=Flows([parse_flow(with_facts), parse_flow(PLAIN)], "car_return"))
    yield made
    made.close()


async def facts_of(harness: Harness, answer: Any) -> dict[str, str]:
    session_id = str(answer.headers["location"]).rpartition("/")[2]
    row = await harness.ledger.read(lambda cursor: sessions.get(cursor, session_id))
    return dict(row.facts)


async def test_each_fact_has_an_input_with_its_label_unit_and_kind(harness: Harness) -> None:
    async with harness.browser(await harness.key(Scope.APP, client_id="kiosk")) as browser:
        page = (await browser.get("/try")).text
    assert page.count("<fieldset") == 1, "a flow without facts has no inputs"
    inputs = dict(re.findall(r'<(?:input|select) id="fact\.car_return\.(\w+)"([^>]*)>', page))
    assert list(inputs) == ["last_mileage", "station", "category", "insured", "rented_on"]
    assert 'inputmode="decimal"' in inputs["last_mileage"]
    assert 'type="date"' in inputs["rented_on"]
    labels = [
        unescape(re.sub("<[^>]*>", "", label)) for label in re.findall(r"<label for=.fact[^>]*>(.*)</label>", page)
    ]
    assert labels[:2] == ["last <mileage> (a number such as 48190.5, km)", "station (one of these)"]
    assert re.findall(r'<option value="(vienna|leeds_north|yes|no)">(\w+)', page) == [
        ("vienna", "vienna"),
        ("leeds_north", "leeds_north"),
        ("yes", "yes"),
        ("no", "no"),
    ]


async def test_a_session_gets_the_facts_of_the_chosen_flow_alone(harness: Harness) -> None:
    form = {
        "flow": "car_return",
        "fact.car_return.last_mileage": " 48190 ",
        "fact.car_return.station": "vienna",
        "fact.car_return.category": "",
        "fact.car_return.insured": "yes",
        "fact.bike_return.last_mileage": "1",
    }
    async with harness.browser(await harness.key(Scope.APP, client_id="kiosk")) as browser:
        given = await facts_of(harness, await browser.post("/try", data=form))
        assert given == {"last_mileage": "48190", "station": "vienna", "insured": "yes"}
        other = form | {"flow": "bike_return", "fact.bike_return.last_mileage": ""}
        assert await facts_of(harness, await browser.post("/try", data=other)) == {}


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("last_mileage", "48,190", "“last <mileage>” must be a number without commas"),
        ("last_mileage", "one", "“last <mileage>” must be a number without commas"),
        ("rented_on", "yesterday", "“rented on” must be a day such as 2026-11-28."),
        ("category", "Compact car", "“category” must be a word of small letters"),
    ],
)
async def test_a_wrong_fact_is_told_on_the_form_which_keeps_what_was_given(
    harness: Harness, name: str, value: str, told: str
) -> None:
    form = {"flow": "car_return", "language": "", "fact.car_return.station": "vienna", f"fact.car_return.{name}": value}
    async with harness.browser(await harness.key(Scope.APP, client_id="kiosk")) as browser:
        refused = await browser.post("/try", data=form)
    page = unescape(refused.text)
    assert refused.status_code == 400
    assert f'<p class="note bad" role="alert" id="problem">{told}' in page
    assert f'name="fact.car_return.{name}" value="{value}"' in page
    assert re.findall(r'name="fact\.car_return\.(\w+)"[^>]* aria-invalid', page) == [name]
    assert '<option value="vienna" selected>' in page
    assert '<option value="car_return" lang="en" selected>' in page
    assert re.search(r'<option value="(?:en|de)" selected', page) is None, "the language is to be detected"


@pytest.mark.parametrize("name", ["station", "unheard_of"])
async def test_what_no_input_offers_is_refused_in_the_language_of_the_page(harness: Harness, name: str) -> None:
    form = {"flow": "car_return", f"fact.car_return.{name}": "paris"}
    async with harness.browser(await harness.key(Scope.APP, client_id="kiosk")) as browser:
        refused = await browser.post("/try", data=form, headers={"accept-language": "de"})
    assert refused.status_code == 400
    assert "Eine Angabe passt nicht zum Ablauf" in refused.text
    assert "paris" not in refused.text
