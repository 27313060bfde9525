"""Whisper as its authors published it, the reference for the default engine. Slower, and needs torch."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from models.media.samples import SAMPLE_RATE_HZ, Samples
from models.speech.endpointing.policy import DEFAULT_POLICY
from models.speech.endpointing.silero_vad import Vad
from models.speech.whisper.batcher import Batcher, BatchWindow
from models.speech.whisper.chunked_engine import ChunkedEngine, DecodingRequest
from models.speech.whisper.features import FRAMES_PER_S, log_mel
from models.speech.whisper.hypothesis import Hypothesis
from models.speech.whisper.script import SCRIPTS, initial_prompt
from models.speech.whisper.single_digit import Probabilities
from models.speech.whisper.word_timestamps import TimedTokens, group_words, rate_words
from models.text import RecognizedWord

_FULL_FRAMES = 30 * FRAMES_PER_S
_RETRY_BEAM = 5
_DEFAULT_SUPPRESSED = -1
"""Stands for the tokens that openai-whisper suppresses by default."""


class OpenAiWhisperEngine(ChunkedEngine):
    """The reference engine.

    Args:
        checkpoint: Of :mod:`models.speech.whisper.openai_checkpoint`, or any of openai-whisper's own files.
        vad: Tells where speech is.
        device: ``cpu`` or ``cuda``.
        threads: Of one decode, on the CPU. torch keeps this number for the whole process.
        at_once: Most calls at the same time, and most windows in a batch.
        on_batch: Gets the number of windows of each batch that is decoded.
    """

    decoding_passes = 2

    def __init__(
        self,
        checkpoint: Path,
        vad: Vad,
        device: Literal["cpu", "cuda"],
        threads: int = 2,
        at_once: int = 1,
        on_batch: Callable[[int], None] = lambda windows: None,
    ) -> None:
        import torch
        import whisper

        super().__init__(vad, DEFAULT_POLICY.windows, at_once)
        self._decode_windows = Batcher(self._decode_together, at_once, on_batch)
        if device == "cpu":
            torch.set_num_threads(threads)
        self._device = device
        self._foreign_tokens: dict[str | None, list[int]] = {}
        self._torch: Any = torch
        self._whisper: Any = whisper
        self._model = whisper.load_model(str(checkpoint), device=device)
        with warnings.catch_warnings():
            # openai-whisper leaves its vocabulary file open; it is read once, here.
            warnings.simplefilter("ignore", ResourceWarning)
            self._tokenizer("en")

    @property
    def name(self) -> str:
        """Always ``openai-whisper``."""
        return "openai-whisper"

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""
        return self._device

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes that the weights know."""
        if not self._model.is_multilingual:
            return frozenset({"en"})
        known = list(self._whisper.tokenizer.LANGUAGES)
        return frozenset(known[: self._model.num_languages])

    def _decode(self, samples: Samples, request: DecodingRequest) -> Hypothesis:
        request.check_cancelled()
        script = SCRIPTS.get(request.language or "")
        beam = max(
            request.options.beam_size, _RETRY_BEAM if request.decoding_pass else 1, script.beam_size if script else 1
        )
        prompt = initial_prompt(request.language, request.options.vocabulary)
        options = self._whisper.DecodingOptions(
            language=request.language if self._model.is_multilingual else "en",
            temperature=0.0,
            beam_size=beam if beam > 1 else None,
            prompt=f" {prompt}" if prompt else None,
            without_timestamps=True,
            suppress_tokens=(_DEFAULT_SUPPRESSED, *self._foreign(request.language, request.options.vocabulary)),
            fp16=self._device == "cuda",
        )
        features = log_mel(samples, _FULL_FRAMES, self._model.dims.n_mels)
        return self._decode_windows(BatchWindow(features, len(samples), request, key=options))

    def _decode_together(self, windows: Sequence[BatchWindow]) -> list[Hypothesis]:
        options = cast(Any, windows[0].key)
        features = self._torch.from_numpy(np.stack([window.features for window in windows])).to(self._model.device)
        with self._torch.no_grad():
            encoded = self._model.encoder(features.half() if options.fp16 else features)
        languages: list[tuple[str, float]] = [(options.language, 1.0) for _ in windows]
        if options.language is None:
            _, found = self._whisper.detect_language(self._model, encoded)
            languages = [max(probabilities.items(), key=lambda each: each[1]) for probabilities in found]
        if options.beam_size is None:
            results = self._whisper.decode(self._model, encoded, options)
        else:  # openai-whisper has beams for one window alone
            results = [self._whisper.decode(self._model, one, options) for one in encoded]
        return [self._hypothesis(*each) for each in zip(windows, features, results, languages, strict=True)]

    def _hypothesis(self, window: BatchWindow, features: Any, result: Any, language: tuple[str, float]) -> Hypothesis:
        request = window.request
        words = self._words(features, result, window.samples) if request.options.word_times else ()
        return Hypothesis(
            text=result.text.strip(),
            language=language[0],
            mean_logprob=result.avg_logprob,
            no_speech=result.no_speech_prob,
            words=group_words(words, _TokenText(self._tokenizer(result.language))),
            rated=self._rated(result),
            language_probability=language[1],
            first_token=self._first_token(result) if request.first_token else None,
        )

    def _first_token(self, result: Any) -> Probabilities:
        return np.asarray(self._next_tokens(result, [])[-1].cpu().numpy(), np.float32)

    def _rated(self, result: Any) -> tuple[RecognizedWord, ...]:
        """One pass of the decoder over all tokens; openai-whisper itself returns only the mean of their logarithms."""
        if not result.tokens:
            return ()
        after = self._next_tokens(result, result.tokens)[-len(result.tokens) - 1 : -1]
        probabilities = after[range(len(result.tokens)), result.tokens].tolist()
        tokenizer = self._tokenizer(result.language)
        return rate_words(result.tokens, probabilities, _TokenText(tokenizer), result.text.strip())

    def _next_tokens(self, result: Any, tokens: list[int]) -> Any:
        """Probabilities of the token after each of the start and these tokens, shape (start + tokens, vocabulary)."""
        start = self._tokenizer(result.language).sot_sequence_including_notimestamps
        given = self._torch.tensor([[*start, *tokens]], device=self._model.device)
        with self._torch.no_grad():
            logits = self._model.logits(given, result.audio_features[None])[0]
        return logits.float().softmax(dim=-1)

    def _foreign(self, language: str | None, vocabulary: tuple[str, ...]) -> list[int]:
        """Tokens with letters of another script, for languages that need them suppressed."""
        script = SCRIPTS.get(language or "")
        if script is None or not script.allows(vocabulary):
            return []
        if language not in self._foreign_tokens:
            tokenizer = self._tokenizer(str(language))
            self._foreign_tokens[language] = script.foreign_tokens(tokenizer.eot, tokenizer.decode)
        return self._foreign_tokens[language]

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer("en").encode(text))

    def _tokenizer(self, language: str) -> Any:
        return self._whisper.tokenizer.get_tokenizer(
            self._model.is_multilingual, num_languages=self._model.num_languages, language=language, task="transcribe"
        )

    def _words(self, features: Any, result: Any, samples: int) -> TimedTokens:
        from whisper.timing import find_alignment

        frames = max(2, samples * FRAMES_PER_S // SAMPLE_RATE_HZ)
        threads = self._torch.get_num_threads()
        timings = find_alignment(self._model, self._tokenizer(result.language), result.tokens, features, frames)
        self._torch.set_num_threads(threads)  # numba, which finds the path, sets this to all cores
        timed: list[tuple[int, float, float, float]] = []
        for word in timings:
            edges = np.linspace(word.start, word.end, len(word.tokens) + 1)
            timed += [
                (token, float(a), float(b), float(word.probability))
                for token, a, b in zip(word.tokens, edges, edges[1:], strict=False)
            ]
        return tuple(timed)


class _TokenText:
    """openai-whisper's tokenizer as a ``TokenTextDecoder``."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def decode(self, ids: list[int], *, skip_special_tokens: bool = True) -> str:
        text = self._tokenizer.decode([i for i in ids if not skip_special_tokens or i < self._tokenizer.eot])
        return str(text)
