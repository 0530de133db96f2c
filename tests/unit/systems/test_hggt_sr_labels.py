from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from smoothkit.core.errors import DataError
from smoothkit.systems.hggt_sr import labels as module
from smoothkit.systems.hggt_sr.labels import CACHE_FILE, counts, kept, read_labels
from support.hggt import by_all, write_labels
from support.oracle import Case

META = Case("hggt_posneg_sr", "labels_datasets").meta
RULES = {
    "PosNegGTPosNeg_Dataset": "positive_or_negative",
    "PosNegGTPosDataset": "positive",
    "PosNegGTOriDataset": "all",
    "TwoStageDegradation_PosNegGTPos_Dataset": "positive",
}
P, S, N = "Positive", "Similar", "Negative"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, given in META["groups"].items():
        write_labels(tmp_path, name, given)
    return tmp_path


@pytest.mark.parametrize("published", RULES)
def test_the_published_sets_are_kept(folder: Path, published: str) -> None:
    labels = read_labels(folder)
    names = [labels.names[row] for row in kept(labels, RULES[published])]
    assert names == META["kept"][published]


def test_labels_and_votes_are_the_published_ones(folder: Path) -> None:
    labels = read_labels(folder)
    for item in META["items"]["posneg"]:
        row = labels.names.index(item["name"])
        assert [0, *labels.codes[row]] == item["label_list"]
        assert [3, *labels.votes[row]] == item["label_num_list"]


def test_the_second_start_opens_no_label_file(folder: Path, monkeypatch) -> None:
    first = read_labels(folder)
    monkeypatch.setattr(module, "_pictures", lambda path: pytest.fail(f"opened {path}"))
    second = read_labels(folder)
    assert second.names == first.names
    assert (second.codes == first.codes).all()
    assert (second.votes == first.votes).all()


def test_a_changed_file_is_read_again(folder: Path) -> None:
    read_labels(folder)
    write_labels(folder, "0002-8-8", by_all([N, S, S, S]))
    os.utime(folder / "A" / "0002-8-8.json", ns=(1, 1))  # even one that looks older
    labels = read_labels(folder)
    assert labels.codes[labels.names.index("0002-8-8")].tolist() == [3, 2, 2, 2]


def test_a_damaged_table_is_made_anew(folder: Path) -> None:
    (folder / CACHE_FILE).write_bytes(b"PK broken")
    assert len(read_labels(folder).names) == 5
    assert len((folder / CACHE_FILE).read_bytes()) > 100


def test_unknown_labels_count_as_similar_and_are_told_once(tmp_path: Path, caplog) -> None:
    write_labels(tmp_path, "x", by_all([P, None, "Good", " nEGATIVE "]))
    labels = read_labels(tmp_path)
    assert labels.codes.tolist() == [[1, 2, 2, 3]]
    assert caplog.text.count("2 pictures have no label, or one of another word") == 1


def test_other_keys_and_byte_order_marks_are_forgiven(tmp_path: Path) -> None:
    write_labels(tmp_path, "x", by_all([P, S, S, S]))
    path = tmp_path / "A/x.json"
    content = {"Note": "?", **json.loads(path.read_text())}
    path.write_text("\ufeff" + json.dumps(content))
    assert read_labels(tmp_path).codes.tolist() == [[1, 2, 2, 2]]


def test_any_number_of_versions_and_annotators_works(tmp_path: Path) -> None:
    write_labels(tmp_path, "x", {"A": [P, N], "B": [P, S]})
    labels = read_labels(tmp_path)
    assert (labels.versions, labels.num_annotators) == (["01", "02"], 2)
    assert labels.codes.tolist() == [[1, 2]]
    with pytest.raises(DataError, match="has folders of 2 annotators, needs 3"):
        read_labels(tmp_path, num_annotators=3)


def test_ranges_hold_sets_of_their_own(folder: Path) -> None:
    for name in ("0-1", "1-2"):
        shutil.copytree(folder, folder.parent / "ranges" / name)
    labels, alone = read_labels(folder.parent / "ranges"), read_labels(folder)
    assert labels.names[:2] == ["0-1/0001-0-0", "0-1/0002-8-8"]
    assert labels.codes.tolist() == 2 * alone.codes.tolist()
    assert labels.num_annotators == 3


def test_sets_with_faults_are_left_out_where_they_are_collected(folder: Path) -> None:
    (folder / "C/0001-0-0.json").unlink()
    (folder / "A/0002-8-8.json").write_text("{")
    faults: list[str] = []
    assert read_labels(folder, faults=faults).names == ["0003-1-2", "0004-5-5", "0005-3-3"]
    assert [fault.partition(":")[0][-15:] for fault in faults] == [
        "C/0001-0-0.json", "A/0002-8-8.json"
    ]  # fmt: skip
    with pytest.raises(DataError, match=r"C/0001-0-0\.json"):  # and nothing was cached
        read_labels(folder)


def test_counts(folder: Path) -> None:
    found = counts(read_labels(folder))
    assert found["sets"] == 5
    assert found["sets with a positive"] == 3
    assert found["negative pictures"] == 2


def remove(path: Path) -> None:
    path.unlink()


def write(text: str):
    return lambda path: path.write_text(text)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (remove, r"C/0001-0-0.json: missing, only A and B labelled this set. Each set"),
        (write("{"), r"C/0001-0-0.json: is no label file: Expecting"),
        (write("[]"), r"C/0001-0-0.json: is no label file"),
        (write('{"Picture_1": {}}'), r"is no label file: it has no Picture_1 and Picture_2"),
        (write('{"Picture_1": {}, "Picture_2": {}}'), r"Picture_1 needs 'File' and 'Label'"),
        (
            write('{"Picture_1": {"File": "original", "Label": null}, '
                  '"Picture_2": {"File": "01", "Label": "Positive"}}'),
            r"C/0001-0-0.json: has no label for 02, 03, 04, which another annotator has",
        ),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_named(folder: Path, damage, told: str) -> None:
    damage(folder / "C/0001-0-0.json")
    with pytest.raises(DataError, match=told):
        read_labels(folder)


def test_a_folder_without_labels_is_named(tmp_path: Path) -> None:
    for root, told in ((tmp_path, "has no label files"), (tmp_path / "none", "cannot be read")):
        with pytest.raises(DataError, match=told):
            read_labels(root)
