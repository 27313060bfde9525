"""A record that is built anew after a review tells no value that was taken out, and shows who gave the others."""

from __future__ import annotations

import pytest

from models.text import RedactedText
from server.ledger import sessions
from server.ledger.columns import Cursor
from server.ledger.types import Origin, RecommendationRow, TurnRow
from server.llm.assistant import OpenAiAssistant
from server.llm.types import Confidence, FieldVerdict, FindingKind, Severity, Verdict, Verdicts
from server.records.guide import Guide
from tests.unit.jobs.recommendation_helpers import propose
from tests.unit.reviews.conftest import ReviewWorld, correct, reject
from tests.unit.reviews.sending_back import field_of, send_back, summary, values, write

READING = "meter_reading"
OWN = "Riverside was visited, and the meter there reads 4821."


async def answer(world: ReviewWorld, field: str, value: str) -> None:
    """The app answers a field with a value."""
    world.clock.advance(1)

    def store(cursor: Cursor) -> None:
        session = sessions.get(cursor, world.session_id)
        Guide(world.flows).answer(cursor, session, field, RedactedText.literal(value), world.clock())

    await world.ledger.write(store)


async def visited(world: ReviewWorld) -> tuple[TurnRow, RecommendationRow]:
    """A record of what was said, with a value that is wrong."""
    said = await world.say("The meter reads 4821 at Riverside.")
    return said, await write(world, said.id, summary=OWN, site_name="Riverside", meter_reading="4821")


async def returned(world: ReviewWorld, **fields: str) -> RecommendationRow:
    """A record of a car with damage that a reviewer took for none, sent back."""
    await world.say("Here is the car.")
    row = await write(world, summary="The car is back, scratched at the left door.", **fields)
    await send_back(world, row, correct("damaged", "no"))
    return row


def about(row: RecommendationRow, name: str) -> list[tuple[FindingKind, str]]:
    """Kinds and other values of the findings of a field."""
    return [(finding.kind, finding.value) for finding in field_of(row, name).findings]


class TestSummary:
    async def test_it_is_that_of_the_model_where_nothing_was_taken_out(self, world: ReviewWorld) -> None:
        _, row = await visited(world)
        assert summary(row) == OWN

    @pytest.mark.parametrize("written", [{}, {READING: "4821"}])
    async def test_it_tells_no_value_that_was_corrected(self, world: ReviewWorld, written: dict[str, str]) -> None:
        said, row = await visited(world)
        await send_back(world, row, correct(READING, "4812"))
        again = await write(world, said.id, summary=OWN, site_name="Riverside", meter_unit="m3", **written)
        assert again.origin is Origin.MODEL
        assert summary(again) == "Site visit: site Riverside; meter reading 4812; unit cubic metres."

    @pytest.mark.parametrize("written", [{}, {READING: "4821"}])
    async def test_it_tells_no_value_that_was_rejected(self, world: ReviewWorld, written: dict[str, str]) -> None:
        said, row = await visited(world)
        await send_back(world, row, reject(READING))
        again = await write(world, said.id, summary=OWN, site_name="Riverside", meter_unit="m3", **written)
        assert summary(again) == "Site visit: site Riverside; unit cubic metres."

    async def test_it_tells_no_value_that_the_app_answered_otherwise(self, world: ReviewWorld) -> None:
        said = await world.say("The meter reads 4821 at Riverside.")
        await answer(world, READING, "4830")
        row = await write(world, said.id, summary=OWN, site_name="Riverside", meter_reading="4821")
        assert summary(row) == "Site visit: site Riverside; meter reading 4830."

    async def test_a_value_in_another_form_is_the_same(self, world: ReviewWorld) -> None:
        said = await world.say("The meter reads 4821 at Riverside.")
        await answer(world, READING, "4821.0")
        row = await write(world, said.id, summary=OWN, site_name="Riverside", meter_reading="4821")
        assert summary(row) == OWN

    async def test_it_is_that_of_the_model_again_once_the_person_tells_the_value_anew(self, world: ReviewWorld) -> None:
        _, row = await visited(world)
        await send_back(world, row, reject(READING))
        world.clock.advance(1)
        said = await world.say("I looked again: the meter reads 4821.")
        again = await write(world, said.id, summary=OWN, site_name="Riverside", meter_reading="4821")
        assert summary(again) == OWN

    async def test_a_name_that_becomes_neutral_is_no_change(self, rental: ReviewWorld) -> None:
        await rental.say("Here is the car.")
        row = await write(rental, summary="The car is back.", note="clean", maria_lopez="1")
        assert (values(row)["note"], summary(row)) == ("clean", "The car is back.")
        assert "maria" not in row.record.value


class TestFieldsThatDoNotApply:
    @pytest.mark.parametrize("damaged", ["yes", "no", ""])
    async def test_they_are_not_in_a_record_after_a_correction(self, rental: ReviewWorld, damaged: str) -> None:
        await returned(rental, damaged="yes", where="the left door", note="clean")
        told = {"damaged": damaged} if damaged else {}
        again = await write(rental, where="a scratch", repaired="not yet", note="dirty", **told)
        assert values(again) == {"damaged": "no", "note": "dirty"}
        assert "scratch" not in again.record.value

    async def test_one_that_needs_a_field_which_does_not_apply_goes_too(self, rental: ReviewWorld) -> None:
        await returned(rental, damaged="yes", where="the left door", note="clean")
        again = await write(rental, repaired="not yet", note="dirty")
        assert values(again) == {"damaged": "no", "note": "dirty"}

    async def test_a_corrected_one_goes_where_a_later_correction_rules_it_out(self, rental: ReviewWorld) -> None:
        await rental.say("Here is the car.")
        row = await write(rental, damaged="yes", where="the left door")
        await send_back(rental, row, correct("where", "the right door"))
        row = await write(rental, damaged="yes", where="the right door", note="clean")
        await send_back(rental, row, correct("damaged", "no"))
        again = await write(rental, damaged="yes", where="the right door", note="dirty")
        assert values(again) == {"damaged": "no", "note": "dirty"}

    async def test_what_the_app_answers_rules_them_out(self, rental: ReviewWorld) -> None:
        await rental.say("Here is the car.")
        await answer(rental, "damaged", "no")
        row = await write(rental, damaged="yes", where="the left door", note="clean")
        assert values(row) == {"damaged": "no", "note": "clean"}

    async def test_they_come_again_where_they_apply_again(self, rental: ReviewWorld) -> None:
        await returned(rental, damaged="yes", where="the left door", note="clean")
        await answer(rental, "damaged", "yes")
        again = await write(rental, damaged="yes", where="the back", note="clean")
        assert values(again)["where"] == "the back"


class TestValuesOfReviewers:
    async def corrected(self, world: ReviewWorld, then: str = "", **written: str) -> RecommendationRow:
        """A record that is built anew after a correction, and after something more was said."""
        said, row = await visited(world)
        await send_back(world, row, correct(READING, "4812"))
        world.clock.advance(1)
        if then:
            said = await world.say(then)
        return await write(world, said.id, site_name="Riverside", meter_unit="m3", **written)

    @pytest.mark.parametrize("written", [{}, {READING: "4821"}, {READING: "4812"}])
    async def test_they_are_shown_as_given_by_a_reviewer(self, world: ReviewWorld, written: dict[str, str]) -> None:
        again = await self.corrected(world, **written)
        field = field_of(again, READING)
        assert (field.value, field.source_id, field.confidence) == ("4812", "", None)
        [finding] = field.findings
        assert (finding.kind, finding.severity, finding.value) == (FindingKind.REVIEWED, Severity.WARNING, "")
        assert finding.message == "A reviewer gave this value."

    async def test_the_value_that_was_refused_does_not_contradict_them(self, world: ReviewWorld) -> None:
        said = await world.say("The meter reads 4821 at Riverside.")
        await answer(world, READING, "4821")
        row = await write(world, said.id, site_name="Riverside", meter_reading="4821")
        await send_back(world, row, correct(READING, "4812"))
        again = await write(world, said.id, site_name="Riverside", meter_unit="m3")
        assert (values(again)[READING], about(again, READING)) == ("4812", [(FindingKind.REVIEWED, "")])

    async def test_the_checker_that_compares_with_the_old_source_does_not_count(self, world: ReviewWorld) -> None:
        said, row = await visited(world)
        await send_back(world, row, correct(READING, "4812"))
        for verdict in (
            FieldVerdict(Verdict.CONTRADICTED, said.id, "4821"),
            FieldVerdict(Verdict.CONTRADICTED),
            FieldVerdict(Verdict.UNSURE),
        ):
            world.assistant.verdicts = Verdicts({READING: verdict})
            again = await write(world, said.id, site_name="Riverside", meter_unit="m3")
            assert about(again, READING) == [(FindingKind.REVIEWED, "")]

    @pytest.mark.parametrize("told", ["4830", "4821"])
    async def test_what_the_person_tells_afterwards_contradicts_them(self, world: ReviewWorld, told: str) -> None:
        again = await self.corrected(world, then=f"I looked again: the meter reads {told}.")
        assert values(again)[READING] == "4812"
        assert about(again, READING) == [(FindingKind.REVIEWED, ""), (FindingKind.CONTRADICTED, told)]
        assert field_of(again, READING).confidence is Confidence.UNSURE

    async def test_what_the_checker_finds_in_a_later_source_counts(self, world: ReviewWorld) -> None:
        _, row = await visited(world)
        await send_back(world, row, correct(READING, "4812"))
        world.clock.advance(1)
        later = await world.say("Well, it may be 4830.")
        world.assistant.verdicts = Verdicts({READING: FieldVerdict(Verdict.CONTRADICTED, later.id, "4830")})
        again = await write(world, later.id, site_name="Riverside", meter_unit="m3")
        assert (FindingKind.CONTRADICTED, "4830") in about(again, READING)

    async def test_one_that_a_later_source_has_names_it(self, world: ReviewWorld) -> None:
        again = await self.corrected(world, then="It reads 4812.", **{READING: "4812"})
        assert about(again, READING) == [(FindingKind.REVIEWED, "")]
        assert field_of(again, READING).source_id != ""

    async def test_a_value_that_the_person_told_since_is_not_the_reviewers(self, world: ReviewWorld) -> None:
        again = await self.corrected(world, then="The meter reads 4830.", **{READING: "4830"})
        assert FindingKind.REVIEWED not in [kind for kind, _ in about(again, READING)]

    async def test_they_are_in_the_record_of_the_fallback_too(self, world: ReviewWorld) -> None:
        _, row = await visited(world)
        await send_back(world, row, correct(READING, "4812"))
        world.recommender._builder._assistant = OpenAiAssistant([])
        world.clock.advance(1)
        await world.say("Good morning.")
        again = await propose(world)
        assert (again.origin, values(again)[READING]) == (Origin.FALLBACK, "4812")
        assert about(again, READING) == [(FindingKind.REVIEWED, "")]

    @pytest.mark.parametrize(
        ("name", "value", "secret"), [("mileage", "491701", "491701"), ("note", "sand in the Boot", "Boot")]
    )
    async def test_they_stay_as_they_were_stored(self, rental: ReviewWorld, name: str, value: str, secret: str) -> None:
        """Read once more, without what was known then, a part of them might be hidden."""
        await rental.say("Here is the car.")
        row = await write(rental, damaged="no", fuel="eighths_6")
        await send_back(rental, row, correct(name, value))
        rental.gateway.secrets = {secret: "NAME"}
        again = await write(rental, damaged="no", hour="14:30")
        assert (values(again)[name], about(again, name)) == (value, [(FindingKind.REVIEWED, "")])
        assert again.record.safe_for_llm

    async def test_a_number_of_code_is_not_theirs(self, rental: ReviewWorld) -> None:
        await rental.say("Here is the car.")
        row = await write(rental, damaged="no")
        await send_back(rental, row, correct("photos", "2"))
        again = await write(rental, damaged="no", note="clean")
        assert "photos" not in values(again), "no picture was counted"

    async def test_free_text_needs_no_source_either(self, rental: ReviewWorld) -> None:
        await rental.say("Here is the car, it is clean.")
        row = await write(rental, note="clean")
        await send_back(rental, row, correct("note", "sand in the boot"))
        again = await write(rental, mileage="48213")
        assert (values(again)["note"], about(again, "note")) == ("sand in the boot", [(FindingKind.REVIEWED, "")])
