from __future__ import annotations

import pytest

from smoothkit.ops.label_votes import NAMES, SIMILAR, code_of, normalised, vote
from support.oracle import Case

TABLE = Case("hggt_posneg_sr", "labels_datasets").meta["vote_table"]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: "-".join(str(v)[:3] for v in row["votes"]))
def test_three_votes_give_the_published_label(row) -> None:
    label, count = vote([normalised(given) for given in row["votes"]])
    assert (label, count) == (normalised(row["effective"]), row["count"])
    if row["effective"] is not None:
        assert code_of(label) == row["code"]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["positive"], ("positive", 1)),
        (["positive", "negative"], ("similar", 1)),
        (["positive", "positive", "negative", "negative"], ("similar", 1)),
        (["positive", "positive", "negative", "similar"], ("positive", 2)),
        (["negative"] * 5, ("negative", 5)),
    ],
)
def test_any_number_of_annotators_may_vote(labels, expected) -> None:
    assert vote(labels) == expected


@pytest.mark.parametrize("text", ["Positive", " POSITIVE\n", "\ufeffpositive"])
def test_writing_is_forgiven(text: str) -> None:
    assert NAMES[code_of(normalised(text))] == "positive"


def test_other_words_have_no_code() -> None:
    assert code_of(None) is code_of("good") is code_of("original") is None
    assert code_of("similar") == SIMILAR
