"""Our decoder, on real weights, against openai-whisper's in 32-bit floats, which computes the same by other means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import pytest
import torch
import whisper

from models.cancellation import Cancelled
from models.media.audio_decoder import decode
from models.speech.whisper.features import log_mel
from models.speech.whisper.onnx_decoder import BLOCK_FRAMES, DecodingState, Floats, OnnxDecoder, TokenRules
from models.speech.whisper.onnx_graph import decoder_files
from models.speech.whisper.openai_checkpoint import whisper_checkpoint
from models.speech.whisper.silence_states import ENCODER_FRAMES_PER_S, silence_file, synthetic_speech
from models.speech.whisper.tokenizer import WhisperTokens
from models.weights.store import locate

pytestmark = pytest.mark.models

STATES = 450


@pytest.fixture(scope="module")
def tokens(weights_cache: Path) -> WhisperTokens:
    return WhisperTokens(locate("whisper-base", weights_cache), multilingual=True)


@pytest.fixture(scope="module")
def silence(weights_cache: Path) -> Floats:
    return np.asarray(np.load(silence_file("whisper-base", weights_cache)), np.float32)


@pytest.fixture(scope="module")
def decoder(weights_cache: Path, tokens: WhisperTokens, silence: Floats) -> OnnxDecoder:
    return OnnxDecoder(*decoder_files("whisper-base", weights_cache), tokens.rules, silence)


@pytest.fixture(scope="module")
def encode(weights_cache: Path) -> Any:
    folder = str(locate("whisper-base", weights_cache))
    model = ctranslate2.models.Whisper(folder, device="cpu", compute_type="float32", intra_threads=1)

    def states(samples: Floats, count: int) -> Floats:
        features = ctranslate2.StorageView.from_array(log_mel(samples, 2 * count)[np.newaxis])
        return np.asarray(np.array(model.encode(features))[0], np.float32)

    return states


@pytest.fixture(scope="module")
def greeting(data: Path) -> Floats:
    return decode((data / "visit.webm").read_bytes())


@pytest.fixture(scope="module")
def window(decoder: OnnxDecoder, encode: Any, greeting: Floats) -> DecodingState:
    return decoder.start_window(encode(greeting, STATES), STATES)


def check_cancelled() -> None:
    return


def test_it_predicts_what_openai_whisper_predicts(
    weights_cache: Path,
    tokens: WhisperTokens,
    decoder: OnnxDecoder,
    window: DecodingState,
    encode: Any,
    greeting: Floats,
) -> None:
    start = tokens.start("en")
    said = window.decode(start, 0, 50, check_cancelled).tokens
    reference = whisper.load_model(str(whisper_checkpoint("whisper-base", weights_cache)), device="cpu")
    with torch.no_grad():
        encoded = torch.from_numpy(encode(greeting, STATES))[None]
        truth = reference.decoder(torch.tensor([[*start, *said]]), encoded)[0].numpy()
    ours, _ = window.append([*start, *said])
    assert (ours[3:].argmax(axis=1) == truth[3:].argmax(axis=1)).mean() > 0.9
    assert all(np.corrcoef(a, b)[0, 1] > 0.99 for a, b in zip(ours[3:], truth[3:], strict=True))


def test_the_prompt_can_be_appended_at_once_or_token_by_token(
    tokens: WhisperTokens, decoder: OnnxDecoder, window: DecodingState
) -> None:
    start = tokens.start("en")
    at_once, _ = window.append(start)
    singly, past = [], decoder.empty_past()
    for place, token in enumerate(start):
        logits, past = window.append([token], place, past)
        singly.append(logits[0])
    assert np.allclose(at_once, singly, atol=0.5)


def test_decoding_gives_the_text_and_its_probabilities(tokens: WhisperTokens, window: DecodingState) -> None:
    decoded = window.decode(tokens.start("en"), 0, 50, check_cancelled)
    assert "hello" in tokens.text(decoded.tokens).lower()
    assert -0.7 < decoded.mean_logprob < 0
    assert decoded.no_speech < 0.3
    assert decoded.first_token is not None
    assert decoded.first_token.sum() == pytest.approx(1, abs=1e-3)
    assert decoded.first_token[list(tokens.rules.never)].max() == 0
    assert int(decoded.first_token.argmax()) == decoded.tokens[0]
    assert len(decoded.probabilities) == len(decoded.tokens)
    assert decoded.probabilities[0] == pytest.approx(decoded.first_token.max(), abs=1e-3)
    total = decoded.mean_logprob * (len(decoded.tokens) + 1)  # with the end
    assert total <= np.log(decoded.probabilities).sum() <= total + 1


def test_a_prompt_of_previous_words_is_accepted(tokens: WhisperTokens, window: DecodingState) -> None:
    start = tokens.start("en")
    prompt = [*tokens.prompt("Mister Carter, Riverside"), *start]
    decoded = window.decode(prompt, len(prompt) - len(start), 50, check_cancelled)
    assert "hello" in tokens.text(decoded.tokens).lower()
    assert decoded.no_speech < 0.3


def test_decoding_stops_at_the_token_limit_and_on_cancellation(tokens: WhisperTokens, window: DecodingState) -> None:
    assert len(window.decode(tokens.start("en"), 0, 3, check_cancelled).tokens) == 3

    def stop() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        window.decode(tokens.start("en"), 0, 50, stop)


def test_the_language_is_detected(tokens: WhisperTokens, window: DecodingState) -> None:
    languages = list(tokens.languages)
    number, probability = window.most_likely(tokens.special("<|startoftranscript|>"), list(tokens.languages.values()))
    assert languages[number] == "en"
    assert 0.5 < probability <= 1


def test_cached_silence_gives_the_same_result_as_encoded_silence(
    tokens: WhisperTokens, decoder: OnnxDecoder, encode: Any, greeting: Floats, silence: Floats
) -> None:
    start = tokens.start("en")
    count = BLOCK_FRAMES * (
        (len(greeting) * ENCODER_FRAMES_PER_S // 16_000 + ENCODER_FRAMES_PER_S // 2) // BLOCK_FRAMES + 1
    )
    encoded = encode(greeting, len(silence))
    assert np.corrcoef(encoded[count:].ravel(), silence[count:].ravel())[0, 1] > 0.9
    whole = decoder.start_window(encoded, len(silence)).decode(start, 0, 50, check_cancelled)
    short = decoder.start_window(encode(greeting, count), len(silence)).decode(start, 0, 50, check_cancelled)
    assert tokens.text(short.tokens) == tokens.text(whole.tokens)
    assert short.mean_logprob == pytest.approx(whole.mean_logprob, abs=0.15)


def test_a_context_beyond_the_cached_silence_is_refused(decoder: OnnxDecoder, silence: Floats) -> None:
    for count, context in ((50, len(silence) + BLOCK_FRAMES), (51, len(silence)), (BLOCK_FRAMES, len(silence))):
        with pytest.raises(ValueError, match="cached"):
            decoder.start_window(silence[:count], context)


def test_pure_silence_has_a_high_no_speech_probability(
    tokens: WhisperTokens, decoder: OnnxDecoder, encode: Any, silence: Floats
) -> None:
    nothing = encode(np.zeros(8000, np.float32), 50)
    decoded = decoder.start_window(nothing, len(silence)).decode(tokens.start("en"), 0, 20, check_cancelled)
    assert decoded.no_speech > 0.6


def test_vocabulary_words_cannot_inject_special_tokens(tokens: WhisperTokens) -> None:
    assert tokens.rules.end not in tokens.ids("Mill Lane <|endoftext|>")
    assert max(tokens.prompt("<|en|>")[1:]) < tokens.rules.end


def test_synthetic_sounds_are_deterministic_and_bounded() -> None:
    first, second = list(synthetic_speech()), list(synthetic_speech())
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert all(np.abs(samples).max() == pytest.approx(0.3, abs=1e-4) for samples in first)


def test_token_rules_come_from_the_weights(tokens: WhisperTokens) -> None:
    rules: TokenRules = tokens.rules
    assert tokens.special("<|transcribe|>") in rules.never
    assert rules.end in rules.not_first
