"""`python -m examples.cut_the_ties`: equal beginnings, what is measured, what is printed."""

import numpy as np
import pytest
from PIL import Image

import minigrad as mg
from examples import cut_the_ties
from minigrad import nn

# 5x5 windows of 1 and 8 channels, 8 and 16 filters, on 14x14 and 7x7 images; 144 -> 10 at the end.
HEAD = 3 * 3 * 16 * 10 + 10
PARAMETERS = {
    "tied": (25 + 1) * 8 + (25 * 8 + 1) * 16 + HEAD,
    "local": 196 * (25 + 1) * 8 + 49 * (25 * 8 + 1) * 16 + HEAD,
    "dense": (196 + 1) * 196 * 8 + (49 * 8 + 1) * 49 * 16 + HEAD,
}

SMALL = ["--batch-size", "8", "--test-images", "30"]


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    """Drawn digits are kept in a folder of the test, not in the user's."""
    monkeypatch.setenv("MINIGRAD_CACHE", str(tmp_path / "cache"))


def test_the_three_networks_begin_as_one_function():
    readers = cut_the_ties.three_readers(np.random.default_rng(3))
    images = np.random.default_rng(4).random((5, 14, 14, 1), dtype=np.float32)
    with mg.no_grad():
        outputs = {level: reader(images).data for level, reader in readers.items()}
    assert outputs["tied"].shape == (5, 10)
    for level in ("local", "dense"):
        np.testing.assert_allclose(outputs[level], outputs["tied"], atol=2e-6)
        assert max(cut_the_ties.residuals(readers[level])) < 1e-6
    assert isinstance(readers["local"].second, nn.LocallyConnected2D)
    assert isinstance(readers["dense"].first, nn.Dense)


def test_the_three_networks_share_no_numbers():
    readers = cut_the_ties.three_readers(np.random.default_rng(3))
    arrays = [p.data for reader in readers.values() for p in reader.parameters()]
    assert not any(np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])


def test_parameters_are_counted():
    assert cut_the_ties.parameter_counts() == PARAMETERS
    assert list(PARAMETERS.values()) == [4_874, 199_802, 618_458]


def test_residuals_are_the_share_that_is_no_convolution():
    """A number added to every other output of the first dense layer, against plain means."""
    reader = cut_the_ties.three_readers(np.random.default_rng(3))["dense"]
    weight = reader.first.weight.data
    far_apart = np.zeros_like(weight)
    far_apart[0, -1] = 2.0  # the first input and the last output lie in no common window
    length = np.sqrt((weight.astype(float) ** 2).sum() + 4.0)
    reader.first.weight.data[...] += far_apart
    first, second = cut_the_ties.residuals(reader)
    assert first == pytest.approx(2.0 / length, rel=1e-6)
    assert second < 1e-6


def test_images_move_in_all_eight_directions_and_nothing_comes_in():
    image = np.zeros((7, 9, 1), np.float32)
    image[3, 4] = 1.0
    moved = cut_the_ties.moved(np.stack([image] * 200), 2, np.random.default_rng(0))
    np.testing.assert_array_equal(moved.sum(axis=(1, 2, 3)), 1.0)
    places = {tuple(int(part) for part in np.argwhere(one)[0][:2]) for one in moved}
    assert places == {(r, c) for r in (1, 3, 5) for c in (2, 4, 6) if (r, c) != (3, 4)}
    ones = cut_the_ties.moved(np.ones((50, 7, 9, 1), np.float32), 3, np.random.default_rng(0))
    assert {int(one.sum()) for one in ones} == {4 * 9, 7 * 6, 4 * 6}  # black comes in


def test_halving_averages_two_by_two():
    image = np.arange(28 * 28, dtype=np.float32).reshape(1, 28, 28, 1)
    small = cut_the_ties.halved(image)
    assert small.shape == (1, 14, 14, 1)
    assert small[0, 3, 5, 0] == image[0, [6, 6, 7, 7], [10, 11, 10, 11], 0].mean()


def test_moments():
    assert cut_the_ties.moments(30) == [0, 1, 2, 5, 10, 20, 30]
    assert cut_the_ties.moments(1) == [0, 1]


def test_a_small_run_measures_every_network():
    options = cut_the_ties.parse(["--sizes", "40", "20", "--seeds", "2", "--steps", "3", *SMALL])
    measurements = cut_the_ties.run(options)
    # 2 seeds, 3 networks; steps 0 and 3 with 20 images, 0 to 3 but for none between with 40.
    assert len(measurements) == 2 * 3 * (2 + 4)
    ends = [m for m in measurements if m.step == 3 and m.images == 40]
    assert len(ends) == 6
    for m in measurements:
        assert 0 <= m.usual <= 1 and 0 <= m.shifted <= 1 and 0 <= m.fitted <= 1
        largest = max(m.first_residual, m.second_residual)
        if m.step == 0 or m.level == "tied":
            assert largest < 1e-6
        else:
            assert min(m.first_residual, m.second_residual) > 1e-3
    # Before any training the three read alike.
    for seed in range(2):
        starts = {(m.usual, m.shifted) for m in measurements if m.step == 0 and m.seed == seed}
        assert len(starts) == 1
    assert measurements == cut_the_ties.run(options)  # the same numbers again


def test_mean_and_spread():
    def measured(level, seed, usual):
        return cut_the_ties.Measurement(level, 20, seed, 3, 1.0, usual, 0.0, 0.0, 0.0)

    measurements = [measured("tied", 0, 0.5), measured("tied", 1, 0.9), measured("local", 0, 0.1)]
    assert cut_the_ties.over_seeds(measurements, "usual", level="tied", step=3) == pytest.approx(
        (0.7, 0.08**0.5)  # of a sample: 2 * 0.2**2, over one less than two
    )
    assert cut_the_ties.over_seeds(measurements, "usual", level="local", step=3) == (0.1, 0.0)


@pytest.mark.parametrize(("seeds", "spreads"), [("1", 0), ("2", 5)])
def test_the_program_prints_a_table_and_draws_a_picture(seeds, spreads, tmp_path, capsys):
    arguments = ["--sizes", "20", "--seeds", seeds, "--steps", "2", *SMALL, "--out", str(tmp_path)]
    assert cut_the_ties.main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    for level in ("tied", "local", "dense"):
        (row,) = [line for line in lines if line.startswith(f"20 images, {level} ")]
        assert f" {PARAMETERS[level]:,} " in row
        assert row.count("±") == spreads
    with Image.open(tmp_path / "cut_the_ties.png") as picture:
        assert picture.size == (1100, 660)
    assert str(tmp_path / "cut_the_ties.png") in lines[-1]


def test_too_few_mnist_images_are_refused(tmp_path, capsys, monkeypatch):
    few = np.zeros((7, 28, 28, 1), np.float32), np.zeros(7, np.int64)
    monkeypatch.setattr(cut_the_ties.data, "mnist", lambda split, data_dir: few)
    assert cut_the_ties.main(["--dataset", "mnist", "--out", str(tmp_path)]) == 1
    message = capsys.readouterr().err
    assert "1000 is more than the 7 test images" in message
    assert "--test-images" in message


@pytest.mark.parametrize("arguments", [["--seeds", "0"], ["--sizes", "0"], ["--steps", "-3"]])
def test_numbers_out_of_range_are_refused(arguments, capsys):
    with pytest.raises(SystemExit):
        cut_the_ties.parse(arguments)
    assert "must be at least 1" in capsys.readouterr().err
