"""A second opinion on the type of a file, from a model that learned it from content: Magika.

Alone it refuses only where it is sure of something that is no picture, recording or document: a program, a script, an
archive, markup. It sees numbers taken from the beginning and the end of a file and parses nothing, so it needs no
process of its own; it can be wrong about odd pictures.
"""

from __future__ import annotations

from typing import Final

import onnxruntime
from magika import Magika

from models.errors import UnsupportedMedia
from models.media.structure.layout import EXPORT_AGAIN
from models.reasons import Reason

LEAST_SCORE: Final = 0.9
LEAST_BYTES: Final = 512
"""About smaller files the model is often wrong: it sees padding instead of samples."""

_REFUSED_GROUPS: Final = frozenset({"executable", "archive", "code"})
_REFUSED_LABELS: Final = frozenset({"svg", "lnk", "chm", "hlp", "ole", "ooxml", "emf", "internetshortcut"})


class _SingleThreadedMagika(Magika):
    """Magika without a pool of threads, which would spin for 20 ms after each file."""

    def _init_onnx_session(self) -> onnxruntime.InferenceSession:
        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        return onnxruntime.InferenceSession(self._model_path, options, providers=["CPUExecutionProvider"])


class SecondOpinion:
    """The loaded model: about 25 MB, and 5 ms a file."""

    def __init__(self) -> None:
        self._magika = _SingleThreadedMagika()

    def check(self, data: bytes) -> None:
        """Refuse a file that the model is sure to be no media.

        Raises:
            UnsupportedMedia: FOREIGN_CONTENT.
        """
        if len(data) < LEAST_BYTES:
            return
        seen = self._magika.identify_bytes(data)
        kind = seen.dl
        if seen.score >= LEAST_SCORE and (kind.group in _REFUSED_GROUPS or kind.label in _REFUSED_LABELS):
            raise UnsupportedMedia(
                "The content looks like a program, a script, an archive or markup.",
                reason=Reason.FOREIGN_CONTENT,
                hint=EXPORT_AGAIN,
            )
