"""The shipped option files set what the specifications of the systems say.

``option_files/*.yml`` were written by hand from these, for the published files, and hold what our
own demos are set to. A file whose settings change on purpose needs its pins changed with it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from smoothkit.core.options import read_options, thaw
from support.pins import differences, read_pins, shipped

OPTIONS = Path(__file__).parents[3] / "options"
PINS = {
    file: pins
    for path in sorted((Path(__file__).parent / "option_files").glob("*.yml"))
    for file, pins in read_pins(path).items()
}


def test_every_shipped_file_is_pinned():
    assert set(shipped(OPTIONS)) == set(PINS)


@pytest.mark.parametrize("name", PINS)
def test_a_shipped_file_sets_what_was_written_down(name):
    assert "\n".join(differences(read_options(OPTIONS / name), PINS[name])) == ""


def test_a_changed_an_added_and_a_lost_setting_are_differences():
    name = "train/lsa/train_LSA.yml"
    options = thaw(read_options(OPTIONS / name).data)
    options["train"]["optim_g"]["lr"] = 5e-3
    options["train"]["grad_norm"] = 1
    del options["datasets"]["train"]["keep_aspect"]
    assert differences(read_options(OPTIONS / name).with_data(options), PINS[name]) == [
        "train.optim_g.lr: pinned 5e-05, got 0.005",
        "datasets.train.keep_aspect: pinned False, got True",
        "train.grad_norm: not pinned, got 1",
    ]
