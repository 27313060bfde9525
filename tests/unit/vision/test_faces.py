from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from models.errors import WeightsError
from models.media.images import ImageLimits, decode
from models.media.pixels import Pixels
from models.vision.faces import Face, FaceOptions, YunetFaceDetector
from server.cli.config import load_settings
from tests.data.make_badge import draw_face, put, turned
from tests.unit.vision.pictures import DATA

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def detector() -> YunetFaceDetector:
    return YunetFaceDetector(load_settings().weights_dir)


def _over(faces: Sequence[Face], x: float, y: float) -> list[Face]:
    return [f for f in faces if f.box[0][0] < x < f.box[2][0] and f.box[0][1] < y < f.box[2][1]]


def _scene(size: int, degrees: float) -> tuple[Pixels, float, float]:
    """A grey room of two megapixels with one portrait; where the middle of the face is."""
    page = np.full((1200, 1600, 3), 180, np.uint8)
    left, top, right, bottom = put(page, turned(draw_face(size), degrees), 400, 100)
    return page, (left + right) / 2, (top + bottom) / 2


@pytest.mark.parametrize("size", [160, 240, 480, 760])
@pytest.mark.parametrize("degrees", [0, 20, 90, 180, 270])
def test_faces_are_found_at_any_size_and_rotation(detector: YunetFaceDetector, size: int, degrees: float) -> None:
    pixels, x, y = _scene(size, degrees)
    faces = detector.detect(pixels)
    assert len(faces) == 1
    assert _over(faces, x, y)
    (left, top), (right, bottom) = faces[0].box[0], faces[0].box[2]
    assert 0.3 * size < max(right - left, bottom - top) < 1.1 * size


def test_several_faces_are_found_separately(detector: YunetFaceDetector) -> None:
    page = np.full((1200, 1600, 3), 180, np.uint8)
    for column in range(4):
        put(page, draw_face(200), 100 + 380 * column, 400)
    faces = detector.detect(page)
    assert len(faces) == 4
    assert [f.score for f in faces] == sorted((f.score for f in faces), reverse=True)


@pytest.mark.parametrize("name", ["register.jpg", "meter.jpg"])
def test_print_and_dials_are_not_faces(detector: YunetFaceDetector, name: str) -> None:
    assert detector.detect(decode((DATA / name).read_bytes(), ImageLimits()).pixels) == []


@pytest.mark.parametrize("shape", [(1, 1), (3, 4000), (33, 31)])
def test_odd_picture_sizes_are_accepted(detector: YunetFaceDetector, shape: tuple[int, int]) -> None:
    assert detector.detect(np.zeros((*shape, 3), np.uint8)) == []


def test_boxes_lie_inside_the_picture(detector: YunetFaceDetector) -> None:
    pixels = draw_face(400)[40:, 60:340]
    for face in detector.detect(pixels):
        xs, ys = zip(*face.box, strict=True)
        assert 0 <= min(xs) <= max(xs) <= pixels.shape[1]
        assert 0 <= min(ys) <= max(ys) <= pixels.shape[0]


def test_a_missing_model_is_an_error(tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(WeightsError):
        YunetFaceDetector(tmp_path_factory.mktemp("empty"))


def test_detections_below_the_threshold_are_dropped() -> None:
    strict = YunetFaceDetector(load_settings().weights_dir, FaceOptions(min_score=0.999))
    assert strict.detect(_scene(240, 0)[0]) == []
