"""Pages: escaped, whole, self-contained."""

from __future__ import annotations

import base64

from smoothkit.core.html import figure, page, table


def test_texts_are_escaped() -> None:
    text = page("<a&b>", table(["<x>"], [["<script>"]]), figure(b"", 'say "x"'))
    assert "<script>" not in text
    assert "&lt;a&amp;b&gt;" in text
    assert 'alt="say &quot;x&quot;"' in text


def test_numbers_are_told_apart_from_texts() -> None:
    text = table(["a", "b", "c"], [[1.23456, 7, True]])
    assert '<td class="number">1.2346</td><td class="number">7</td><td>True</td>' in text


def test_a_picture_is_inside_the_page() -> None:
    assert base64.b64encode(b"abc").decode() in figure(b"abc", "x")
    assert "http" not in page("x", figure(b"abc", "x"))
