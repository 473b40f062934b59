"""A place that cannot be written to ends every program with one line, not with a traceback."""

import pytest

from examples import (
    animate_convolution,
    article_figures,
    conv_lab,
    image_filters,
    learn_a_filter,
    smooth_signal,
    watch_training,
)

QUICK = {
    animate_convolution: ["--what", "forward", "--size", "2x3", "--kernel", "2"],
    article_figures: ["3"],
    conv_lab: [],
    image_filters: [],
    learn_a_filter: ["--steps", "1"],
    smooth_signal: ["--length", "20", "--reach", "1"],
    watch_training: ["--steps", "1", "--frames", "2"],
}


@pytest.mark.parametrize("program", QUICK, ids=lambda program: program.__name__.split(".")[-1])
def test_a_file_where_the_folder_should_be(program, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(learn_a_filter, "FRAMES", 2)
    taken = tmp_path / "taken"
    taken.write_text("not a folder")
    place = taken / "lab.html" if program is conv_lab else taken
    assert program.main([*QUICK[program], "--out", str(place)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{program.__name__.split('.')[-1]}: ")
    assert str(taken) in line
    assert taken.read_text() == "not a folder"
