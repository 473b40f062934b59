"""`python -m examples.conv_lab`: what it writes, what it prints, what it refuses."""

import json
import re

from examples import conv_lab


def test_it_writes_the_page_and_says_how_to_open_it(tmp_path, capsys):
    path = tmp_path / "somewhere" / "lab.html"
    arguments = "--input 6x8 --kernel 3x2 --stride 2x1 --dilation 1x2 --padding 1x2"
    assert conv_lab.main([*arguments.split(), "--out", str(path)]) == 0
    assert capsys.readouterr().out == (f"wrote {path}\nopen it in a browser: {path.as_uri()}\n")
    text = path.read_text(encoding="utf-8")
    opening = json.loads(re.search(r'id="given">(.*?)</script>', text)[1])["opening"]
    names = ("image", "kernel", "stride", "dilation", "padding")
    assert [opening[name] for name in names] == [
        [6, 8],
        [3, 2],
        [2, 1],
        [1, 2],
        [[1, 1], [2, 2]],
    ]


def test_what_cannot_be_shown_is_refused(tmp_path, capsys):
    path = tmp_path / "lab.html"
    assert conv_lab.main(["--input", "12x5", "--out", str(path)]) == 1
    assert capsys.readouterr().err == (
        "conv_lab: input_size=(12, 5); at most 9 can be read; give a smaller one: the pattern is "
        "the same\n"
    )
    assert not path.exists()
