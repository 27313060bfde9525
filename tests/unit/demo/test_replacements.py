"""The proof finds every value that is not replaced in its place, and passes a transcript in which all are."""

from __future__ import annotations

import pytest

from server.cli.demo.planted import VISITS, Medium, Planted, data_folder, planted_media
from server.cli.demo.replacements import check_replacements, heard_values, misheard_values

VISIT, COURIER, INSPECTOR, REGISTER, METER = planted_media(data_folder())
CLEAN = (
    "Hello, my name is [REDACTED_NAME]. I am at the Riverside site to read the water meter. You can call me on "
    "[REDACTED_PHONE]. Or write to [REDACTED_EMAIL]. The meter reads 48217 cubic meters."
)
ROW = "[REDACTED_NAME] | [REDACTED_PHONE] | [REDACTED_EMAIL] | [REDACTED_ADDRESS] | "
PAGE = "\n".join(
    (
        "VISITOR REGISTER",
        "Please print clearly. Return your badge when you leave.",
        "Name | Phone | E-mail | Address | Time in",
        *(ROW + time for time in ("08:15", "09:40", "10:05", "11:30")),
        "Riverside pumping station, gate 2 | Page 12",
    )
)


@pytest.mark.parametrize(
    ("medium", "transcript"),
    [
        (VISIT, CLEAN),
        (VISIT, CLEAN.replace("48217", "48,21 7")),
        (VISIT, CLEAN.replace("Or write to", "all right too")),
        (VISIT, CLEAN.replace("I am at the Riverside site", "I'm at Riverside's sight")),
        (VISIT, CLEAN.replace("call me on [REDACTED_PHONE]. Or", "[REDACTED_PHONE] or")),
        (VISIT, CLEAN.replace("[REDACTED_EMAIL]", "[REDACTED_NAME]. [REDACTED_EMAIL]")),
        (VISIT, CLEAN.replace("[REDACTED_NAME]", "[REDACTED_NAME_0a1b2c3d]")),
        (VISIT, CLEAN.replace("[REDACTED_PHONE]", "[REDACTED_PHONE] and [REDACTED_PHONE]")),
        (
            INSPECTOR,
            "The meter at the Eastfield side shows 7396. You can reach me at [REDACTED_EMAIL]. My number is "
            "[REDACTED_PHONE], no wait, [REDACTED_PHONE]. This is [REDACTED_NAME] speaking.",
        ),
        (
            INSPECTOR,
            "The meter at the east field site shows 7396. You can reach me at [REDACTED_NAME].[REDACTED_EMAIL] "
            "My number is [REDACTED_PHONE] no late all [REDACTED_ID] This is [REDACTED_NAME] speaking.",
        ),
        (REGISTER, PAGE),
        (REGISTER, PAGE.replace("Riverside pumping station, gate 2", "Riverside [REDACTED_ADDRESS]")),
        (METER, "WATER METER\nreading 04821 .7 | m³\nNo. 7316 2048\nCustomer: [REDACTED_NAME]\n[REDACTED_ADDRESS]"),
    ],
)
def test_a_transcript_with_all_tags_in_place_passes(medium: Medium, transcript: str) -> None:
    assert check_replacements(medium, transcript).problems == []


@pytest.mark.parametrize(
    ("transcript", "problem"),
    [
        (
            CLEAN.replace("[REDACTED_PHONE]", "for 1555-a-132"),
            "PHONE 4155550132: it is not replaced; 'for 1555-a-132' can be read",
        ),
        (
            CLEAN.replace("me on [REDACTED_PHONE]", "for 1555-a-132"),
            "PHONE 4155550132: it is not replaced; '1555-a-132' can be read",
        ),
        (CLEAN.replace("PHONE]", "NUMBER]"), "PHONE 4155550132: the tag is NUMBER, not PHONE"),
        (CLEAN.replace("[REDACTED_PHONE]", ""), "PHONE 4155550132: nothing stands where it was said"),
        (CLEAN.replace("PHONE]", "PHONE] 132"), "PHONE 4155550132: '132' can be read beside the tag"),
        (
            CLEAN.replace("[REDACTED_PHONE]", "four one five [REDACTED_PHONE]"),
            "PHONE 4155550132: 'four one five' can be read beside the tag",
        ),
        (CLEAN.replace("[REDACTED_PHONE]", "for [REDACTED_PHONE]"), "'for' can be read beside the tag"),
        (CLEAN.replace("[REDACTED_NAME]", "John [REDACTED_NAME]"), "NAME John Carter: 'John' can be read"),
        (CLEAN.replace("my name is [REDACTED_NAME]", "Joan Carter"), "'Joan Carter' can be read"),
        (CLEAN.replace("[REDACTED_EMAIL]", "jon.carter@example.com"), "'jon.carter@example.com' can be read"),
        (CLEAN.replace("EMAIL]", "NAME].com"), "'com' can be read beside the tag"),
        (CLEAN + " Ask for Carter.", "'carter' can be read where no value was said"),
        (CLEAN + " Once more: 4155550132.", "'4155550132' can be read where no value was said"),
        (CLEAN + " My card is 4111 1111 1111 1111.", "'4111111111111111' can be read where no value was said"),
        (CLEAN + " 41 and 55 and 55 and 01 and 32.", "'4155550132' can be read where no value was said"),
        (CLEAN + " five hundred fifty five, hundred thirty two.", "'55532' can be read where no value was said"),
        (CLEAN.replace("[REDACTED_EMAIL]", "him"), "3 values were planted and only 2 things were replaced"),
        ("", "3 values were planted and only 0 things were replaced"),
    ],
)
def test_a_leak_in_a_spoken_visit_gives_one_clear_line(transcript: str, problem: str) -> None:
    problems = check_replacements(VISIT, transcript).problems
    assert any(line.startswith("visit.wav: ") and problem in line for line in problems), problems


def test_both_versions_of_a_corrected_number_belong_to_its_value() -> None:
    said = "My number is [REDACTED_PHONE] I'll win 4-3, no late, I'll win 4-7. This is [REDACTED_NAME] speaking."
    verdict = check_replacements(INSPECTOR, f"You can reach me at [REDACTED_NAME].net {said}")
    email, phone, name = verdict.replacements
    assert email.problem == "'net' can be read beside the tag"
    assert phone.rest == "4-3 4-7"
    assert name.problem == ""


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (ROW.replace("[REDACTED_NAME]", "Aisha Khan"), "NAME Aisha Khan: it is not replaced"),
        (ROW.replace("[REDACTED_PHONE]", "[REDACTED_PHONE] 0146"), "PHONE +1 312 555 0146: '0146' can be read"),
        (ROW.replace("[REDACTED_ADDRESS]", ""), "ADDRESS 5 Orchard Lane: nothing stands"),
        (ROW.replace("[REDACTED_EMAIL]", "[REDACTED_NAME]"), "EMAIL aisha.khan@example.net: the tag is NAME"),
    ],
)
def test_a_leak_in_a_picture_is_reported_for_its_row(row: str, problem: str) -> None:
    problems = check_replacements(REGISTER, PAGE.replace(ROW + "10:05", row + "10:05")).problems
    assert any(problem in line for line in problems), problems


def test_digits_of_a_typed_value_are_checked_only_in_its_place() -> None:
    medium = Medium("turn 1", "Charge my card 4111 1111. My SSN is 12-3.", (Planted("CC", "4111 1111", "", "turn 1"),))
    assert check_replacements(medium, "Charge my card [REDACTED_CC]. My SSN is 12-3.").problems == []
    assert check_replacements(medium, "Charge my card 4111 [REDACTED_CC]. My SSN is 12-3.").problems


TOY = Medium(
    "toy",
    "My name is Maria Lopez. You can also please write to maria.lopez@example.com. Call me on 4155550132 after noon.",
    (
        Planted("NAME", "Maria Lopez", "", "toy"),
        Planted("EMAIL", "maria.lopez@example.com", "", "toy"),
        Planted("PHONE", "4155550132", "", "toy"),
    ),
)
TOY_CLEAN = (
    "My name is [REDACTED_NAME]. You can also please write to [REDACTED_EMAIL]. Call me on [REDACTED_PHONE] after noon."
)


@pytest.mark.parametrize(
    ("transcript", "stray"),
    [
        (TOY_CLEAN.replace("please write to", "Mario lopers to"), "mario"),
        (TOY_CLEAN.replace("please write to", "Mario lopers to"), "lopers"),
        (TOY_CLEAN.replace("My name is", "lopes marya is"), "lopes"),
        (TOY_CLEAN.replace("My name is", "lopes marya is"), "marya"),
    ],
)
def test_parts_of_values_in_the_place_of_other_words_are_strays(transcript: str, stray: str) -> None:
    assert check_replacements(TOY, TOY_CLEAN).problems == []
    assert f"toy: '{stray}' can be read where no value was said" in check_replacements(TOY, transcript).problems


def test_misheard_values_are_returned_for_the_search_of_other_places() -> None:
    verdict = check_replacements(VISIT, CLEAN.replace("[REDACTED_PHONE]", "for 1555-a-132"))
    assert [value.value for value in misheard_values([verdict])] == ["for 1555-a-132"]
    assert misheard_values([check_replacements(VISIT, CLEAN)]) == []


def test_a_medium_must_contain_its_listed_values() -> None:
    with pytest.raises(ValueError, match="does not hold its NAME"):
        check_replacements(Medium("clip", "Hello.", (Planted("NAME", "Ann Lee", "", "clip"),)), "Hello.")


def test_what_was_heard_of_each_value_is_found() -> None:
    heard = (
        "Hello, my name is Jon Karter. I'm at the Riverside site. You can call me on for 1555-a-132. Or write to "
        "john.carter at xample.com. The meter reads 48217."
    )
    assert heard_values(VISIT, heard) == ["Jon Karter", "for 1555-a-132", "john.carter at xample.com"]
    assert heard_values(VISIT, "") == ["", "", ""]


@pytest.mark.parametrize("visit", VISITS)
def test_each_visit_has_three_voices_and_values_of_its_own(visit: str) -> None:
    media = planted_media(data_folder(VISITS[visit]), VISITS[visit])
    assert len(media) == 3
    assert all(medium.values and check_replacements(medium, medium.said).problems for medium in media)
    others = [m for name in VISITS if name != visit for m in planted_media(data_folder(), VISITS[name])]
    assert not {v.value for m in media for v in m.values} & {v.value for m in others for v in m.values}


def test_in_noise_a_tag_of_another_type_will_do_but_nothing_may_be_read() -> None:
    driver = planted_media(data_folder(VISITS["street"]), ("driver.ogg",))[0]
    text = "Hi, I am here with two pallets of tiles. My name is [REDACTED_NAME]. My mobile number is {}."
    assert check_replacements(driver, text.format("[REDACTED_ID]")).problems == []
    assert check_replacements(driver, text.format("[REDACTED_ID] sorry 417")).problems
    assert check_replacements(driver, text.format("0770094016")).problems
