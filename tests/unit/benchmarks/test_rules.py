"""The rule ablation takes one component out at a time."""

from __future__ import annotations

import sys
from contextlib import ExitStack

from benchmarks._rule_parts import components
from models.redaction.recognizers.all import ALL
from models.redaction.recognizers.filters.quantity_context import is_harmless
from models.redaction.recognizers.identity.identifiers import NATIONAL
from models.redaction.slots import filling


def functions() -> dict[tuple[str, str], int]:
    """Every attribute of every loaded module of redaction."""
    modules = {name: module for name, module in sys.modules.items() if name.startswith("models.redaction")}
    return {(name, key): id(value) for name, module in modules.items() for key, value in vars(module).items()}


def test_every_component_is_taken_out_and_put_back() -> None:
    before, address_of = functions(), vars(filling)["address_of"]
    filtered = next(each for each in NATIONAL if each.unless is is_harmless)
    found = list(components(ALL))
    assert len({component.name for component in found}) == len(found)
    for component in found:
        with ExitStack() as stack:
            component.remove(stack)
            assert component.name != "filter is_harmless" or filtered.unless is not is_harmless
            assert component.name != "step address_of" or vars(filling)["address_of"] is not address_of
        assert functions() == before
        assert filtered.unless is is_harmless


def test_a_recognizer_is_left_out_by_its_name() -> None:
    component = next(each for each in components(ALL) if each.name == "recognizer phone")
    assert component.recognizer == "phone" and component.take_out is None
