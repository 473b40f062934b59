"""`python -m examples.animate_convolution`: the films it writes, and what it refuses."""

import pytest
from PIL import Image

from examples import animate_convolution


def frames(path):
    with Image.open(path) as file:
        return file.n_frames


def test_all_films_of_a_layer_with_everything_different(tmp_path, capsys):
    arguments = "--size 5x3 --kernel 2x3 --stride 2x1 --dilation 1x2 --padding 1,0,2,1"
    assert animate_convolution.main([*arguments.split(), "--out", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "stride=(2, 1), padding=((1, 0), (2, 1)), dilation=(1, 2)" in text
    # 3x2 outputs, 5x3 inputs, 2x3 weights
    expected = {"forward": 6, "input_gradient": 6, "flip": 15, "kernel_gradient": 6}
    assert {path.stem: frames(path) for path in tmp_path.iterdir()} == expected
    for name, count in expected.items():
        assert f"{name}.gif: {count} frames, " in text


def test_one_film_of_several_filters(tmp_path):
    arguments = "--what kernel-gradient --size 3x2 --kernel 2x1 --channels 2 --filters 3"
    assert animate_convolution.main([*arguments.split(), "--out", str(tmp_path)]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["kernel_gradient.gif"]
    assert frames(tmp_path / "kernel_gradient.gif") == 2 * 1 * 2 * 3


def test_the_numbers_depend_on_the_seed_alone():
    first, same, other = (
        animate_convolution.layer(animate_convolution.parse(["--seed", seed])).kernel.data.tolist()
        for seed in "334"
    )
    assert first == same
    assert first != other


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ("--size 5x3 --kernel 3x4", "kernel"),
        (
            "--size 28x28",
            "a frame has 28 rows; at most 24 can be drawn with numbers; give a smaller",
        ),
        ("--size 4096x4096", "at most 24"),
        ("--size 21x20 --kernel 1 --what flip", "42 columns side by side; at most 40"),
        ("--size 15x14 --kernel 1 --what flip", "takes 210 frames; at most 200 make a film"),
        ("--size 0x5", "0"),
        ("--filters 0", "out_channels=0"),
        ("--stride 0", "stride=(0, 0)"),
        ("--padding SOME", "'SOME'"),
    ],
)
def test_what_cannot_be_filmed_is_one_line(arguments, part, tmp_path, capsys):
    out = tmp_path / "out"
    assert animate_convolution.main([*arguments.split(), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("animate_convolution: ")
    assert part in error
    assert error.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--padding", "1,2"],
        ["--padding", "1,2,x,0"],
        ["--kernel", "3by3"],
        ["--size", "5x5x5"],
        ["--what", "sideways"],
    ],
)
def test_nonsense(arguments, capsys):
    with pytest.raises(SystemExit) as exit_:
        animate_convolution.main(arguments)
    assert exit_.value.code == 2
    assert arguments[1] in capsys.readouterr().err
