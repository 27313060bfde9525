"""Reads the vocabulary of a token classifier, and makes its tokenizer anew.

Nothing of a given tokenizer runs: the library's own parts are put together again, with its list of tokens and a few
choices. Other parts, such as regular expressions of its own, are refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import tokenizers

from models.redaction.adding.errors import invalid, shown
from models.redaction.adding.source import BYTES_FILES, TOKENIZER_CONFIG, WORDS_FILE, read_object
from models.redaction.own_model.specification import BYTE_LEVEL, TOKENIZER_FILE, WORD_PIECE

_MOST_TOKEN_CHARS: Final = 1000
_WORD_CHARS: Final = 100
"""Longer words are one unknown token, as in BERT."""
_ENDS: Final = {WORD_PIECE: ("[CLS]", "[SEP]"), BYTE_LEVEL: ("<s>", "</s>")}
"""The tokens before and after a text."""
_UNKNOWN: Final = "[UNK]"
_NOT_THAT: Final = "The tokenizer is not of the kind that the architecture of the model has: {}."
_TOO_MANY_JOINED: Final = "The vocabulary joins more pairs than it has tokens."
_HINT: Final = (
    "Save it with the tokenizer of transformers that belongs to the model, BertTokenizer or RobertaTokenizer."
)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A tokenizer, made anew.

    Attributes:
        first: Token before a text.
        last: Token after it.
    """

    tokenizer: Any
    first: int
    last: int


def read_vocabulary(folder: Path, kind: str, size: int) -> Vocabulary:
    """The vocabulary of a folder.

    Args:
        folder: Has tokenizer.json, or vocab.txt, or vocab.json and merges.txt.
        kind: ``WORD_PIECE`` or ``BYTE_LEVEL``.
        size: Tokens that the network has.

    Raises:
        WeightsError: WEIGHTS_INVALID, it cannot be read, is of another kind, or is larger than the network's.
    """
    config = read_object(folder / TOKENIZER_CONFIG) if (folder / TOKENIZER_CONFIG).is_file() else {}
    if (folder / TOKENIZER_FILE).is_file():
        found = read_object(folder / TOKENIZER_FILE)
        _check_added(found.get("added_tokens"))
        model = _part(found, "model", kind)
        tokens = _checked(model.get("vocab"), size)
        made = _words(tokens, _choices(found)) if kind == WORD_PIECE else _bytes(tokens, *_byte_choices(found, model))
    elif kind == WORD_PIECE and (folder / WORDS_FILE).is_file():
        tokens = _checked(_numbered(folder / WORDS_FILE, size), size)
        made = _words(tokens, _choices_of_config(config))
    elif kind == BYTE_LEVEL and all((folder / name).is_file() for name in BYTES_FILES):
        tokens = _checked(read_object(folder / BYTES_FILES[0]), size)
        lines = _lines(folder / BYTES_FILES[1], size + 1)  # and the version
        merges = [line.split(" ") for line in lines if not line.startswith("#version")]
        made = _bytes(tokens, merges, prefix=_truth(config.get("add_prefix_space", False), "add_prefix_space"))
    else:
        raise invalid(_NOT_THAT.format("its files are missing"), _HINT)
    first, last = (tokens[end] for end in _ENDS[kind])
    return Vocabulary(made, first, last)


def _checked(found: Any, size: int) -> dict[str, int]:
    """Tokens with their numbers."""
    if not isinstance(found, dict) or not 0 < len(found) <= size:
        raise invalid("The vocabulary is empty, or larger than that of the network.")
    numbers = list(found.values())
    if not all(type(number) is int and 0 <= number < size for number in numbers) or len({*numbers}) < len(numbers):
        raise invalid("The vocabulary has a token with a number that the network does not have, or a number twice.")
    if not all(0 < len(token) <= _MOST_TOKEN_CHARS and _is_text(token) for token in found):
        raise invalid("The vocabulary has a token that is empty, too long or no text.")
    return found


def _is_text(token: str) -> bool:
    try:
        token.encode()
    except UnicodeEncodeError:  # half of a pair of surrogates
        return False
    return True


def _needed(tokens: dict[str, int], needed: Iterable[str]) -> None:
    if missing := [token for token in needed if token not in tokens]:
        raise invalid(f"The vocabulary lacks the token {shown(missing[0])}.", _HINT)


def _words(tokens: dict[str, int], choices: dict[str, Any]) -> Any:
    """The tokenizer of BERT."""
    _needed(tokens, (_UNKNOWN, *_ENDS[WORD_PIECE]))
    made = tokenizers.Tokenizer(
        tokenizers.models.WordPiece(tokens, unk_token=_UNKNOWN, max_input_chars_per_word=_WORD_CHARS)
    )
    made.normalizer = tokenizers.normalizers.BertNormalizer(**choices)
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    return made


def _bytes(tokens: dict[str, int], merges: Sequence[Any], prefix: bool) -> Any:
    """The tokenizer of RoBERTa. It has a token for every byte, so that no word is left without one."""
    _needed(tokens, (*_ENDS[BYTE_LEVEL], *tokenizers.pre_tokenizers.ByteLevel.alphabet()))
    if len(merges) > len(tokens):
        raise invalid(_TOO_MANY_JOINED)
    pairs = [tuple(pair) if isinstance(pair, list) else (pair,) for pair in merges]
    for pair in pairs:
        known = len(pair) == 2 and all(isinstance(part, str) and part in tokens for part in pair)
        if not known or "".join(pair) not in tokens:
            raise invalid("The vocabulary joins tokens that it does not have.")
    made = tokenizers.Tokenizer(tokenizers.models.BPE(tokens, pairs))
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    return made


def _part(found: dict[str, Any], name: str, kind: str) -> dict[str, Any]:
    """A part of a tokenizer.json that has to be of one kind."""
    part = found.get(name)
    if not isinstance(part, dict) or part.get("type") != kind:
        raise invalid(_NOT_THAT.format(f"'{name}' in tokenizer.json is no {kind}"), _HINT)
    return part


def _check_added(added: Any) -> None:
    """Refuse tokens that are cut out of a text before all else. The special ones are never sought in a text."""
    if not isinstance(added or [], list) or not all(
        isinstance(t, dict) and t.get("special") is True for t in added or []
    ):
        raise invalid(
            "The tokenizer has added tokens that are not special ones.", "Train a model without added tokens."
        )


def _choices(found: dict[str, Any]) -> dict[str, Any]:
    """The choices of the normalizer of BERT in a tokenizer.json."""
    _part(found, "pre_tokenizer", "BertPreTokenizer")
    model, normalizer = found["model"], _part(found, "normalizer", "BertNormalizer")
    fixed = {"unk_token": _UNKNOWN, "continuing_subword_prefix": "##", "max_input_chars_per_word": _WORD_CHARS}
    for key, value in fixed.items():
        if model.get(key, value) != value:
            raise invalid(_NOT_THAT.format(f"'{key}' in tokenizer.json is not {value}"), _HINT)
    accents = normalizer.get("strip_accents")
    return {
        **{key: _truth(normalizer.get(key, True), key) for key in ("clean_text", "handle_chinese_chars", "lowercase")},
        "strip_accents": None if accents is None else _truth(accents, "strip_accents"),
    }


def _choices_of_config(config: dict[str, Any]) -> dict[str, Any]:
    """The same in a tokenizer_config.json."""
    if config.get("do_basic_tokenize", True) is not True:
        raise invalid(_NOT_THAT.format("'do_basic_tokenize' in tokenizer_config.json is not true"), _HINT)
    accents = config.get("strip_accents")
    return {
        "clean_text": True,
        "handle_chinese_chars": _truth(config.get("tokenize_chinese_chars", True), "tokenize_chinese_chars"),
        "lowercase": _truth(config.get("do_lower_case", True), "do_lower_case"),
        "strip_accents": None if accents is None else _truth(accents, "strip_accents"),
    }


def _byte_choices(found: dict[str, Any], model: dict[str, Any]) -> tuple[list[Any], bool]:
    """The pairs to join, and whether a text gets a space before it."""
    before = _part(found, "pre_tokenizer", "ByteLevel")
    usual = ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback", "ignore_merges", "fuse_unk")
    if found.get("normalizer") or before.get("use_regex", True) is not True or any(model.get(key) for key in usual):
        raise invalid(_NOT_THAT.format("it has choices that RoBERTa does not have"), _HINT)
    merges = model.get("merges")
    if not isinstance(merges, list):
        raise invalid(_NOT_THAT.format("it has no list of tokens to join"), _HINT)
    if len(merges) > len(model["vocab"]):
        raise invalid(_TOO_MANY_JOINED)
    pairs = [pair.split(" ") if isinstance(pair, str) else pair for pair in merges]
    return pairs, _truth(before.get("add_prefix_space", False), "add_prefix_space")


def _truth(value: Any, key: str) -> bool:
    if not isinstance(value, bool):
        raise invalid(f"'{key}' of the tokenizer is neither true nor false.")
    return value


def _numbered(file: Path, size: int) -> dict[str, int]:
    lines = _lines(file, size)
    numbered = {line: number for number, line in enumerate(lines)}
    if len(numbered) < len(lines):
        raise invalid(f"'{file.name}' has a token twice.")
    return numbered


def _lines(file: Path, most: int) -> list[str]:
    """The lines without their ends; each costs far more memory than its bytes, so they are counted as they are read."""
    try:
        with file.open(encoding="utf-8") as opened:
            lines = [line.removesuffix("\n") for line in islice(opened, most + 1)]
    except ValueError:
        raise invalid(f"'{file.name}' cannot be read.") from None
    if len(lines) > most:
        raise invalid(f"'{file.name}' has more lines than the network has tokens.")
    return lines
