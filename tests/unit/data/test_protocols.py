from __future__ import annotations

import pytest

from smoothkit.core.errors import DataError
from smoothkit.data.protocols import by_stem, ground_truth_name, ground_truth_stem


@pytest.mark.parametrize(
    ("name", "protocol", "stem"),
    [
        ("12_3.png", "nks", "12"),
        ("a_b_c.jpg", "nks", "a"),
        ("12.png", "nks", "12"),
        ("sub/12_3.png", "nks", "12"),
        ("154.png", "voc", "4"),
        ("149.png", "voc", "149"),
        ("cat_3.png", "name", "cat_3"),
    ],
)
def test_the_name_tells_the_ground_truth(name: str, protocol, stem: str) -> None:
    assert ground_truth_stem(name, protocol) == stem


def test_the_number_of_ground_truths_can_be_another() -> None:
    assert ground_truth_stem("12.png", "voc", num_gt=5) == "2"


def test_voc_needs_a_number() -> None:
    with pytest.raises(DataError, match=r"cat.png: must be named by its number, as in 154.png"):
        ground_truth_stem("cat.png", "voc")


def test_a_ground_truth_may_have_any_format() -> None:
    held = by_stem(["3.jpg", "4.tif"], "gt")
    assert ground_truth_name("154.png", held, "gt", "voc", 150) == "4.tif"


def test_a_missing_ground_truth_is_named() -> None:
    with pytest.raises(DataError, match=r"^gt: has no ground truth '5' for 5_1.png"):
        ground_truth_name("5_1.png", {}, "gt", "nks", 150)


def test_two_ground_truths_of_one_name_are_refused() -> None:
    with pytest.raises(DataError, match=r"^gt: has both 3.jpg and 3.png"):
        by_stem(["3.jpg", "3.png"], "gt")
