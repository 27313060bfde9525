"""Forms with files, on content that nobody chose."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InvalidInput
from server.console.multipart import MOST_PARTS, form_parts

BOUNDARY = "----WebKitFormBoundaryAbC123"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def form(content: bytes, name: str = "file", file_name: str = "p.jpg", times: int = 1) -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"; filename="{file_name}"\r\nContent-Type: image/jpeg'
    one = f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + content + b"\r\n"
    kind = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="kind"\r\n\r\nmeter\r\n'.encode()
    return kind + one * times + f"--{BOUNDARY}--\r\n".encode()


@given(st.binary(max_size=3000))
def test_a_file_comes_out_as_it_went_in(content: bytes) -> None:
    parts = form_parts(form(content), TYPE)
    assert parts["file"].content == content
    assert (parts["file"].file_name, parts["file"].media_type) == ("p.jpg", "image/jpeg")
    assert (parts["kind"].content, parts["kind"].file_name) == (b"meter", "")


@given(st.binary(max_size=400), st.text(max_size=60))
def test_nothing_but_such_a_form_is_read(body: bytes, content_type: str) -> None:
    for kind in (content_type, TYPE):
        with pytest.raises(InvalidInput):
            form_parts(body, kind)


def test_a_form_that_is_cut_off_or_has_too_many_fields_is_refused() -> None:
    whole = form(b"picture")
    for wrong in (whole[:-8], form(b"x", times=MOST_PARTS + 1), whole.replace(b'name="file"', b"name")):
        with pytest.raises(InvalidInput):
            form_parts(wrong, TYPE)
    assert form_parts(form(b"x", file_name="größe 1.jpg"), TYPE)["file"].file_name == "größe 1.jpg"
