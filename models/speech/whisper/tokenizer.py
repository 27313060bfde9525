"""Whisper's tokens: special ones, prompts, and those that a transcript may not hold."""

from __future__ import annotations

import json
from pathlib import Path

import tokenizers

from models.errors import WeightsError
from models.speech.whisper.onnx_decoder import TokenRules
from models.speech.whisper.script import SCRIPTS

_MAX_PROMPT_TOKENS = 223
"""Half of Whisper's text context, minus the start of the transcript. openai-whisper has the same bound."""


class WhisperTokens:
    """The tokens of one set of weights.

    Args:
        folder: Where Whisper weights in CTranslate2's form were placed.
        multilingual: Whether transcripts start with a language token.

    Raises:
        WeightsError: It is not Whisper's tokenizer.
    """

    def __init__(self, folder: Path, multilingual: bool) -> None:
        self.tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.encode_special_tokens = True  # "<|endoftext|>" in expected words is plain text
        self._multilingual = multilingual
        self._foreign: dict[str, list[int]] = {}
        known = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.rules = TokenRules(
            end=self.special("<|endoftext|>"),
            silence=self.special("<|nocaptions|>", "<|nospeech|>"),  # the second from large-v3 on
            never=tuple(known["suppress_ids"]),
            not_first=tuple(known["suppress_ids_begin"]),
        )
        # Languages stand between the start of the transcript and the first task.
        names = range(self.special("<|startoftranscript|>") + 1, self.special("<|translate|>"))
        self.languages = {str(self.tokenizer.id_to_token(n)).strip("<|>"): n for n in names} if multilingual else {}

    def special(self, *names: str) -> int:
        """The token that has one of these names."""
        for name in names:
            if (found := self.tokenizer.token_to_id(name)) is not None:
                return int(found)
        raise WeightsError(f"The tokenizer is not Whisper's: it lacks {names[0]}.")

    def ids(self, text: str) -> list[int]:
        """Tokens of a text; names of special tokens count as text."""
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def text(self, tokens: list[int]) -> str:
        """Text of tokens, without special ones."""
        return str(self.tokenizer.decode(tokens, skip_special_tokens=True)).strip()

    def start(self, language: str) -> list[int]:
        """Tokens with which a transcript in that language starts."""
        names = ["<|startoftranscript|>"]
        if self._multilingual:
            names += [f"<|{language}|>", "<|transcribe|>"]
        return [self.special(name) for name in (*names, "<|notimestamps|>")]

    def prompt(self, text: str) -> list[int]:
        """Tokens before the start that give a text to the model as the previous transcript."""
        return [self.special("<|startofprev|>"), *self.ids(" " + text)[:_MAX_PROMPT_TOKENS]] if text else []

    def foreign(self, language: str, vocabulary: tuple[str, ...]) -> list[int]:
        """Tokens with letters of another script, for languages that need them suppressed."""
        script = SCRIPTS.get(language)
        if script is None or not script.allows(vocabulary):
            return []
        if language not in self._foreign:
            # Special tokens come after those of text.
            self._foreign[language] = script.foreign_tokens(self.rules.end, self.tokenizer.decode)
        return self._foreign[language]
