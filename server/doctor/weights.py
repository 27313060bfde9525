"""Whether the model weights are in the cache, and are the pinned ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from models.amounts import size_text
from models.errors import WeightsError
from models.weights.added import added_names
from models.weights.store import ALL, locate, verify
from server.doctor.results import Finding, Situation, ok, problem, refused, warning
from server.runtime.folders import nearest_existing
from server.runtime.free_bytes import free_bytes


def check_weights(situation: Situation) -> Iterator[Finding]:
    """Compare the SHA-256 of every file that the server loads."""
    cache, missing, whole = situation.settings.weights_dir, [], 0
    for name in situation.weights:
        if not _is_placed(name, cache):
            missing.append(name)
            continue
        try:
            verify(name, cache)
            whole += 1
        except WeightsError as error:
            yield refused(f"weights {name}", error)
    if whole:
        yield ok("weights", f"{whole} of {len(situation.weights)} models are in the cache, and every byte is right.")
    if missing:
        yield _missing(missing, cache)


def _is_placed(name: str, cache: Path) -> bool:
    try:
        locate(name, cache)
    except WeightsError:
        return False
    return True


def _missing(names: list[str], cache: Path) -> Finding:
    if broken := [name for name in names if name in added_names(cache)]:
        found = f"{', '.join(broken)}: files of a model that was added are missing, or cut short."
        return problem("weights", found, "`vestibule models remove` it, then `vestibule models add` it again.")
    if unknown := [name for name in names if name not in ALL]:
        found = f"{', '.join(unknown)}: there are no weights of this name."
        return problem("weights", found, "`vestibule models list` has the names.")
    needed, free = sum(ALL[name].size_bytes for name in names), free_bytes(nearest_existing(cache))
    found = f"Not in the cache: {', '.join(names)} ({size_text(needed)})."
    if free < needed:
        return problem("weights", f"{found} Only {size_text(free)} are free.", "Make room, or set VESTIBULE_CACHE_DIR.")
    hint = "The next start fetches them, which needs the network. `vestibule models fetch` does it now."
    return warning("weights", found, hint)
