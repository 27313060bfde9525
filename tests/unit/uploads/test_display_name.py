"""Names of uploads are never paths, and are stored redacted or not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from models.errors import Unavailable
from models.redaction.redactor import LocalRedactor
from models.redaction.types import Redaction, RedactionContext, Redactor
from models.text import RawText
from server.ledger import sessions, streams, uploads
from server.ledger.columns import Cursor
from server.ledger.types import SessionRow, UploadRow
from server.rpc import convert
from server.uploads.display_name import DisplayNames
from tests.fakes.gateway import FakeGateway
from tests.unit.jobs.form_helpers import ReadingGateway
from tests.unit.ledger.makers import session, stream
from tests.unit.uploads.upload_harness import JPEG, UploadHarness

TRAVERSALS = [
    "../../../etc/passwd",
    "..\\..\\..\\etc\\passwd",
    "/etc/passwd",
    "....//....//etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "\uff0e\uff0e\uff0f\uff0e\uff0e\uff0fetc\uff0fpasswd",
    "photo.jpg\0/../../etc/passwd",
    "file:///etc/passwd",
]


def everything_below(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


async def stored(harness: UploadHarness, upload_id: str) -> UploadRow:
    return await harness.ledger.read(lambda cursor: uploads.get(cursor, upload_id))


@pytest.mark.parametrize("name", TRAVERSALS)
async def test_path_traversal_in_a_name_goes_nowhere(harness: UploadHarness, tmp_path: Path, name: str) -> None:
    before = everything_below(tmp_path)
    row = await harness.accept(display_name=name)
    ledger = harness.ledger.path
    harness.ledger.close()  # writes everything into the file
    made = everything_below(tmp_path)
    new = {path for path in made if path not in before and not path.name.startswith(ledger.name)}
    [media] = new
    assert media.parent == harness.folder
    assert str(UUID(media.name)) == media.name, "named by an id of the server's"
    assert media.name != row.id, "not by one of the client's"
    for content in made.values():
        for trace in (name, "etc/passwd", "etc\\passwd", "etc%2fpasswd", "../..", "..\\.."):
            assert trace.encode() not in content


async def test_a_name_is_kept_for_people(harness: UploadHarness) -> None:
    row = await harness.accept(display_name="C:\\Photos\\meter_kitchen.JPG")
    assert row.display_name is not None
    assert row.display_name.value == "meter kitchen.jpg"
    kept = await stored(harness, row.id)
    assert kept.display_name == row.display_name
    assert convert.upload(kept).display_name.value == "meter kitchen.jpg"


async def test_a_name_of_a_person_is_redacted(harness: UploadHarness) -> None:
    secrets = {"Maria Lopez": "NAME", "1980-05-01": "DATE"}
    named = replace(harness, gateway=FakeGateway(secrets=secrets))
    row = await named.accept(display_name="MariaLopez_1980-05-01-scan.jpg")
    assert row.display_name is not None
    assert row.display_name.value == "[REDACTED_NAME] [REDACTED_DATE] scan.jpg"
    assert set(row.display_name.counts) == {"DATE", "NAME"}


@pytest.mark.parametrize("name", ["maria.lopez.jpg", "maria-lopez.jpg", "maria_lopez.jpg", "maria+lopez.jpg"])
async def test_words_are_read_whatever_stands_between_them(harness: UploadHarness, name: str) -> None:
    named = replace(harness, gateway=FakeGateway(secrets={"maria lopez": "NAME"}))
    row = await named.accept(display_name=name)
    assert row.display_name is not None
    assert row.display_name.value == "[REDACTED_NAME].jpg"


async def test_a_name_is_read_in_the_language_that_its_session_has_detected(harness: UploadHarness) -> None:
    def begin(cursor: Cursor) -> SessionRow:
        row, _ = sessions.insert_or_get(cursor, replace(session(), language=""))
        streams.insert_stream(cursor, replace(stream(row.id), language="de"))
        return row

    detected = await harness.ledger.write(begin)
    reading = replace(harness, gateway=ReadingGateway(), session=detected)
    row = await reading.accept(display_name="Handy null sechs sechs vier eins zwei drei vier fünf sechs sieben.jpg")
    assert row.display_name is not None
    assert row.display_name.value == "Handy [REDACTED_PHONE].jpg"


async def test_a_name_that_cannot_be_redacted_is_not_kept(harness: UploadHarness) -> None:
    gateway = FakeGateway()
    gateway.will("redact", Unavailable("The redactor cannot be reached."))
    row = await replace(harness, gateway=gateway).accept(display_name="maria.jpg")
    assert row.display_name is None
    assert len(harness.files()) == 1, "the upload itself is accepted"


@pytest.mark.parametrize("name", ["", "..", ".jpg.", "\u202e"])
async def test_without_a_name_nobody_asks_the_redactor(harness: UploadHarness, name: str) -> None:
    row = await harness.accept(JPEG, display_name=name)
    assert (row.display_name.value if row.display_name else "") in ("", "jpg")
    assert len(harness.gateway.called("redact")) == (name == ".jpg.")


class RedactingGateway(FakeGateway):
    """Redacts with a redactor."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    async def redact(self, texts: list[RawText], context: RedactionContext, *, timeout_s: float) -> list[Redaction]:
        """See ``Gateway``."""
        return self._redactor.redact_many(texts, context)


@pytest.mark.models
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("dash.png", "dash.png"),
        ("left.jpg", "left.jpg"),
        ("Tacho.jpg", "Tacho.jpg"),
        ("scratch_rear_left.jpg", "scratch rear left.jpg"),
        ("maria.jpg", "[REDACTED_NAME].jpg"),
        ("maria_left.jpg", "[REDACTED_NAME].jpg"),  # what stands beside a name may be the rest of it
        ("Peter_Dash.jpg", "[REDACTED_NAME].jpg"),
        ("rose.jpg", "[REDACTED_NAME].jpg"),
    ],
)
@pytest.mark.parametrize("language", ["en", "de", ""])
async def test_a_common_word_is_kept_and_a_name_is_not(
    real_redactor: LocalRedactor, name: str, shown: str, language: str
) -> None:
    names = DisplayNames(RedactingGateway(real_redactor))
    kept = await names.redacted(name, session(), language)
    assert kept is not None
    assert kept.value == shown
