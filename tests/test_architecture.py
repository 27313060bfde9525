"""Checks the layers protos <- models <- ray_tasks <- server, and that some things happen in one place only.

Works on the syntax trees, so deferred imports count too.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

import pytest

from tests.source_tree import LAYERS, ROOT, STUBS, Module, first, imports, modules, nodes, places, where

# Where a broad except is the point of the code: an edge at which anything at all becomes an answer or a log line.
BROAD_EXCEPT_EDGES = {
    "models/speech/whisper/batcher.py",  # the thread hands whatever the decoder raised to whoever waits for it
    "server/app.py",  # whatever ends the server is its last line, with a reason
    "server/mirror_app.py",  # the same of a mirror of its own
    "server/rpc/interceptors/errors.py",  # a defect becomes INTERNAL without a trace
    "server/ledger/write_queue.py",  # the writer's thread hands whatever a function raised to whoever waits for it
    "server/ledger/group_commit.py",  # the same, for functions that share a transaction
    "server/ledger/readers.py",  # the same, for functions that read
    "server/doctor/run.py",  # a check that fails must not hide what the others find
    "server/mirror.py",  # one round that fails must not end the others
    "server/relay.py",  # one refresh that fails must not end the others
    "server/housekeeping.py",  # one work that fails must not end the others
    "server/runtime/daemon_thread.py",  # the thread hands whatever the work raised to whoever waits for it
    "server/rpc/flood_guard.py",  # nobody waits for its thread, which has to go on
    "ray_tasks/ray_process.py",  # nobody waits for the candidate, so nobody would be told
}


def test_all_layers_are_read() -> None:
    read = {first(m.name) for m in modules()}
    assert read == set(LAYERS)
    assert len(modules()) > 40
    assert any(i.target.startswith("ray.") or i.target == "ray" for m in modules() for i in imports(m)), (
        "the walk sees no import of ray, so it would see nothing wrong either"
    )


def test_imports_go_downwards_only() -> None:
    def wrong() -> Iterator[str]:
        for module in modules():
            allowed = {*STUBS, *LAYERS[: LAYERS.index(first(module.name)) + 1]}
            for found in imports(module):
                if first(found.target) in {*LAYERS, "tests", "benchmarks"} - allowed:
                    yield f"{where(module, found.line)} imports {found.target}"

    assert places(wrong()) == []


@pytest.mark.parametrize(
    ("library", "allowed"),
    [
        ("ray", ("ray_tasks/",)),
        ("grpc", ("server/", "ray_tasks/auth_token.py")),  # asks a cluster without the token that Ray would add
        ("grpc_status", ("server/rpc/interceptors/", "server/cli/")),
        ("duckdb", ("server/ledger/", "server/analytics/", "server/cli/")),
        ("psycopg", ("server/ledger/postgres/",)),  # an extra: the embedded ledger works without it
        ("openai", ("server/llm/", "server/app.py")),
        ("pybreaker", ("server/breakers/",)),
        (
            "vestibule",
            ("server/rpc/convert.py", "server/services/", "server/console/", "server/cli/", "server/operations/"),
        ),
        ("pydantic_settings", ("server/settings.py",)),
        (
            "opentelemetry",
            (
                "models/tracing/",
                "ray_tasks/span_export.py",
                # The kinds of spans.
                "ray_tasks/supervised_gateway.py",
                "ray_tasks/tracing.py",
                "server/jobs/attempt.py",
                "server/llm/chat_span.py",
                "server/rpc/interceptors/trace.py",
            ),
        ),
        ("click", ("server/cli/",)),
        ("rich", ("server/cli/",)),
        # It takes 100 MB, and is loaded in a process of its own.
        ("sklearn", ("server/risk/calibration.py", "server/risk/checking.py", "server/risk/learners.py")),
    ],
)
def test_each_library_is_imported_only_by_its_own_modules(library: str, allowed: tuple[str, ...]) -> None:
    def wrong() -> Iterator[str]:
        for module in modules():
            for found in imports(module):
                if first(found.target) == library and not module.path.startswith(allowed):
                    yield f"{where(module, found.line)} imports {found.target}"

    assert places(wrong()) == []


def test_models_know_no_network_no_database_and_no_environment() -> None:
    forbidden = {"grpc", "ray", "duckdb", "openai", "httpx", "requests", "socket", "starlette", "vestibule"}

    def wrong() -> Iterator[str]:
        for module in modules():
            if first(module.name) == "models":
                for found in imports(module):
                    if first(found.target) in forbidden:
                        yield f"{where(module, found.line)} imports {found.target}"

    assert places(wrong()) == []


def test_only_settings_read_the_environment() -> None:
    def reads(node: ast.AST) -> bool:
        if isinstance(node, ast.Attribute):
            ours = isinstance(node.value, ast.Name) and node.value.id in {"os", "posix"}  # psutil has other processes'
            return ours and node.attr in {"environ", "environb", "getenv", "getenvb"}
        if isinstance(node, ast.Import):
            return any(alias.name == "os" and alias.asname for alias in node.names)  # an alias would hide it
        return isinstance(node, ast.ImportFrom) and node.module == "os" and any("env" in a.name for a in node.names)

    def wrong() -> Iterator[str]:
        for module in modules():
            if module.path == "server/settings.py":
                continue
            for node in nodes(module):
                if reads(node) and not _writes_only(module, node):
                    yield where(module, getattr(node, "lineno", 0))

    assert places(wrong()) == []


def _writes_only(module: Module, node: ast.AST) -> bool:
    """Ray takes some options from the environment alone; its layer may set them, not read them."""
    if not module.path.startswith("ray_tasks/"):
        return False
    for parent in nodes(module):
        if isinstance(parent, ast.Subscript) and parent.value is node and isinstance(parent.ctx, ast.Store | ast.Del):
            return True
        mutates = isinstance(parent, ast.Attribute) and parent.attr in {"setdefault", "update", "pop"}
        if mutates and isinstance(parent, ast.Attribute) and parent.value is node:
            return True
    return False


@pytest.mark.parametrize(
    ("attribute", "allowed"),
    [
        ("_seal", ("models/redaction/redacted_text.py", "models/text.py")),
        ("restore", ("server/ledger/", "models/text.py")),
        ("_BUILT_BY_REDACTOR", ("models/text.py",)),
    ],
)
def test_redacted_text_is_constructed_only_where_redaction_happens(attribute: str, allowed: tuple[str, ...]) -> None:
    def wrong() -> Iterator[str]:
        for module in modules():
            if module.path.startswith(allowed):
                continue
            for node in nodes(module):
                named = isinstance(node, ast.Attribute) and node.attr == attribute
                owned = named and isinstance(node, ast.Attribute) and "RedactedText" in ast.unparse(node.value)
                if owned or (isinstance(node, ast.Name) and node.id == attribute):
                    yield where(module, getattr(node, "lineno", 0))

    assert places(wrong()) == []


def test_words_of_spans_are_made_of_settings_and_protos_alone() -> None:
    """Any other string must be on the list of its attribute, so that no span can hold what a client sent."""
    allowed = {"server/rpc/interceptors/trace.py", "server/llm/openai_client.py"}

    def makers() -> Iterator[str]:
        for module in modules():
            for node in nodes(module):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Configured":
                    yield module.path

    assert set(makers()) == allowed


def test_redacted_text_has_no_alias() -> None:
    """An alias would hide constructions from the test above."""

    def wrong() -> Iterator[str]:
        for module in modules():
            for node in nodes(module):
                if isinstance(node, ast.ImportFrom):
                    for alias in node.names:
                        if alias.name == "RedactedText" and alias.asname:
                            yield where(module, node.lineno)

    assert places(wrong()) == []


def test_only_the_command_line_and_training_print() -> None:
    def wrong() -> Iterator[str]:
        for module in modules():
            if module.path.startswith(("server/cli/", "models/training/")):
                continue
            for node in nodes(module):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
                    yield where(module, node.lineno)

    assert places(wrong()) == []


def test_one_module_opens_the_channels_of_our_clients() -> None:
    """What every connection needs, such as TLS, would be missing from a channel that is opened elsewhere."""

    def opened() -> Iterator[str]:
        for module in modules():
            for node in nodes(module):
                if isinstance(node, ast.Attribute) and node.attr in {"insecure_channel", "secure_channel"}:
                    yield module.path
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("grpc"):
                    yield from (module.path for a in node.names if a.name in {"insecure_channel", "secure_channel"})

    probe = "ray_tasks/auth_token.py"  # asks a Ray cluster whether it refuses a call
    assert places(opened()) == [probe, "server/cli/channel.py"]


def test_every_python_is_started_without_the_working_folder_on_its_path() -> None:
    """``models/child_python.py`` says why. A pool of processes starts its Pythons by itself."""
    pools = {"multiprocessing", "concurrent.futures.process"}

    def wrong() -> Iterator[str]:
        for module in modules():
            # The first starts the children; the others are not shipped, and run in the checkout alone.
            if module.path.startswith(("models/child_python.py", "models/training/")):
                continue
            for node in nodes(module):
                if isinstance(node, ast.Attribute) and node.attr in {"executable", "ProcessPoolExecutor"}:
                    yield where(module, node.lineno)
            for found in imports(module):
                if found.target in pools or "ProcessPool" in found.target or first(found.target) == "multiprocessing":
                    yield f"{where(module, found.line)} imports {found.target}"

    printed = "server/cli/demo/runner.py"  # says where the command is
    assert {place.partition(":")[0] for place in wrong()} == {printed}


def test_broad_excepts_are_only_at_boundaries() -> None:
    broad = {"Exception", "BaseException"}

    def wrong() -> Iterator[str]:
        for module in modules():
            if module.path in BROAD_EXCEPT_EDGES:
                continue
            for node in nodes(module):
                if isinstance(node, ast.ExceptHandler):
                    names = {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)} if node.type else broad
                    if names & broad and not _passes_on(node):
                        yield where(module, node.lineno)

    assert places(wrong()) == []


def _passes_on(handler: ast.ExceptHandler) -> bool:
    """Whether it cleans up and raises the same again."""
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


ORDER = {
    "models.redaction": (
        "flow_words types entities lexicons normalize commands redacted_text spans patterns countries dialogue_context "
        "itn recognizers slots postprocess ner own_model policy detection draft safety sealing stages own_values "
        "redactor streaming explain adding"
    ),
    "models.speech": "types muting endpointing whisper adding engines",
    "server": (
        "validators times key_places languages observability runtime flows ledger sealed funnel experiments alerts "
        "reports breakers llm setting_groups risk settings access rpc records mirror membership relay speech_models "
        "tls preflight cluster_config analytics sandbox uploads erasure backup housekeeping jobs streaming services "
        "grpc_server console wiring app mirror_app doctor cli operations"
    ),
}
"""The folders and files of a package from the lowest to the highest. One may import those before it only."""


@pytest.mark.parametrize("package", ORDER)
def test_no_import_runs_upward_between_folders(package: str) -> None:
    rank = {name: place for place, name in enumerate(ORDER[package].split())}

    def part_of(dotted: str) -> str | None:
        return dotted.removeprefix(f"{package}.").partition(".")[0] if dotted.startswith(f"{package}.") else None

    def wrong() -> Iterator[str]:
        for module in modules():
            own = part_of(module.name)
            if own is not None and own not in rank:
                yield f"{module.path} has no place in ORDER"
            for found in imports(module):
                other = part_of(found.target)
                if own in rank and other in rank and rank[other] > rank[own]:
                    yield f"{where(module, found.line)} imports {found.target}"

    assert places(wrong()) == []


def test_imports_have_no_cycles() -> None:
    """Deferred imports count; imports for the type checker alone do not."""
    known = {m.name for m in modules()}
    edges: dict[str, set[str]] = {}
    for module in modules():
        for found in imports(module):
            target = found.target if found.target in known else found.target.rpartition(".")[0]
            if target in known and target != module.name and not found.type_checking:
                edges.setdefault(module.name, set()).add(target)
    assert _cycle(edges) == []


def _cycle(edges: dict[str, set[str]]) -> list[str]:
    done: set[str] = set()

    def visit(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        for following in sorted(edges.get(node, ())):
            if found := visit(following, [*path, node]):
                return found
        done.add(node)
        return []

    for start in sorted(edges):
        if found := visit(start, []):
            return found
    return []


def test_the_cycle_search_finds_a_known_cycle() -> None:
    assert _cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert _cycle({"a": {"b", "c"}, "b": {"c"}}) == []


def test_every_package_is_in_the_distribution() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = set(project["tool"]["setuptools"]["packages"])
    there = {m.package for m in modules()} | {m.name for m in modules() if m.path.endswith("__init__.py")}
    unshipped = {"models.training", "models.training.spoken"}
    assert there - listed == unshipped, "training makes the shipped files; it is not shipped itself"


def test_nothing_that_is_shipped_needs_training() -> None:
    def wrong() -> Iterator[str]:
        for module in modules():
            if not module.path.startswith("models/training/"):
                for found in imports(module):
                    if found.target.startswith("models.training"):
                        yield f"{where(module, found.line)} imports {found.target}"

    assert places(wrong()) == []


def test_files_are_short() -> None:
    """A file of more than 330 lines should be split; the goal is 300."""
    table = "models/reasons.py"  # one enumeration of rows, which Python cannot put into several files
    long = {m.path: lines for m in modules() if (lines := len((ROOT / m.path).read_text().splitlines())) > 330}
    assert long.keys() <= {table}


def test_runs_on_a_supported_python() -> None:
    assert sys.version_info >= (3, 11)
