"""``python -m smoothkit report`` on runs that really trained."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from smoothkit.__main__ import main
from smoothkit.test import main as evaluate
from smoothkit.train import main as train

VOID = {"meta", "img", "br", "link"}


class Balance(HTMLParser):
    """Fails where a tag is closed that is not the last one opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        pass


@pytest.fixture
def two_runs(tiny) -> None:
    for name, rate in (("slow", 0.001), ("fast", 0.01)):
        changes = {"train": {"optim_g": {"lr": rate}}, "val": {"val_freq": 4}}
        assert train(["-opt", str(tiny(name=name, **changes))]) == 0
    path = tiny("test.yml", name="fast", train=None, datasets={"train": None})
    assert evaluate(["-opt", str(path)]) == 0


def test_two_runs_side_by_side(two_runs, capsys):
    assert main(["report", "slow", "experiments/fast"]) == 0
    out = Path("experiments/slow/report.html")
    assert capsys.readouterr().out.strip() == str(out)
    text = out.read_text("utf-8")
    Balance(text)
    charts = re.findall(r'<figure class="chart"><figcaption>(.*?)<.*?</figure>', text)
    assert charts == ["l_pixel", "l_total", "lr", "held_out: psnr"]
    assert text.count('<g class="run0">') == text.count('<g class="run1">') == len(charts)
    assert re.findall("<h3>(.*?)</h3>", text) == ["held_out: slow", "held_out: fast"]
    assert re.findall("<figcaption>iteration (.)<", text) == ["4", "8", "4", "8"]
    assert "<td>train.optim_g.lr</td><td>0.001</td><td>0.01</td>" in text
    assert (
        len(re.findall(r"<td>slow</td><td>[\d :-]+INFO: smoothkit .*?, torch .*?</td>", text)) == 1
    )
    assert re.search(r"fast, held_out: psnr [\d.]+ ± [\d.]+ \(3 images\)", text)


def test_the_page_needs_nothing_else(two_runs):
    assert main(["report", "slow", "fast", "--out", "page.html"]) == 0
    text = Path("page.html").read_text("utf-8")
    assert not re.search(r"https?:|<script|<link|url\(", text)
    assert set(re.findall(r'src="(.{16})', text)) == {"data:image/webp;"}
    assert not Path("experiments/slow/report.html").exists()


def test_an_unknown_run_is_one_line_and_exit_code_2(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["report", "nothing"]) == 2
    expected = "nothing: no such experiment. Give its folder, or its name below experiments/.\n"
    assert capsys.readouterr().err == expected
