"""Whisper's tokens: special ones by name, prompts, and what its weights say a transcript may not hold."""

from __future__ import annotations

import json
from pathlib import Path

import tokenizers

from models.errors import WeightsError
from models.speech.whisper.onnx_decoder import TokenRules
from models.speech.whisper.script import SCRIPTS

_MAX_PROMPT_TOKENS = 223
"""Half of Whisper's text context, less the start of the transcript: openai-whisper's bound as well."""


class WhisperTokens:
    """The tokens of one set of weights.

    Args:
        folder: Where Whisper weights in CTranslate2's form were placed.
        multilingual: Whether transcripts start with a language.

    Raises:
        WeightsError: The tokenizer is another model's.
    """

    def __init__(self, folder: Path, multilingual: bool) -> None:
        self.tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.encode_special_tokens = True  # "<|endoftext|>" among the words to expect is text
        self._multilingual = multilingual
        self._foreign: dict[str, list[int]] = {}
        known = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.rules = TokenRules(
            end=self.special("<|endoftext|>"),
            silence=self.special("<|nocaptions|>"),
            never=tuple(known["suppress_ids"]),
            not_first=tuple(known["suppress_ids_begin"]),
        )
        # Languages stand between the start of the transcript and the first task.
        names = range(self.special("<|startoftranscript|>") + 1, self.special("<|translate|>"))
        self.languages = {str(self.tokenizer.id_to_token(n)).strip("<|>"): n for n in names} if multilingual else {}

    def special(self, name: str) -> int:
        """The token of that name."""
        found = self.tokenizer.token_to_id(name)
        if found is None:
            raise WeightsError(f"The tokenizer is not Whisper's: it lacks {name}.")
        return int(found)

    def ids(self, text: str) -> list[int]:
        """Tokens of a text; names of special ones are text in it."""
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def text(self, tokens: list[int]) -> str:
        """Text of tokens, special ones left out."""
        return str(self.tokenizer.decode(tokens, skip_special_tokens=True)).strip()

    def start(self, language: str) -> list[int]:
        """With what a transcript in that language starts."""
        names = ["<|startoftranscript|>"]
        if self._multilingual:
            names += [f"<|{language}|>", "<|transcribe|>"]
        return [self.special(name) for name in (*names, "<|notimestamps|>")]

    def before(self, text: str) -> list[int]:
        """What stands before the start where a text is pretended to have been said."""
        return [self.special("<|startofprev|>"), *self.ids(" " + text)[:_MAX_PROMPT_TOKENS]] if text else []

    def foreign(self, language: str, vocabulary: tuple[str, ...]) -> list[int]:
        """Tokens in the letters of another language, where the model has to be kept from them."""
        writing = SCRIPTS.get(language)
        if writing is None or not writing.allows(vocabulary):
            return []
        if language not in self._foreign:
            # Special tokens come behind those of text.
            self._foreign[language] = writing.foreign_tokens(self.rules.end, self.tokenizer.decode)
        return self._foreign[language]
