"""Generate the Python stubs, and build the image that buf lints.

    python protos/build.py stubs      write protos/gen
    python protos/build.py check      fail if protos/gen is not what `stubs` would write
    python protos/build.py lint       buf lint
    python protos/build.py breaking   buf breaking, against the last commit
    python protos/build.py descriptors FILE   write a FileDescriptorSet, for stubs and for clients that load one

buf resolves the protovalidate dependency from its registry. So that nothing but PyPI is needed here, the descriptor of
buf/validate/validate.proto is taken out of the installed protovalidate package, protoc compiles against it, and buf
gets the finished image.
"""

from __future__ import annotations

import filecmp
import subprocess
import sys
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path

from google.protobuf import any_pb2, descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_tools import protoc
from protovalidate._gen.buf.validate import validate_pb

ROOT = Path(__file__).resolve().parent.parent
GENERATED = ROOT / "protos" / "gen"
PLUGINS = [
    f"--plugin=protoc-gen-{name}={Path(sys.executable).parent / f'protoc-gen-{name}'}" for name in ("mypy", "mypy_grpc")
]


def main() -> int:
    """Run one of the commands above."""
    commands = {"stubs": stubs, "check": check, "lint": lint, "breaking": breaking}
    match sys.argv[1:]:
        case ["descriptors", file]:
            return descriptors(Path(file))
        case [command] if command in commands:
            return commands[command]()
    sys.stderr.write(__doc__ or "")
    return 2


def stubs(out: Path = GENERATED) -> int:
    """Write the stubs, typed, for our protos and for the validation rules that they import."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        rules = _rules(Path(scratch))
        # Each directory is a package; the gRPC plugin writes no __init__ of its own.
        outputs = [f"--python_out={out}", f"--mypy_out=quiet:{out}"]
        _protoc(rules, ROOT / "protos", [*outputs, *PLUGINS], ["buf/validate/validate.proto"])
        services = [f"--grpc_python_out={out}", f"--mypy_grpc_out=quiet:{out}"]
        _protoc(rules, ROOT / "protos", [*outputs, *services, *PLUGINS], _sources(ROOT / "protos"))
    for package in ("vestibule", "vestibule/v1", "buf", "buf/validate"):
        (out / package / "__init__.py").write_text("")
    return 0


def check() -> int:
    """Compare what is committed with what would be generated."""
    with tempfile.TemporaryDirectory() as scratch:
        stubs(Path(scratch))
        fresh = {str(p.relative_to(scratch)) for p in Path(scratch).rglob("*.py*") if p.suffix in {".py", ".pyi"}}
        kept = {str(p.relative_to(GENERATED)) for p in GENERATED.rglob("*.py*") if p.suffix in {".py", ".pyi"}}
        stale = (fresh ^ kept) | set(filecmp.cmpfiles(scratch, GENERATED, sorted(fresh & kept), shallow=False)[1])
    for name in sorted(stale):
        sys.stderr.write(f"protos/gen/{name} is stale; run `make protos`\n")
    return int(bool(stale))


def lint() -> int:
    """Run buf lint with the rules of buf.yaml."""
    with tempfile.TemporaryDirectory() as scratch:
        return _buf("lint", str(_image(ROOT / "protos", Path(scratch))))


def breaking() -> int:
    """Run buf breaking against the protos of the last commit, or of the one before when nothing has changed since."""
    git = ["git", "-C", str(ROOT)]
    changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", "protos"], check=False).returncode != 0
    base = "HEAD" if changed else "HEAD~1"
    with tempfile.TemporaryDirectory() as scratch:
        before, now = Path(scratch) / "before", Path(scratch) / "now"
        before.mkdir()
        now.mkdir()
        archive = subprocess.run([*git, "archive", base, "protos"], capture_output=True, check=False)
        if archive.returncode:
            sys.stderr.write(f"{base} has no protos; nothing to compare with\n")
            return 0
        with tarfile.open(fileobj=BytesIO(archive.stdout)) as tar:
            tar.extractall(before, filter="data")
        if not _sources(before / "protos"):
            return 0
        return _buf("breaking", str(_image(ROOT / "protos", now)), "--against", str(_image(before / "protos", before)))


def descriptors(out: Path) -> int:
    """Write a FileDescriptorSet of our protos, what they import, and the messages in which gRPC packs our errors."""
    with tempfile.TemporaryDirectory() as scratch:
        found = descriptor_pb2.FileDescriptorSet.FromString(_image(ROOT / "protos", Path(scratch)).read_bytes())
    for module in (any_pb2, status_pb2, error_details_pb2):  # each behind what it imports
        module.DESCRIPTOR.CopyToProto(found.file.add())
    out.write_bytes(found.SerializeToString())
    return 0


def _rules(scratch: Path) -> Path:
    """Write a descriptor set with the validation rules and what they import."""
    found = descriptor_pb2.FileDescriptorSet()
    for module in (descriptor_pb2, duration_pb2, timestamp_pb2, field_mask_pb2):
        module.DESCRIPTOR.CopyToProto(found.file.add())
    found.file.add().ParseFromString(validate_pb._DESC.proto.to_binary())
    target = scratch / "rules.binpb"
    target.write_bytes(found.SerializeToString())
    return target


def _sources(root: Path) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in root.glob("vestibule/**/*.proto"))


def _protoc(rules: Path, root: Path, outputs: list[str], sources: list[str]) -> None:
    arguments = ["protoc", f"--descriptor_set_in={rules}", f"--proto_path={root}", *outputs, *sources]
    if protoc.main(arguments) != 0:
        raise SystemExit("protoc failed")


def _image(root: Path, scratch: Path) -> Path:
    image = scratch / "image.binpb"
    _protoc(
        _rules(scratch),
        root,
        ["--include_imports", "--include_source_info", f"--descriptor_set_out={image}"],
        _sources(root),
    )
    return image


def _buf(*arguments: str) -> int:
    executable = Path(sys.executable).parent / "buf"
    return subprocess.run([str(executable), *arguments], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
