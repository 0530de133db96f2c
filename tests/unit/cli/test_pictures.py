"""Which results commands over images plan."""

import cv2
import numpy as np
import pytest

from smoothkit.cli.pictures import plan
from smoothkit.core.errors import DataError


def test_an_output_named_like_an_image_is_refused_unless_it_is_a_folder(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((4, 4), np.uint8))
    with pytest.raises(DataError, match=r"-o .*res\.PNG: is the name of an image"):
        plan(tmp_path / "a.png", tmp_path / "out/res.PNG")
    (tmp_path / "old.png").mkdir()
    (job,) = plan(tmp_path / "a.png", tmp_path / "old.png")
    assert job.target == tmp_path / "old.png/a.png"
