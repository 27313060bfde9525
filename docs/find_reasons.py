"""Which gRPC statuses go with each reason, found by reading the calls that make errors in the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from models import errors
from models.errors import VestibuleError
from server.rpc.interceptors.errors import status_code

ROOT = Path(__file__).resolve().parents[1]

_MAKERS = {"failed": errors.UpstreamFailed, "Notice": None}
"""Functions of ours that take a reason as their first argument, with the class of error that they make."""

_REASON = re.compile(r"[A-Z][A-Z0-9_]+\Z")


def statuses_of_reasons() -> dict[str, set[str]]:
    """Every reason that the code can give, with the gRPC statuses that go with it where they can be seen."""
    found: dict[str, set[str]] = {}
    for error in _classes().values():
        found.setdefault(error.default_reason, set()).add(status_code(error("")).name)
    for layer in ("models", "ray_tasks", "server"):
        for file in sorted((ROOT / layer).rglob("*.py")):
            for reason, error_name in _literals(ast.parse(file.read_text(encoding="utf-8"))):
                made_by = _classes().get(error_name)
                statuses = found.setdefault(reason, set())
                if made_by is not None:
                    statuses.add(status_code(made_by("", reason=reason)).name)
    return found


def _classes() -> dict[str, type[VestibuleError]]:
    return {n: c for n, c in vars(errors).items() if isinstance(c, type) and issubclass(c, VestibuleError)}


def _literals(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            maker = ast.unparse(node.func).rpartition(".")[2]
            for keyword in node.keywords:
                if keyword.arg == "reason" and (reason := _reason(keyword.value)):
                    yield reason, maker
            if maker in _MAKERS and node.args and (reason := _reason(node.args[0])):
                made = _MAKERS[maker]
                yield reason, made.__name__ if made else ""
        elif isinstance(node, ast.Tuple):  # a row of a table that maps foreign errors to ours
            names = [e.id for e in node.elts if isinstance(e, ast.Name) and e.id in _classes()]
            for element in node.elts:
                reason = _reason(element)
                if names and reason:
                    yield reason, names[0]


def _reason(node: ast.expr) -> str:
    good = isinstance(node, ast.Constant) and isinstance(node.value, str) and _REASON.match(node.value)
    return str(node.value) if good and isinstance(node, ast.Constant) else ""
