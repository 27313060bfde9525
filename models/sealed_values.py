"""Values that are encrypted for one entitled system, so that nobody else can read them, the server included.

The encryption is HPKE (RFC 9180) in base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and ChaCha20-Poly1305. What is
stored is the encapsulated key, 32 bytes, and then the ciphertext. The session, the field, the entity type and the id of
the key are bound to it as HPKE's ``info``, so a value cannot be passed off as that of another field or session.
docs/operating/sealed-values.md describes the format for those who open it.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from models.errors import InvalidInput
from models.reasons import Reason

PUBLIC_KEY_BYTES: Final = 32
_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_FORMAT: Final = "vestibule/sealed/1"
_PADDED_TO: Final = 128
"""The content is a multiple of so many bytes long, so that its length does not tell a short name from a long one."""


@dataclass(frozen=True, slots=True)
class SealTarget:
    """What becomes of the values of one entity type.

    Attributes:
        type: Entity type, such as ``PHONE``.
        field: Field of the record that the value belongs to, a machine word.
        key_id: Name of the public key.
        public_key: X25519, 32 bytes. Empty: nothing is encrypted, and the value is known by its keyed hash only.
    """

    type: str
    field: str
    key_id: str = ""
    public_key: bytes = b""


@dataclass(frozen=True, slots=True)
class SealRequest:
    """Which values of a text are to be sealed. It knows nothing of flows: entity types, fields and public keys.

    Attributes:
        targets: A type may have several: which field a value belongs to is known only once it was read, and the others
            are dropped then.
    """

    targets: tuple[SealTarget, ...]

    def __post_init__(self) -> None:
        pairs = [(target.type, target.field) for target in self.targets]
        if len(set(pairs)) != len(pairs):
            raise ValueError("an entity type is sealed once for one field")

    def targets_of(self, entity_type: str) -> tuple[SealTarget, ...]:
        """What becomes of an entity of this type."""
        return tuple(target for target in self.targets if target.type == entity_type)


@dataclass(frozen=True, slots=True)
class SealedValue:
    """One value, sealed.

    Attributes:
        ciphertext: See above; empty where only the hash was asked for.
        hash: Keyed hash of the value, 32 hexadecimal digits. The same value has the same one within a session.
    """

    type: str
    field: str
    key_id: str
    ciphertext: bytes
    hash: str = dataclass_field(repr=False)


@dataclass(frozen=True, slots=True)
class OpenedValue:
    """A value in the clear, for the entitled system alone.

    Attributes:
        said: As it was said, typed or printed.
        written: The same with spoken numbers and addresses written out; equal to ``said`` where nothing was spoken.
    """

    said: str = dataclass_field(repr=False)
    written: str = dataclass_field(repr=False)


@dataclass(frozen=True, slots=True)
class Binding:
    """What a ciphertext belongs to."""

    session_id: str
    field: str
    type: str
    key_id: str

    @property
    def info(self) -> bytes:
        """HPKE's ``info``. No part has a null character, so no two bindings are alike."""
        return "\0".join((_FORMAT, self.session_id, self.field, self.type, self.key_id)).encode()


def seal_value(value: OpenedValue, public_key: bytes, binding: Binding) -> bytes:
    """Encrypt a value to a public key.

    Raises:
        ValueError: It is no public key, or one that gives no secret.
    """
    content = json.dumps({"said": value.said, "written": value.written}, ensure_ascii=False)
    plain = content.encode("utf-8", "surrogatepass")
    padded = plain.ljust(-(-len(plain) // _PADDED_TO) * _PADDED_TO)
    return _SUITE.encrypt(padded, X25519PublicKey.from_public_bytes(public_key), binding.info)


def open_value(ciphertext: bytes, private_key: X25519PrivateKey, binding: Binding) -> OpenedValue:
    """Decrypt a value. Nothing in the server calls this: it has no private key.

    Raises:
        InvalidInput: SEALED_VALUE_INVALID: cut, changed, of another field or session, or for another key.
    """
    try:
        content = json.loads(_SUITE.decrypt(ciphertext, private_key, binding.info))
        return OpenedValue(content["said"], content["written"])
    except (InvalidTag, ValueError, TypeError, KeyError):
        raise InvalidInput(
            "The private key does not open this value.",
            reason=Reason.SEALED_VALUE_INVALID,
            hint="Take the private key whose id stands beside the value, and the released values as they came.",
        ) from None


def read_public_key(text: str) -> bytes:
    """A public key as the settings have it: base64 of 32 bytes.

    Raises:
        ValueError: It is none, or one of the few that give everybody the same secret.
    """
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise ValueError("a public key is base64") from None
    if len(raw) != PUBLIC_KEY_BYTES:
        raise ValueError(f"a public key has {PUBLIC_KEY_BYTES} bytes")
    seal_value(OpenedValue("", ""), raw, Binding("", "", "", ""))
    return raw


def written_public_key(private_key: X25519PrivateKey) -> str:
    """The public key of a private one, as the settings take it."""
    return base64.b64encode(private_key.public_key().public_bytes_raw()).decode("ascii")
