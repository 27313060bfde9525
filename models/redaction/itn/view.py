"""The spoken view: digits as digits, addresses as addresses, spelled words as words.

"double five five oh one" reads ``55501``, "john dot carter at example dot com" reads ``john.carter@example.com``.
Everything else is copied. Each character is mapped to its stretch of the original, so spans map back exactly.
"""

from __future__ import annotations

from models.redaction.itn.emails import AddressReader
from models.redaction.itn.lexicon import lexicon_for
from models.redaction.itn.sequences import RunReader
from models.redaction.itn.tokens import Stretch, Token, Words, together, tokens_of
from models.redaction.normalize.view import TextView, TextViewBuilder


def spoken_view(text: str, language: str, tokens: list[Token] | None = None) -> TextView | None:
    """The spoken view; None if it equals the text. ``tokens`` gives the tokens of the text, if the caller has them."""
    tokens = together(tokens or tokens_of(text))
    stretches = _stretches(Words(tokens, lexicon_for(language)))
    if not stretches:
        return None
    builder, at = TextViewBuilder(), 0
    marked: dict[str, list[tuple[int, int]]] = {"spelled": [], "dictated": [], "counted": []}
    for stretch in stretches:
        start, end = tokens[stretch.first].start, tokens[stretch.last - 1].end
        builder.copy(text, at, start)
        if stretch.kind in marked:
            marked[stretch.kind].append((builder.length, builder.length + len(stretch.form)))
        builder.put(stretch.form, start, end)
        at = end
    builder.copy(text, at, len(text))
    return builder.build("spoken", **{kind: tuple(spans) for kind, spans in marked.items()})


def _stretches(words: Words) -> list[Stretch]:
    """All stretches, in order, not overlapping; addresses win over digits, digits over spelling."""
    addresses, runs = AddressReader(words), RunReader(words)
    taken: list[Stretch] = []
    free, ats = 0, words.lexicon.ats
    for index, token in enumerate(words.tokens):
        if index >= free and token.text in ats and (address := addresses.at(index, free)):
            taken.append(address)
            free = address.last
    gaps = zip([0, *(s.last for s in taken)], [*(s.first for s in taken), len(words.tokens)], strict=True)
    others = [stretch for low, high in gaps for stretch in runs.between(low, high)]
    return sorted(taken + others, key=lambda s: s.first)
