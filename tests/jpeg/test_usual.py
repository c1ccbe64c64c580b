"""Protects what counts as a usual quantisation table: libjpeg's at every quality, and no garbled one."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from jpegrescue.jpeg.parse import parse
from jpegrescue.jpeg.usual import usual_quantisation
from jpegrescue.model.jpeg import JpegStructure


def structure(quality: int, mode: str = "RGB") -> JpegStructure:
    out = io.BytesIO()
    Image.new(mode, (16, 16)).save(out, "JPEG", quality=quality)
    return parse(np.frombuffer(out.getvalue(), np.uint8))


@pytest.mark.parametrize("quality", [1, 10, 49, 50, 75, 93, 100])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_libjpeg_s_tables_are_usual(quality: int, mode: str) -> None:
    assert usual_quantisation(structure(quality, mode))


def test_a_changed_step_is_not() -> None:
    sound = structure(90)
    first, *others = sound.quantisation
    assert first is not None

    assert not usual_quantisation(replace(sound, quantisation=((first[0] ^ 1, *first[1:]), *others)))
    assert not usual_quantisation(replace(sound, quantisation=(None,) * 4))
    assert not usual_quantisation(replace(sound, frame=None))
