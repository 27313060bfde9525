"""What a flow seals: its personal fields with keep sealed or hash, for the field that is asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from models.errors import InvalidInput
from models.sealed_values import SealRequest, SealTarget, written_public_key
from server.flows.catalogue import Flows
from server.flows.loader import parse_flow
from server.sealed.keys import SealKeys
from server.sealed.requests import FlowSeals, SameSeals
from tests.unit.ledger.makers import session

PRIVATE = X25519PrivateKey.generate()
PUBLIC = PRIVATE.public_key().public_bytes_raw()
KEYS = SealKeys({"crm": written_public_key(PRIVATE)})
FLOW = """
name: rental
version: 1
title: Rental
steps:
  - name: who
    fields:
      - {name: renter, ask: "Who are you?", kind: personal, entities: [NAME], keep: tag}
      - {name: driver, ask: "Who drives?", kind: personal, entities: [NAME], keep: sealed, seal_to: crm}
      - {name: phone, ask: "Your number?", kind: personal, entities: [PHONE, ID], keep: sealed, seal_to: crm,
         from_pictures: true}
      - {name: mail, ask: "Your address?", kind: personal, entities: [EMAIL], keep: hash}
      - {name: plate, ask: "Your plate?", kind: personal, entities: [PLATE]}
"""
PLAIN = FLOW.replace("keep: sealed, seal_to: crm", "keep: given").replace("keep: hash", "keep: given")
OTHERWISE = SealRequest((SealTarget("NAME", "visitor", "crm", PUBLIC),))


def seals(text: str = FLOW) -> FlowSeals:
    flow = parse_flow(text, "rental.yaml")
    return FlowSeals(Flows([flow], "rental"), KEYS, SameSeals(OTHERWISE))


def fields(request: SealRequest | None) -> set[tuple[str, str, bool]]:
    """Types and the fields that may have their values, and whether these are sealed."""
    assert request is not None
    return {(target.type, target.field, bool(target.public_key)) for target in request.targets}


RENTAL = replace(session(), flow="rental", flow_version=1)
SEALED = {("NAME", "driver", True), ("PHONE", "phone", True), ("ID", "phone", True), ("EMAIL", "mail", False)}


def test_fields_that_are_sealed_or_hashed_are_asked_of_the_workers() -> None:
    assert fields(seals().request(RENTAL)) == SEALED


def test_a_value_is_sealed_for_each_field_that_may_have_it() -> None:
    two = FLOW.replace("entities: [NAME], keep: tag", "entities: [NAME], keep: hash")
    assert fields(seals(two).request(RENTAL)) == SEALED | {("NAME", "renter", False)}


def test_a_picture_gives_only_what_may_come_from_one_of_its_kind() -> None:
    phone = {("PHONE", "phone", True), ("ID", "phone", True)}
    assert fields(seals().request(RENTAL, picture="meter")) == phone
    kinds = FLOW.replace("  - name: who\n", "  - name: who\n    pictures: [document]\n")
    assert fields(seals(kinds).request(RENTAL, picture="document")) == phone
    assert fields(seals(kinds).request(RENTAL, picture="")) == phone, "a picture of no declared kind may be any"
    assert seals(kinds).request(RENTAL, picture="meter") is None


def test_a_flow_that_seals_nothing_leaves_it_to_the_settings() -> None:
    assert seals(PLAIN).request(RENTAL) == OTHERWISE
    assert seals().request(replace(RENTAL, flow="gone")) == OTHERWISE


def test_a_flow_of_the_files_with_an_unknown_key_stops_the_start() -> None:
    with pytest.raises(InvalidInput) as caught:
        seals(FLOW.replace("seal_to: crm", "seal_to: crm_2"))
    assert caught.value.reason == "SEALED_KEY_UNKNOWN"


def test_an_earlier_flow_whose_key_is_gone_keeps_the_hash() -> None:
    now, before = (
        parse_flow(PLAIN, "rental.yaml"),
        parse_flow(FLOW.replace("seal_to: crm", "seal_to: gone"), "old.yaml"),
    )
    known = Flows([now.model_copy(update={"version": 2})], "rental", [before])
    request = FlowSeals(known, KEYS).request(RENTAL)
    assert not any(sealed for _, _, sealed in fields(request))
