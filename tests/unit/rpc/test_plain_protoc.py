"""The protos compile with a plain protoc and nothing else: what they import lies beside them, unchanged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import grpc_tools
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.rpc import status_pb2
from protovalidate._gen.buf.validate import validate_pb

ROOT = Path(__file__).resolve().parents[3]
PROTOS = ROOT / "protos"
WELL_KNOWN = Path(grpc_tools.__file__).parent / "_proto"
VENDORED = ("buf/validate/validate.proto", "google/rpc/error_details.proto", "google/rpc/status.proto")
GOOGLE = VENDORED[1:]


def protoc(*arguments: str) -> None:
    """A protoc that knows our folder and what every protoc brings, and has no environment of ours."""
    includes = [f"--proto_path={PROTOS}", f"--proto_path={WELL_KNOWN}"]
    command = [sys.executable, "-m", "grpc_tools.protoc", *includes, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env={})
    assert (done.returncode, done.stderr) == (0, "")


def sources() -> list[str]:
    found = sorted(str(file.relative_to(PROTOS)) for file in PROTOS.rglob("*.proto"))
    assert set(VENDORED) < set(found)
    return found


def test_a_plain_protoc_makes_stubs_that_work(tmp_path: Path) -> None:
    protoc(f"--python_out={tmp_path}", f"--grpc_python_out={tmp_path}", *sources())
    packed = (
        "from vestibule.v1 import conversation_pb2_grpc, media_pb2 as m\n"
        "text = m.UploadRequest.FromString(m.UploadRequest(data=b'123').SerializeToString())\n"
        "print(text.data, conversation_pb2_grpc.ConversationServiceStub.__name__, m.__file__)\n"
    )
    run = [sys.executable, "-c", packed]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True, env={})
    assert done.stdout.split() == ["b'123'", "ConversationServiceStub", f"{tmp_path}/vestibule/v1/media_pb2.py"]


def test_the_validation_rules_are_those_of_the_installed_package(tmp_path: Path) -> None:
    protoc(f"--descriptor_set_out={tmp_path / 'set'}", VENDORED[0])
    (written,) = FileDescriptorSet.FromString((tmp_path / "set").read_bytes()).file
    installed = FileDescriptorProto.FromString(validate_pb._DESC.proto.to_binary())
    for described in (written, installed):
        described.ClearField("options")  # names of packages in other languages; buf has set them anew for the installed
    assert written.SerializeToString(deterministic=True) == installed.SerializeToString(deterministic=True)


@pytest.mark.parametrize("name", GOOGLE)
def test_the_error_details_are_those_of_the_installed_package(name: str) -> None:
    installed = Path(status_pb2.__file__).parent / Path(name).name
    assert (PROTOS / name).read_bytes() == installed.read_bytes()


@pytest.mark.parametrize("name", VENDORED)
def test_what_is_vendored_has_its_licence_and_is_named(name: str) -> None:
    file = PROTOS / name
    assert file.read_text(encoding="utf-8").startswith("// Copyright ")
    assert "Apache License" in (file.parent / "LICENSE").read_text(encoding="utf-8")
    assert f"protos/{name}" in (ROOT / "NOTICE").read_text(encoding="utf-8")


def test_everything_that_is_imported_is_ours_vendored_or_part_of_protoc() -> None:
    there = {*sources(), *(str(file.relative_to(WELL_KNOWN)) for file in WELL_KNOWN.rglob("*.proto"))}
    lines = [line for name in sources() for line in (PROTOS / name).read_text(encoding="utf-8").splitlines()]
    imported = {line.split('"')[1] for line in lines if line.startswith("import ")}
    assert imported
    assert imported <= there
