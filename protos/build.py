"""Generate the Python stubs, and lint the protos.

    python protos/build.py stubs      write protos/gen
    python protos/build.py check      fail if protos/gen is not what `stubs` would write
    python protos/build.py lint       buf lint
    python protos/build.py breaking   buf breaking, against the last commit

Everything that the protos import lies beside them, so nothing but PyPI is needed here, and a plain protoc elsewhere.
"""

from __future__ import annotations

import filecmp
import subprocess
import sys
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
GENERATED = PROTOS / "gen"
INCLUDED = Path(grpc_tools.__file__).parent / "_proto"
"""google/protobuf, which every other protoc finds by itself."""
PLUGINS = [
    f"--plugin=protoc-gen-{name}={Path(sys.executable).parent / f'protoc-gen-{name}'}" for name in ("mypy", "mypy_grpc")
]


def main() -> int:
    """Run one of the commands above."""
    commands = {"stubs": stubs, "check": check, "lint": lint, "breaking": breaking}
    match sys.argv[1:]:
        case [command] if command in commands:
            return commands[command]()
    sys.stderr.write(__doc__ or "")
    return 2


def stubs(out: Path = GENERATED) -> int:
    """Write the stubs, typed, for our protos and for the validation rules that they import."""
    out.mkdir(parents=True, exist_ok=True)
    # Each directory is a package; the gRPC plugin writes no __init__ of its own.
    outputs = [f"--python_out={out}", f"--mypy_out=quiet:{out}", *PLUGINS]
    _protoc([PROTOS], outputs, ["buf/validate/validate.proto"])
    services = [f"--grpc_python_out={out}", f"--mypy_grpc_out=quiet:{out}"]
    _protoc([PROTOS], [*outputs, *services], _sources(PROTOS))
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
    return _buf("lint")


def breaking() -> int:
    """Run buf breaking against the protos of the last commit, or of the one before when nothing has changed since."""
    git = ["git", "-C", str(ROOT)]
    changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", "protos"], check=False).returncode != 0
    base = "HEAD" if changed else "HEAD~1"
    with tempfile.TemporaryDirectory() as scratch:
        before, image = Path(scratch) / "protos", Path(scratch) / "image.binpb"
        archive = subprocess.run([*git, "archive", base, "protos"], capture_output=True, check=False)
        if archive.returncode:
            sys.stderr.write(f"{base} has no protos; nothing to compare with\n")
            return 0
        with tarfile.open(fileobj=BytesIO(archive.stdout)) as tar:
            tar.extractall(scratch, filter="data")
        if not _sources(before):
            return 0
        # A commit from before the imports lay beside the protos takes those of today.
        _protoc([before, PROTOS], ["--include_imports", f"--descriptor_set_out={image}"], _sources(before))
        return _buf("breaking", "--against", str(image))


def _sources(root: Path) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in root.glob("vestibule/**/*.proto"))


def _protoc(roots: list[Path], outputs: list[str], sources: list[str]) -> None:
    arguments = ["protoc", *(f"--proto_path={root}" for root in [*roots, INCLUDED]), *outputs, *sources]
    if protoc.main(arguments) != 0:
        raise SystemExit("protoc failed")


def _buf(*arguments: str) -> int:
    executable = Path(sys.executable).parent / "buf"
    return subprocess.run([str(executable), *arguments], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
