"""Whisper on CTranslate2, called directly.

Whisper was trained on windows of 30 s, and its encoder costs the same for a word as for half a minute. CTranslate2
takes shorter features, but too short a context makes the model repeat itself. On the CPU only the speech is encoded,
what the encoder would make of the silence behind it is remembered, and greedy hypotheses come from a decoder of our
own; elsewhere a short utterance gets a short context, with a floor and a tail of silence. For a doubtful hypothesis the
silence is encoded too, or all of the 30 s where it was already, and then there is a beam.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import ctranslate2
import numpy as np

from models.speech.endpointing.policy import DEFAULT_POLICY, WindowPolicy
from models.speech.endpointing.silero_vad import Vad
from models.speech.types import SAMPLE_RATE_HZ, Samples
from models.speech.whisper.chunked_engine import ChunkedEngine, DecodingRequest
from models.speech.whisper.encoder_context import DEFAULT_CONTEXT, ContextRules, states_for
from models.speech.whisper.features import FRAMES_PER_S, log_mel
from models.speech.whisper.hypothesis import Hypothesis, may_be_silent
from models.speech.whisper.onnx_decoder import DecodedTokens, DecodingState, Floats, OnnxDecoder, TokenRules, softmax
from models.speech.whisper.script import SCRIPTS, prompt_before
from models.speech.whisper.silence_states import STATES_PER_S
from models.speech.whisper.tokenizer import WhisperTokens
from models.speech.whisper.word_timestamps import TimedTokens, group_words

_RETRY_BEAM = 5
_BEAM_EFFORT = 2
"""From which effort on."""
_MAX_TOKENS = 448
"""Of Whisper's text context, prompt included. CTranslate2 takes the half of ``max_length`` for a transcript."""

_AS_THE_WEIGHTS_SAY = -1
"""Among suppressed tokens: those that the weights' own list names."""


class CTranslate2Engine(ChunkedEngine):
    """The default engine.

    Args:
        folder: Where Whisper weights were placed.
        vad: Tells where somebody speaks.
        device: ``cpu`` or ``cuda``.
        threads: Of one decode, on the CPU.
        at_once: How many windows are worked on at the same time. Two on two cores get through nearly twice as many as
            one after the other, and share the weights.
        silence: Of ``silence.silence_file``, shape (n, width); None to encode all silence.
        greedy: Makes the decoder for greedy hypotheses; None to leave them to CTranslate2.
        context: How much context short windows get.
        policy: How recordings are cut.
    """

    efforts = 3

    def __init__(
        self,
        folder: Path,
        vad: Vad,
        device: str,
        threads: int = 1,
        at_once: int = 1,
        silence: Floats | None = None,
        greedy: Callable[[TokenRules], OnnxDecoder] | None = None,
        context: ContextRules = DEFAULT_CONTEXT,
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

    def _hear(self, samples: Samples, ask: DecodingRequest) -> Hypothesis:
        ask.go_on()
        states, context = self._encode(samples, ask)
        ask.go_on()
        greedily = ask.effort < _BEAM_EFFORT and ask.options.beam_size == 1 and ask.language not in SCRIPTS
        hearing = self._greedy.listen(np.array(states)[0], context) if self._greedy and greedily else None

        @cache
        def encoded() -> ctranslate2.StorageView:  # most looks do without
            return self._with_silence(states, context)

        language, sure = (ask.language, 1.0) if ask.language else self._detect(encoded, hearing)
        start = self._tokens.start(language)
        prompt = [*self._tokens.before(prompt_before(language, ask.options.vocabulary)), *start]
        room = int(self._context.tokens + self._context.tokens_per_s * len(samples) / SAMPLE_RATE_HZ)
        room = min(room, _MAX_TOKENS - len(prompt))
        if hearing is not None and language not in SCRIPTS:
            decoded = hearing.decode(prompt, len(prompt) - len(start), room, ask.go_on)
        else:
            decoded = self._generate(encoded(), prompt, room, language, ask)
        words = self._words(encoded(), start, decoded.tokens, len(samples)) if ask.options.word_times else ()
        return Hypothesis(
            text=self._tokens.text(decoded.tokens),
            language=language,
            mean_logprob=decoded.mean_logprob,
            no_speech=decoded.no_speech,
            words=group_words(words, self._tokens.tokenizer),
            language_probability=sure,
            first_token=decoded.first_token if ask.first_token else None,
        )

    def _encode(self, samples: Samples, ask: DecodingRequest) -> tuple[ctranslate2.StorageView, int]:
        """States, shape (1, t, width), and how many there are to be with the silence behind them."""
        remembered = 0 if self._silence is None else len(self._silence)
        length_s = len(samples) / SAMPLE_RATE_HZ
        encoded, context = states_for(length_s, remembered, ask.effort, self._context, quick=ask.options.quick)
        features = log_mel(samples, 2 * encoded)[np.newaxis]
        return self._model.encode(ctranslate2.StorageView.from_array(features), to_cpu=False), context

    def _with_silence(self, states: ctranslate2.StorageView, context: int) -> ctranslate2.StorageView:
        encoded = states.shape[1]
        if self._silence is None or encoded == context:
            return states
        behind = self._silence[np.newaxis, encoded:context]
        return ctranslate2.StorageView.from_array(np.concatenate([np.array(states), behind], axis=1))

    def _detect(
        self, encoded: Callable[[], ctranslate2.StorageView], hearing: DecodingState | None
    ) -> tuple[str, float]:
        """The likeliest language, and its probability."""
        if not self._tokens.languages:
            return "en", 1.0
        if hearing is not None:
            start = self._tokens.special("<|startoftranscript|>")
            number, probability = hearing.likeliest(start, list(self._tokens.languages.values()))
            return list(self._tokens.languages)[number], probability
        token, probability = self._model.detect_language(encoded())[0][0]
        return str(token).strip("<|>"), float(probability)

    def _generate(
        self, encoded: ctranslate2.StorageView, prompt: list[int], room: int, language: str, ask: DecodingRequest
    ) -> DecodedTokens:
        """CTranslate2's own decoding."""
        writing = SCRIPTS.get(language)
        beam_size = max(ask.options.beam_size, _RETRY_BEAM if ask.effort >= _BEAM_EFFORT else 1)
        first_token = ask.first_token and beam_size == 1  # with a beam CTranslate2 gives arrays without data
        if writing and not first_token:
            beam_size = max(beam_size, writing.beam_size)
        (result,) = self._model.generate(
            encoded,
            [prompt],
            beam_size=beam_size,
            max_length=min(_MAX_TOKENS, max(2 * room, len(prompt) + room)),
            return_scores=True,
            suppress_blank=True,
            suppress_tokens=[_AS_THE_WEIGHTS_SAY, *self._tokens.foreign(language, ask.options.vocabulary)],
            repetition_penalty=writing.repetition_penalty if writing else 1.0,
            return_logits_vocab=first_token,
        )
        tokens = list(result.sequences_ids[0])
        # The score leaves the end mark out of the count, although it is in the sum.
        mean_logprob = result.scores[0] * len(tokens) / (len(tokens) + 1)
        return DecodedTokens(
            tokens=tokens,
            mean_logprob=mean_logprob,
            no_speech=self._no_speech(encoded, prompt) if may_be_silent(mean_logprob) else 0.0,
            first_token=softmax(np.array(result.logits[0][0])) if first_token and result.logits[0] else None,
        )

    def _no_speech(self, encoded: ctranslate2.StorageView, prompt: list[int]) -> float:
        """Asked for by itself, because few windows need it: it costs a step of the decoder."""
        room = len(prompt) + 1  # two tokens
        (result,) = self._model.generate(encoded, [prompt], beam_size=1, max_length=room, return_no_speech_prob=True)
        return float(result.no_speech_prob)

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
        times = [begins.get(n, 0) / STATES_PER_S for n in range(len(tokens))] + [samples / SAMPLE_RATE_HZ]
        last = max((time for _, time in aligned.alignments), default=0) / STATES_PER_S
        times[-1] = min(times[-1], max(last, times[-2]))
        return tuple(zip(tokens, times[:-1], times[1:], aligned.text_token_probs, strict=True))
