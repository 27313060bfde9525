"""Whisper on CTranslate2, called directly.

Whisper was trained on windows of 30 s, and its encoder costs the same for a word as for half a minute. CTranslate2
takes shorter features, so a short utterance gets a short context: a fifth of the time for 5 s of speech. Too short
a context makes the model repeat itself, so there is a floor and a tail of silence, and a doubtful hypothesis is decoded
again with the full 30 s, then with a beam.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import ctranslate2
import numpy as np
import tokenizers

from models.errors import WeightsError
from models.speech.digits import Probabilities
from models.speech.judgement import Heard, may_be_silent
from models.speech.mel import FRAMES_PER_S, log_mel
from models.speech.types import SAMPLE_RATE_HZ, Samples
from models.speech.vad import Vad
from models.speech.windowed import Ask, WindowedEngine
from models.speech.windows import DEFAULT_RULES, WindowRules
from models.speech.words import TimedTokens, group_words
from models.speech.writing import WRITINGS, prompt_before

_FULL_FRAMES = 30 * FRAMES_PER_S
_RETRY_BEAM = 5
_MAX_TOKENS = 448
"""Of Whisper's text context, prompt included."""

_AS_THE_WEIGHTS_SAY = -1
"""Among suppressed tokens: those that the weights' own list names."""

_MAX_PROMPT_TOKENS = 223
"""Half of it, less the start of the transcript: openai-whisper's bound as well."""


@dataclass(frozen=True, slots=True)
class ContextRules:
    """How much context a short window gets.

    Each window looked at once, with 9 s and a tail of 2.5, with 8 and 2, 11 and 3, and 30 s: words wrong of 80 clips of
    children and learners 0.44, 0.46, 0.43, 0.46; of 30 clips of many kinds 0.06, 0.05, 0.08, 0.09; of 90 spellings
    0.50, 0.57, 0.54, 0.47; compute 47, 45, 53 and 218 s.

    Attributes:
        least_s: No context is shorter.
        tail_s: Silence after the speech.
        tokens: A hypothesis may have so many tokens ...
        tokens_per_s: ... and so many more for each second; it is a loop otherwise. Without a long vocabulary
            CTranslate2 allows the half of both.
    """

    least_s: float = 9.0
    tail_s: float = 2.5
    tokens: int = 24
    tokens_per_s: float = 25.0


DEFAULT_CONTEXT = ContextRules()


class CTranslate2Engine(WindowedEngine):
    """The default engine.

    Args:
        folder: Where Whisper weights were placed.
        vad: Tells where somebody speaks.
        device: ``cpu``, ``cuda``, or ``auto`` for the GPU where there is one. Decided once, here.
        threads: Of one decode, on the CPU.
        at_once: How many windows are worked on at the same time. Two on two cores get through nearly twice as many as
            one after the other, and share the weights.
        context: How much context short windows get.
        rules: How recordings are cut.
    """

    efforts = 3

    def __init__(
        self,
        folder: Path,
        vad: Vad,
        device: str = "auto",
        threads: int = 1,
        at_once: int = 1,
        context: ContextRules = DEFAULT_CONTEXT,
        rules: WindowRules = DEFAULT_RULES,
    ) -> None:
        super().__init__(vad, rules, at_once)
        if device == "auto":
            device = "cuda" if ctranslate2.get_cuda_device_count() > 0 else "cpu"
        self._device = device
        self._context = context
        self._model = ctranslate2.models.Whisper(
            str(folder),
            device=device,
            compute_type="float16" if device == "cuda" else "int8",
            intra_threads=threads,
            inter_threads=at_once,
        )
        self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._foreign_tokens: dict[str, list[int]] = {}
        self._languages = frozenset(_language_tokens(self._tokenizer)) if self._model.is_multilingual else {"en"}

    @property
    def name(self) -> str:
        """Always ``ctranslate2``."""
        return "ctranslate2"

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""
        return self._device

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes that the weights know."""
        return frozenset(self._languages)

    def _hear(self, samples: Samples, ask: Ask) -> Heard:
        ask.go_on()
        encoded = self._encode(samples, full=ask.effort > 0)
        ask.go_on()
        return self._decode(encoded, samples, ask)

    def _decode(self, encoded: ctranslate2.StorageView, samples: Samples, ask: Ask) -> Heard:
        language, sure = (ask.language, 1.0) if ask.language else self._detect(encoded)
        start = self._start_of_transcript(language)
        prompt = [*self._prompt(prompt_before(language, ask.options.vocabulary)), *start]
        room = self._context.tokens + self._context.tokens_per_s * len(samples) / SAMPLE_RATE_HZ
        writing = WRITINGS.get(language)
        beam_size = max(ask.options.beam_size, _RETRY_BEAM if ask.effort > 1 else 1)
        first_token = ask.first_token and beam_size == 1  # with a beam CTranslate2 gives arrays without data
        if writing and not first_token:
            beam_size = max(beam_size, writing.beam_size)
        (result,) = self._model.generate(
            encoded,
            [prompt],
            beam_size=beam_size,
            max_length=min(_MAX_TOKENS, len(prompt) + int(room)),
            return_scores=True,
            suppress_blank=True,
            suppress_tokens=[_AS_THE_WEIGHTS_SAY, *self._foreign(language, ask.options.vocabulary)],
            repetition_penalty=writing.repetition_penalty if writing else 1.0,
            return_logits_vocab=first_token,
        )
        tokens = result.sequences_ids[0]
        words = self._words(encoded, start, tokens, len(samples)) if ask.options.word_times else ()
        # The score leaves the end mark out of the count, although it is in the sum.
        mean_logprob = result.scores[0] * len(tokens) / (len(tokens) + 1)
        return Heard(
            text=self._tokenizer.decode(tokens, skip_special_tokens=True).strip(),
            language=language,
            mean_logprob=mean_logprob,
            no_speech=self._no_speech(encoded, prompt) if may_be_silent(mean_logprob) else 0.0,
            words=group_words(words, self._tokenizer),
            language_probability=sure,
            first_token=_softmax(np.array(result.logits[0][0])) if first_token and result.logits[0] else None,
        )

    def _no_speech(self, encoded: ctranslate2.StorageView, prompt: list[int]) -> float:
        """Asked for by itself, because few windows need it: it costs a step of the decoder."""
        room = len(prompt) + 1  # two tokens
        (result,) = self._model.generate(encoded, [prompt], beam_size=1, max_length=room, return_no_speech_prob=True)
        return float(result.no_speech_prob)

    def _foreign(self, language: str, vocabulary: tuple[str, ...]) -> list[int]:
        """Tokens in the letters of another language, where the model has to be kept from them."""
        writing = WRITINGS.get(language)
        if writing is None or not writing.allows(vocabulary):
            return []
        if language not in self._foreign_tokens:
            texts = _special(self._tokenizer, "<|endoftext|>")  # special tokens come behind those of text
            self._foreign_tokens[language] = writing.foreign_tokens(texts, self._tokenizer.decode)
        return self._foreign_tokens[language]

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def _encode(self, samples: Samples, *, full: bool) -> ctranslate2.StorageView:
        length_s = len(samples) / SAMPLE_RATE_HZ
        context_s = max(self._context.least_s, length_s + self._context.tail_s)
        frames = _FULL_FRAMES if full else min(_FULL_FRAMES, round(context_s * FRAMES_PER_S))
        features = log_mel(samples, frames + frames % 2)[np.newaxis]
        return self._model.encode(ctranslate2.StorageView.from_array(features), to_cpu=False)

    def _detect(self, encoded: ctranslate2.StorageView) -> tuple[str, float]:
        """The likeliest language, and its probability."""
        if not self._model.is_multilingual:
            return "en", 1.0
        token, probability = self._model.detect_language(encoded)[0][0]
        return str(token).strip("<|>"), float(probability)

    def _start_of_transcript(self, language: str) -> list[int]:
        names = ["<|startoftranscript|>"]
        if self._model.is_multilingual:
            names += [f"<|{language}|>", "<|transcribe|>"]
        return [_special(self._tokenizer, n) for n in (*names, "<|notimestamps|>")]

    def _prompt(self, text: str) -> list[int]:
        if not text:
            return []
        words = self._tokenizer.encode(" " + text, add_special_tokens=False).ids
        return [_special(self._tokenizer, "<|startofprev|>"), *words[:_MAX_PROMPT_TOKENS]]

    def _words(
        self, encoded: ctranslate2.StorageView, start: list[int], tokens: list[int], samples: int
    ) -> TimedTokens:
        if not tokens:
            return ()
        frames = max(2, samples * FRAMES_PER_S // SAMPLE_RATE_HZ)
        (aligned,) = self._model.align(encoded, start[:-1], [tokens], [frames])
        begins: dict[int, int] = {}
        for token, time in aligned.alignments:
            begins.setdefault(token, time)
        times = [begins.get(n, 0) / _TIMES_PER_S for n in range(len(tokens))] + [samples / SAMPLE_RATE_HZ]
        last = max((time for _, time in aligned.alignments), default=0) / _TIMES_PER_S
        times[-1] = min(times[-1], max(last, times[-2]))
        return tuple(zip(tokens, times[:-1], times[1:], aligned.text_token_probs, strict=True))


_TIMES_PER_S = 50
"""The encoder halves the frame rate."""


def _softmax(logits: Probabilities) -> Probabilities:
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum(), np.float32)


def _language_tokens(tokenizer: tokenizers.Tokenizer) -> list[str]:
    """Languages stand between the start of the transcript and the first task."""
    names = range(_special(tokenizer, "<|startoftranscript|>") + 1, _special(tokenizer, "<|translate|>"))
    return [str(tokenizer.id_to_token(n)).strip("<|>") for n in names]


def _special(tokenizer: tokenizers.Tokenizer, name: str) -> int:
    found = tokenizer.token_to_id(name)
    if found is None:
        raise WeightsError(f"The tokenizer is not Whisper's: it lacks {name}.")
    return found
