"""The image: what is copied into it, as whom it runs, and that nothing secret can get in."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from deploy.image import install
from server.settings import Settings
from tests.source_tree import ROOT
from tests.unit.deploy.files import IMAGE, containerfile, instructions, last_stage, variables

KNOWN = {
    *("ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "RUN", "STOPSIGNAL", "USER"),
    *("VOLUME", "WORKDIR"),
}
LOCK = (ROOT / "requirements.hashes").read_text(encoding="utf-8")


def copied() -> list[str]:
    """The paths of the repository that get into a stage."""
    lines = (shlex.split(rest) for word, rest in containerfile() if word == "COPY" and "--from" not in rest)
    return [path for line in lines for path in line[:-1]]


def allowed() -> list[str]:
    """The paths that the ignore file lets through."""
    lines = (IMAGE / "Containerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert next(line for line in lines if line and not line.startswith("#")) == "*", "all else is left out"
    return [line[1:] for line in lines if line.startswith("!")]


def value(word: str) -> str:
    """What stands after an instruction of the last stage that it has once."""
    [found] = [rest for other, rest in last_stage() if other == word]
    return found


def test_continued_lines_and_comments_are_read() -> None:
    text = "# a comment\nRUN one \\\n    && two\n  # another\nuser 5\n"
    assert instructions(text) == [("RUN", "one  && two"), ("USER", "5")]


def test_every_instruction_is_known() -> None:
    assert {word for word, _ in containerfile()} <= KNOWN


def test_every_copied_path_exists_and_passes_the_ignore_file() -> None:
    for path in copied():
        assert (ROOT / path).exists(), path
        assert path in allowed(), path
    assert set(allowed()) == set(copied()), "what is let through and not copied slows every build"


def test_every_stage_that_is_copied_from_comes_before() -> None:
    stages: set[str] = set()
    for word, rest in containerfile():
        if source := re.search(r"--from=(\S+)", rest):
            assert source[1] in stages
        if word == "FROM" and " AS " in rest:
            stages.add(rest.partition(" AS ")[2])
    assert stages == {"builder", "sbom", "weights"}


def test_nothing_that_may_hold_a_secret_is_copied() -> None:
    assert not {Path(path).parts[0] for path in copied()} & {".git", ".venv", ".", "build", "demo-output"}
    lines = (IMAGE / "Containerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert {"**/.env", "**/*.key", "**/*.pem"} <= set(lines)


def test_it_runs_as_a_user_with_a_number() -> None:
    """Kubernetes checks runAsNonRoot by the number, and cannot do so with a name."""
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", value("USER"))


def test_the_settings_of_the_image_exist_and_write_to_the_volume_alone() -> None:
    given = {name.removeprefix("VESTIBULE_").lower(): text for name, text in variables().items()}
    folders = {name: text for name, text in given.items() if name.endswith("_dir")}
    assert set(folders) <= set(Settings.model_fields)
    assert {name for name, text in folders.items() if text.startswith(value("VOLUME"))} == {"data_dir", "state_dir"}
    assert variables()["HOME"] == value("VOLUME")


def test_the_health_check_and_the_command_are_lists() -> None:
    """As text they would run in a shell, which passes no signal on."""
    command = [*json.loads(value("ENTRYPOINT")), *json.loads(value("CMD"))]
    assert command == ["tini", "--", "vestibule", "serve"]
    assert json.loads(value("HEALTHCHECK").partition(" CMD ")[2]) == ["vestibule", "health"]
    assert value("STOPSIGNAL") == "SIGTERM"


def test_the_version_is_that_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert ("ARG", f"VERSION={project['version']}") in last_stage()


def test_the_packages_are_those_that_the_server_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["postgres"]]
    assert install.wanted((ROOT / "pyproject.toml").read_text(encoding="utf-8")) == wanted
    assert not set(wanted) & set(extras["dev"])


@pytest.mark.parametrize("variant", ["cpu", "cuda"])
def test_every_package_is_compared_with_the_lock_but_the_build_of_pytorch(variant: str) -> None:
    runs = install.commands(variant, "https://torch.example", LOCK)
    without = [run for run in runs if "--require-hashes" not in run]
    torch = ["--no-deps", "--index-url", "https://torch.example", f"torch=={install.locked_version(LOCK, 'torch')}+cpu"]
    assert without == ([torch] if variant == "cpu" else [])


def test_only_one_package_may_come_as_a_source_archive() -> None:
    for run in install.commands("cpu", "", LOCK):
        if "--require-hashes" in run:
            assert "--only-binary" in run
            assert run.count("--no-binary") <= 1
    assert install.locked_version(LOCK, install.WITHOUT_WHEEL)


def test_a_wrong_variant_and_a_package_that_is_not_locked_are_refused() -> None:
    with pytest.raises(ValueError, match="cpu or cuda"):
        install.commands("gpu", "", LOCK)
    with pytest.raises(ValueError, match="does not have torch"):
        install.locked_version("torchvision==1.0\n", "torch")


@pytest.mark.parametrize("name", ["pip", "sbom"])
def test_the_tools_of_the_build_are_pinned_with_hashes(name: str) -> None:
    text = re.sub(r"^#.*\n", "", (IMAGE / f"{name}.txt").read_text(encoding="utf-8"), flags=re.MULTILINE)
    blocks = re.split(r"\n(?=\S)", text.strip())
    assert all("==" in block.splitlines()[0] and "--hash=sha256:" in block for block in blocks)
    wanted = (IMAGE / f"{name}.in").read_text(encoding="utf-8").split()
    assert {re.split("[=<>~]", line)[0] for line in wanted} <= {block.partition("==")[0] for block in blocks}
