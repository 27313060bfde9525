"""Whisper's vocabulary and its special tokens, from the tables of openai-whisper.

Every Whisper has one of three vocabularies, which the size tells. So no vocabulary is taken from a model that is added.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import tokenizers

from models.speech.adding.shapes import ENGLISH_VOCABULARY

_LANGUAGES_OF_THE_FIRST: Final = 99
"""Languages with a token in the vocabularies of 51,864 and 51,865; one more token is one more language."""
NO_SPEECH: Final = ("<|nospeech|>", "<|nocaptions|>")
"""openai-whisper's name, and that in CTranslate2."""
_PRINTABLE: Final = (*range(33, 127), *range(161, 173), *range(174, 256))
"""Bytes that stand for themselves in the names of tokens; GPT-2 gives the others the letters from U+0100 on."""


@dataclass(frozen=True, slots=True)
class Tables:
    """What the engines have to know about a vocabulary.

    Attributes:
        vocabulary: Names of all tokens, in order.
        tokenizer: Of the Hugging Face library, with the special tokens but without times.
        languages: Tokens of the languages; none for English only.
        never: Tokens that a transcript may not hold: no speech, and special ones.
        not_first: Tokens that it may not begin with.
    """

    vocabulary: tuple[str, ...]
    tokenizer: Any
    languages: tuple[int, ...]
    never: tuple[int, ...]
    not_first: tuple[int, ...]


@cache
def tables(size: int) -> Tables:
    """The tables of the vocabulary of that size."""
    multilingual = size > ENGLISH_VOCABULARY
    known = _openai_tokenizer(size, multilingual)
    encoding, end, start = known.encoding, known.eot, known.sot
    pieces = [encoding.decode_single_token_bytes(number) for number in range(size)]
    names = [_name(piece) for piece in pieces[:end]]
    special = [piece.decode().replace(*NO_SPEECH) for piece in pieces[end:]]
    times = known.timestamp_begin - end
    tasks = (start, known.translate, known.transcribe, known.sot_lm, known.sot_prev, known.no_speech)
    return Tables(
        vocabulary=(*names, *special),
        tokenizer=_tokenizer(pieces[:end], special[:times]),
        languages=tuple(range(start + 1, known.translate)) if multilingual else (),
        never=tuple(sorted({*known.non_speech_tokens, *tasks})),
        not_first=(*encoding.encode(" "), end),
    )


def _openai_tokenizer(size: int, multilingual: bool) -> Any:
    from whisper.tokenizer import get_tokenizer

    languages = max(_LANGUAGES_OF_THE_FIRST, _LANGUAGES_OF_THE_FIRST + size - ENGLISH_VOCABULARY - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # openai-whisper leaves its vocabulary file open
        return get_tokenizer(multilingual, num_languages=languages)


def _tokenizer(pieces: list[bytes], special: list[str]) -> Any:
    ranks = {piece: rank for rank, piece in enumerate(pieces)}
    merges = [
        (_name(piece[:cut]), _name(piece[cut:]))
        for piece in pieces  # a pair is joined the earlier, the lower the rank of the whole is
        for cut in range(1, len(piece))
        if piece[:cut] in ranks and piece[cut:] in ranks
    ]
    vocabulary = {_name(piece): rank for piece, rank in ranks.items()}
    made = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, merges))
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    made.add_special_tokens(special)
    return made


@cache
def _letters() -> dict[int, str]:
    others = [number for number in range(256) if number not in _PRINTABLE]
    return {number: chr(number) for number in _PRINTABLE} | {n: chr(256 + at) for at, n in enumerate(others)}


def _name(piece: bytes) -> str:
    return "".join(map(_letters().__getitem__, piece))
