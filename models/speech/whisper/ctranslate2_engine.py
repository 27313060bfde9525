"""Whisper on CTranslate2, called directly.

Whisper was trained on windows of 30 s, and its encoder costs the same for a word as for 30 s. CTranslate2 accepts
shorter features, but too short a context makes the model repeat itself. So there are two ways to a shorter context:

- With cached silence only the speech is encoded; ``silence_states`` supplies the encoder's output for the silence after
  it.
- Without, a short window gets a shorter context, but not below a minimum, with a tail of silence.

Further decoding passes of a doubtful hypothesis encode the silence too, or all 30 s, and then use a beam. Recordings of
several windows use a beam from the start. An ``OnnxDecoder`` can decode greedily in place of CTranslate2; it is
optional.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import ctranslate2
import numpy as np

from models.media.samples import SAMPLE_RATE_HZ, Samples
from models.speech.endpointing.policy import DEFAULT_POLICY, WindowPolicy
from models.speech.endpointing.silero_vad import Vad
from models.speech.whisper.chunked_engine import ChunkedEngine, DecodingRequest
from models.speech.whisper.encoder_context import DEFAULT_CONTEXT, ContextPolicy, encoder_frames
from models.speech.whisper.features import FRAMES_PER_S, log_mel
from models.speech.whisper.hypothesis import Hypothesis, needs_no_speech
from models.speech.whisper.onnx_decoder import DecodedTokens, DecodingState, Floats, OnnxDecoder, TokenRules, softmax
from models.speech.whisper.script import SCRIPTS, initial_prompt
from models.speech.whisper.silence_states import ENCODER_FRAMES_PER_S
from models.speech.whisper.tokenizer import WhisperTokens
from models.speech.whisper.word_timestamps import TimedTokens, group_words, rate_words

_BEAM = 5
"""Number of hypotheses for long recordings, and for doubtful windows in their last decoding pass."""
_BEAM_PASS = 2
"""The first decoding pass of a doubtful window with ``_BEAM``."""
_MAX_TOKENS = 448
"""Length of Whisper's text context, prompt included. CTranslate2 uses half of ``max_length`` for a transcript."""

_DEFAULT_SUPPRESSED = -1
"""Stands for the weights' own list of suppressed tokens."""


class CTranslate2Engine(ChunkedEngine):
    """The default engine.

    Args:
        folder: Where Whisper weights were placed.
        vad: Tells where speech is.
        device: ``cpu`` or ``cuda``.
        threads: Of one decode, on the CPU.
        at_once: How many windows are decoded at the same time. They share the weights.
        silence: Encoder output for silence, of ``silence_states.silence_file``, shape (n, width); None to encode it.
        greedy: Makes the optional ONNX decoder for greedy decoding; None for CTranslate2's own.
        context: How much context short windows get.
        policy: How recordings are cut.
    """

    decoding_passes = 3
    recording_beam = _BEAM

    def __init__(
        self,
        folder: Path,
        vad: Vad,
        device: str,
        threads: int = 1,
        at_once: int = 1,
        silence: Floats | None = None,
        greedy: Callable[[TokenRules], OnnxDecoder] | None = None,
        context: ContextPolicy = DEFAULT_CONTEXT,
        policy: WindowPolicy = DEFAULT_POLICY.windows,
    ) -> None:
        super().__init__(vad, policy, at_once)
        self._device = device
        self._context = context
        self._model = ctranslate2.models.Whisper(
            str(folder),
            device=device,
            compute_type="float16" if device == "cuda" else "int8",
            intra_threads=threads,
            inter_threads=at_once,
        )
        self._tokens = WhisperTokens(folder, self._model.is_multilingual)
        self._silence = silence
        self._greedy = greedy(self._tokens.rules) if greedy else None

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
        return frozenset(self._tokens.languages or {"en"})

    def _ids(self, text: str) -> list[int]:
        return self._tokens.ids(text)

    def _decode(self, samples: Samples, request: DecodingRequest) -> Hypothesis:
        request.check_cancelled()
        states, context = self._encode(samples, request)
        request.check_cancelled()
        greedily = (
            request.decoding_pass < _BEAM_PASS and request.options.beam_size == 1 and request.language not in SCRIPTS
        )
        window = self._greedy.start_window(np.array(states)[0], context) if self._greedy and greedily else None

        @cache
        def encoded() -> ctranslate2.StorageView:  # most windows do without
            return self._with_silence(states, context)

        language, language_probability = (
            (request.language, 1.0) if request.language else self._detect_language(encoded, window)
        )
        start = self._tokens.start(language)
        prompt = [*self._tokens.prompt(initial_prompt(language, request.options.vocabulary)), *start]
        max_tokens = int(self._context.base_tokens + self._context.tokens_per_s * len(samples) / SAMPLE_RATE_HZ)
        max_tokens = min(max_tokens, _MAX_TOKENS - len(prompt))
        if window is not None and language not in SCRIPTS:
            decoded = window.decode(prompt, len(prompt) - len(start), max_tokens, request.check_cancelled)
        else:
            decoded = self._generate(encoded(), prompt, max_tokens, language, request)
        text = self._tokens.text(decoded.tokens)
        words: TimedTokens = ()
        if decoded.tokens and (request.options.word_times or not decoded.probabilities):
            words = self._align(encoded(), start, decoded.tokens, len(samples))
        probabilities = decoded.probabilities or [probability for *_, probability in words]
        return Hypothesis(
            text=text,
            language=language,
            mean_logprob=decoded.mean_logprob,
            no_speech=decoded.no_speech,
            words=group_words(words, self._tokens.tokenizer) if request.options.word_times else (),
            rated=rate_words(decoded.tokens, probabilities, self._tokens.tokenizer, text),
            language_probability=language_probability,
            first_token=decoded.first_token if request.first_token else None,
        )

    def _encode(self, samples: Samples, request: DecodingRequest) -> tuple[ctranslate2.StorageView, int]:
        """Encoder output, shape (1, t, width), and the number of frames after cached silence is appended."""
        cached = 0 if self._silence is None else len(self._silence)
        length_s = len(samples) / SAMPLE_RATE_HZ
        encoded, context = encoder_frames(
            length_s, cached, request.decoding_pass, self._context, quick=request.options.quick
        )
        features = log_mel(samples, 2 * encoded, self._model.n_mels)[np.newaxis]
        return self._model.encode(ctranslate2.StorageView.from_array(features), to_cpu=False), context

    def _with_silence(self, states: ctranslate2.StorageView, context: int) -> ctranslate2.StorageView:
        encoded = states.shape[1]
        if self._silence is None or encoded == context:
            return states
        tail = self._silence[np.newaxis, encoded:context]
        return ctranslate2.StorageView.from_array(np.concatenate([np.array(states), tail], axis=1))

    def _detect_language(
        self, encoded: Callable[[], ctranslate2.StorageView], window: DecodingState | None
    ) -> tuple[str, float]:
        """The likeliest language, and its probability."""
        if not self._tokens.languages:
            return "en", 1.0
        if window is not None:
            start = self._tokens.special("<|startoftranscript|>")
            number, probability = window.most_likely(start, list(self._tokens.languages.values()))
            return list(self._tokens.languages)[number], probability
        token, probability = self._model.detect_language(encoded())[0][0]
        return str(token).strip("<|>"), float(probability)

    def _generate(
        self,
        encoded: ctranslate2.StorageView,
        prompt: list[int],
        max_tokens: int,
        language: str,
        request: DecodingRequest,
    ) -> DecodedTokens:
        """Decode with CTranslate2."""
        script = SCRIPTS.get(language)
        beam_size = max(request.options.beam_size, _BEAM if request.decoding_pass >= _BEAM_PASS else 1)
        first_token = request.first_token and beam_size == 1  # with a beam CTranslate2 returns empty arrays
        if script and not first_token:
            beam_size = max(beam_size, script.beam_size)
        (result,) = self._model.generate(
            encoded,
            [prompt],
            beam_size=beam_size,
            max_length=min(_MAX_TOKENS, max(2 * max_tokens, len(prompt) + max_tokens)),
            return_scores=True,
            suppress_blank=True,
            suppress_tokens=[_DEFAULT_SUPPRESSED, *self._tokens.foreign(language, request.options.vocabulary)],
            repetition_penalty=script.repetition_penalty if script else 1.0,
            return_logits_vocab=first_token,
        )
        tokens = list(result.sequences_ids[0])
        # The score is a sum with the end token, divided by a count without it.
        mean_logprob = result.scores[0] * len(tokens) / (len(tokens) + 1)
        return DecodedTokens(
            tokens=tokens,
            mean_logprob=mean_logprob,
            no_speech=self._no_speech(encoded, prompt) if needs_no_speech(mean_logprob) else 0.0,
            probabilities=(),
            first_token=softmax(np.array(result.logits[0][0])) if first_token and result.logits[0] else None,
        )

    def _no_speech(self, encoded: ctranslate2.StorageView, prompt: list[int]) -> float:
        """Probability of no speech. It costs a step of the decoder, and few windows need it."""
        max_length = len(prompt) + 1  # two tokens
        (result,) = self._model.generate(
            encoded, [prompt], beam_size=1, max_length=max_length, return_no_speech_prob=True
        )
        return float(result.no_speech_prob)

    def _align(
        self, encoded: ctranslate2.StorageView, start: list[int], tokens: list[int], samples: int
    ) -> TimedTokens:
        """The tokens with times and probabilities. It costs one pass of the decoder over all tokens at once."""
        frames = max(2, samples * FRAMES_PER_S // SAMPLE_RATE_HZ)
        (aligned,) = self._model.align(encoded, start[:-1], [tokens], [frames])
        begins: dict[int, int] = {}
        for token, time in aligned.alignments:
            begins.setdefault(token, time)
        times = [begins.get(n, 0) / ENCODER_FRAMES_PER_S for n in range(len(tokens))] + [samples / SAMPLE_RATE_HZ]
        last = max((time for _, time in aligned.alignments), default=0) / ENCODER_FRAMES_PER_S
        times[-1] = min(times[-1], max(last, times[-2]))
        return tuple(zip(tokens, times[:-1], times[1:], aligned.text_token_probs, strict=True))
