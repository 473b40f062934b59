"""`feature_maps_figure`: the pictures against the arrays that plain loops compute."""

import re

import numpy as np
import pytest
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgb

import minigrad as mg
from minigrad import nn
from minigrad.viz import feature_maps_figure
from minigrad.viz.figures import BLUE, GREEN, GREY, ORANGE
from tests import oracles


def small_cnn(rng=0):
    """(N, 9, 8, 1) -> (N, 3) scores, in float64."""
    rng = np.random.default_rng(rng)
    model = nn.Sequential(
        nn.Conv2D(1, 5, (3, 2), stride=(2, 1), padding="VALID", rng=rng),  # -> (N, 4, 7, 5)
        nn.ReLU(),
        nn.MaxPool2D((2, 3)),  # -> (N, 2, 2, 5)
        nn.Conv2D(5, 4, (2, 1), rng=rng),  # -> (N, 2, 2, 4)
        nn.Flatten(),
        nn.Dense(16, 7, rng=rng),
        nn.Tanh(),
        nn.Dense(7, 3, rng=rng),
    ).astype(np.float64)
    for parameter in model.parameters():
        if parameter.ndim == 1:
            parameter.data[...] = rng.normal(size=parameter.shape)
    return model


def by_hand(model, image):
    """What the layers of `small_cnn` make of an image, in plain loops."""
    first, _, _, second, _, dense, _, last = model
    made = {}
    made["layers.0"] = (
        oracles.conv2d(image[None], first.kernel.data, stride=(2, 1)) + first.bias.data
    )
    made["layers.1"] = np.where(made["layers.0"] > 0, made["layers.0"], 0.0)
    made["layers.2"] = oracles.max_pool2d(made["layers.1"], (2, 3), stride=(2, 3))
    made["layers.3"] = (
        oracles.conv2d(made["layers.2"], second.kernel.data, pads=((0, 1), (0, 0)))
        + second.bias.data
    )
    flat = made["layers.3"].reshape(16)
    made["layers.5"] = np.array([flat @ column for column in dense.weight.data.T]) + dense.bias.data
    made["layers.6"] = np.tanh(made["layers.5"])
    made["scores"] = made["layers.6"] @ last.weight.data + last.bias.data
    return {name: array[0] if array.ndim == 4 else array for name, array in made.items()}


@pytest.fixture
def image():
    return np.random.default_rng(5).random((9, 8, 1))


def pictures(figure):
    """gid -> (rows, columns, 3), of everything that is drawn in cells."""
    images = figure.axes[0].images
    assert len({image.get_gid() for image in images}) == len(images)
    return {image.get_gid(): np.asarray(image.get_array()) for image in images}


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def bars(figure, name):
    """Class -> (height of its bar in inches, the number at it, its colour)."""
    axes = figure.axes[0]
    numbers = {text.get_gid(): text.get_text() for text in axes.texts}
    found = {}
    for patch in axes.patches:
        match = re.fullmatch(rf"{name}\[(\d+)\]", patch.get_gid() or "")
        if match:
            height, colour = -patch.get_height(), patch.get_facecolor()[:3]
            found[int(match[1])] = (height, float(numbers[patch.get_gid()]), colour)
    return found


def coloured(values, limit):
    """matplotlib's own way from numbers to colours."""
    return ScalarMappable(Normalize(-limit, limit), "RdBu_r").to_rgba(values)[..., :3]


def softmax(scores):
    return np.exp(scores) / np.exp(scores).sum()


@pytest.mark.parametrize("layer", ["layers.0", "layers.1", "layers.2", "layers.3"])
def test_maps_are_what_the_layers_make(image, layer):
    model = small_cnn()
    shown = pictures(feature_maps_figure(model, image))
    expected = by_hand(model, image)[layer]
    limit = np.abs(expected).max()
    for index in range(expected.shape[2]):
        drawn = shown[f"{layer}[{index}]"]
        np.testing.assert_allclose(drawn, coloured(expected[:, :, index], limit), atol=0.03)
        if layer in ("layers.1", "layers.2"):  # no blue where nothing is negative
            assert (drawn[..., 0] >= drawn[..., 2]).all()
    assert f"{layer}[{expected.shape[2]}]" not in shown


@pytest.mark.parametrize("layer", ["layers.5", "layers.6"])
def test_dense_layers_are_strips(image, layer):
    model = small_cnn()
    shown = pictures(feature_maps_figure(model, image))
    expected = by_hand(model, image)[layer]
    np.testing.assert_allclose(
        shown[f"{layer}[0]"], coloured(expected[None], np.abs(expected).max()), atol=0.03
    )
    assert f"{layer}[1]" not in shown


def test_long_strips_are_in_reading_order_and_end():
    model = nn.Sequential(nn.Flatten(), nn.Dense(6, 700), nn.ReLU(), nn.Dense(700, 2))
    x = np.random.default_rng(0).random((2, 3, 1))
    figure = feature_maps_figure(model, x)
    shown = pictures(figure)
    rows = [shown[f"layers.1[{row}]"] for row in range(10)]
    expected = model[1](x.reshape(6).astype(np.float32)).data
    np.testing.assert_allclose(
        np.concatenate(rows, axis=1)[0], coloured(expected, np.abs(expected).max())[:600], atol=0.03
    )
    assert "layers.1[10]" not in shown
    assert "700, the first 600 numbers" in texts(figure)


def test_filters_stand_over_their_maps(image):
    model = small_cnn()
    figure = feature_maps_figure(model, image)
    shown = pictures(figure)
    places = {picture.get_gid(): picture.get_extent() for picture in figure.axes[0].images}
    for name, conv in (("layers.0", model[0]), ("layers.3", model[3])):
        kernel = conv.kernel.data
        limit = np.abs(kernel).max()
        for _, _, channel, index in np.ndindex(1, 1, *kernel.shape[2:]):
            gid = f"{name} Conv2D filter[{channel},{index}]"
            expected = coloured(kernel[:, :, channel, index], limit)
            np.testing.assert_allclose(shown[gid], expected, atol=0.03)
            left, right, bottom, top = places[gid]
            map_left, map_right, _, map_top = places[f"{name}[{index}]"]
            assert map_left <= left < right <= map_right + 1e-9
            assert top < bottom < map_top


def test_the_image_from_its_darkest_to_its_brightest(image):
    shown = pictures(feature_maps_figure(small_cnn(), 3 * image - 1))["input"]
    grey = (image - image.min()) / (image.max() - image.min())
    np.testing.assert_allclose(shown, np.repeat(grey, 3, axis=2), atol=1e-12)


def test_a_colour_image_keeps_its_colours():
    x = np.random.default_rng(0).random((4, 7, 3))
    x[0, 0, 0], x[1, 1, 2] = 0.0, 1.0
    figure = feature_maps_figure(nn.Conv2D(3, 2, (2, 3)), x)
    np.testing.assert_allclose(pictures(figure)["input"], x, atol=1e-12)
    assert len([name for name in pictures(figure) if "filter[" in name]) == 6


def test_rows_say_what_they_are_and_how_far_their_colours_reach(image):
    model = small_cnn()
    figure = feature_maps_figure(model, image)
    written = texts(figure)
    made = by_hand(model, image)

    def label(name):
        """The lines after a name, up to the ends of its scale."""
        return written[written.index(name) + 1 : written.index(name) + 3]

    def two_digits(value):
        return f"{float(f'{value:.2g}'):.4g}"

    for name, shape, signed in (
        ("layers.0 Conv2D", "4×7×5", True),
        ("layers.1 ReLU", "4×7×5", False),
        ("layers.2 MaxPool2D", "2×2×5", False),
        ("layers.3 Conv2D", "2×2×4", True),
        ("layers.5 Dense", "7", True),
        ("layers.6 Tanh", "7", True),
    ):
        values = made[name.split()[0]]
        limit = two_digits(np.abs(values).max())
        assert (values.min() < 0) == signed
        assert label(name) == [shape, f"{f'-{limit}' if signed else 0} … {limit}"]
    limit = two_digits(np.abs(model[0].kernel.data).max())
    assert label("filters of layers.0 Conv2D") == ["3×2×1", f"-{limit} … {limit}"]
    assert label("layers.4 Flatten") == ["16", "the same numbers, handed on"]
    # The scale of signed numbers runs from blue over white to red, the others from white.
    scale = pictures(figure)["layers.0 Conv2D scale"][0]
    assert scale[0, 2] > scale[0, 0] and scale[-1, 0] > scale[-1, 2]
    assert scale[len(scale) // 2].min() > 0.95
    assert pictures(figure)["layers.1 ReLU scale"][0, 0].min() > 0.95


@pytest.mark.parametrize("label", [None, 0, 1, 2])
def test_scores_and_probabilities_as_bars(image, label):
    model = small_cnn()
    figure = feature_maps_figure(model, image, label=label)
    scores = by_hand(model, image)["scores"]
    for name, expected in (("score", scores), ("probability", softmax(scores))):
        drawn = bars(figure, name)
        assert list(drawn) == [0, 1, 2]
        heights = np.array([height for height, _, _ in drawn.values()])
        np.testing.assert_allclose(heights / heights[0], expected / expected[0])
        for index, (height, number, _) in drawn.items():
            assert number == pytest.approx(expected[index], abs=0.0051)
            assert height * expected[index] > 0
    decision = int(scores.argmax())
    expected_colours = [GREY] * 3
    expected_colours[decision] = BLUE if label is None else ORANGE
    if label is not None:
        expected_colours[label] = GREEN
    for name in ("score", "probability"):
        colours = [colour for _, _, colour in bars(figure, name).values()]
        assert colours == [to_rgb(colour) for colour in expected_colours]
    (verdict,) = [text for text in texts(figure) if text.startswith("decision")]
    end = "" if label is None else ", which is right"
    if label not in (None, decision):
        end = f"; right is class {label}"
    probability = softmax(scores).max()
    assert verdict == f"decision: class {decision}, probability {probability:.2f}{end}"


def test_a_softmax_at_the_end_is_not_applied_twice(image):
    model = nn.Sequential(*small_cnn(), nn.Softmax())
    figure = feature_maps_figure(model, image)
    expected = softmax(by_hand(model[:8], image)["scores"])
    numbers = [number for _, number, _ in bars(figure, "probability").values()]
    np.testing.assert_allclose(numbers, expected, atol=0.0051)
    assert bars(figure, "score") == {}
    assert "layers.7[0]" in pictures(figure)  # the scores are a row like any other


def test_of_many_classes_the_most_probable_are_shown():
    model = nn.Sequential(nn.Flatten(), nn.Dense(6, 35, rng=np.random.default_rng(0)))
    figure = feature_maps_figure(model, np.full((2, 3, 1), 0.5))
    scores = model(np.full((1, 2, 3, 1), 0.5, np.float32)).data[0]
    best = sorted(sorted(range(35), key=lambda index: -scores[index])[:20])
    assert list(bars(figure, "probability")) == best
    assert "the 20 largest of 35" in texts(figure)


def test_only_the_first_maps_where_there_are_many(image):
    figure = feature_maps_figure(small_cnn(), image, maps=2)
    for name in ("layers.0", "layers.1", "layers.2", "layers.3"):
        assert [gid for gid in pictures(figure) if gid.startswith(f"{name}[")] == [
            f"{name}[0]",
            f"{name}[1]",
        ]
    assert "4×7×5, the first 2 maps" in texts(figure)
    assert "3×2×1, the first 2 filters" in texts(figure)


def test_filters_of_many_channels_are_left_out():
    model = nn.Sequential(nn.Conv2D(1, 9, (1, 2)), nn.Conv2D(9, 2, (2, 1)))
    figure = feature_maps_figure(model, np.ones((4, 3, 1)))
    assert [gid for gid in pictures(figure) if "layers.1 Conv2D filter" in gid] == []
    assert "too many channels to draw" in texts(figure)
    assert "layers.1[1]" in pictures(figure)
    assert bars(figure, "probability") == {}  # it does not end in scores


class Branches(nn.Module):
    """Two ways to the same shape, one of them called twice, and a sum that is no layer."""

    def __init__(self):
        self.left, self.right = nn.Dense(3, 3), nn.Dense(3, 3)

    def forward(self, x):
        x = x.reshape(x.shape[0], 3)
        return self.left(self.left(x)) + self.right(x)


def test_any_module_layer_by_layer_as_called():
    model = Branches()
    figure = feature_maps_figure(model, np.ones((1, 3, 1)), label=1)
    names = [text for text in texts(figure) if re.match("left|right|output", text)]
    assert names == ["left Dense", "left Dense", "right Dense", "output"]
    scores = model(np.ones((1, 1, 3, 1), np.float32)).data[0]
    drawn = [number for _, number, _ in bars(figure, "score").values()]
    np.testing.assert_allclose(drawn, scores, atol=0.0051)


def test_an_array_that_is_neither_maps_nor_a_vector_is_named():
    model = nn.Sequential(nn.Reshape(6, 2), nn.Conv1D(2, 3, 2))
    assert "is not drawn" in texts(feature_maps_figure(model, np.ones((4, 3, 1))))


# --- the model is left as it was ------------------------------------------------------------------


class Refuses(nn.Module):
    def forward(self, x):
        raise ValueError("not today")


@pytest.mark.parametrize("fails", [False, True])
def test_the_model_is_left_as_it_was(fails):
    model = nn.Sequential(
        nn.Conv2D(1, 3, 2), nn.BatchNorm(3), nn.Dropout(0.5), nn.Flatten(), nn.Dense(36, 2)
    )
    if fails:
        model.layers.append(Refuses())
    model.train()
    model[0].eval()
    model[0].kernel.grad = mg.Tensor(np.ones(model[0].kernel.shape, np.float32))
    called = []
    model[0].register_forward_hook(lambda *_: called.append("own"))
    before = model.state_dict()
    modes = [module.training for _, module in model.named_modules()]
    counts = [len(list(module._hooks or ())) for _, module in model.named_modules()]
    state = mg.random.get_state()
    if fails:
        with pytest.raises(
            ValueError, match=r"Sequential fails on an input of shape \(1, 3, 4, 1\): not today"
        ):
            feature_maps_figure(model, np.ones((3, 4, 1)))
    else:
        feature_maps_figure(model, np.ones((3, 4, 1)))
    assert [module.training for _, module in model.named_modules()] == modes
    assert [len(list(m._hooks or ())) for _, m in model.named_modules()] == counts
    assert called == ["own"]
    assert (model[0].kernel.grad.data == 1).all()
    assert model[4].weight.grad is None
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert repr(mg.random.get_state()) == repr(state)


def test_same_picture_same_bytes(tmp_path, image):
    for name in ("a.png", "b.png"):
        feature_maps_figure(small_cnn(), image, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


class LongNames(nn.Module):
    def __init__(self):
        self.the_first_of_two_blocks = nn.Sequential(small_cnn())

    def forward(self, x):
        return self.the_first_of_two_blocks(x)


@pytest.mark.parametrize("model", [small_cnn, LongNames])
def test_nothing_is_cut_off_and_no_label_reaches_into_a_picture(model, image):
    figure = feature_maps_figure(model(), 0.1234567 * image - 0.7654321, label=1)
    width, height = figure.get_size_inches() * figure.dpi
    axes = figure.axes[0]
    (picture,) = [picture for picture in axes.images if picture.get_gid() == "input"]
    left = axes.transData.transform((picture.get_extent()[0], 0))[0]
    for text in axes.texts:
        box = text.get_window_extent()
        assert min(box.x0, box.y0) >= 0 and box.x1 <= width and box.y1 <= height, text
        if text.get_position()[0] == 0 and text.get_fontsize() <= 8:
            assert box.x1 < left, text


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(9, 8), (1, 9, 8, 1), (9, 8, 2), (0, 8, 1)])
def test_another_shape_of_image(shape):
    quoted = re.escape(f"feature_maps_figure: image of shape {shape} must be one image, (H, W, 1)")
    with pytest.raises(ValueError, match=quoted):
        feature_maps_figure(small_cnn(), np.zeros(shape))


def test_an_image_that_the_network_refuses():
    with pytest.raises(ValueError, match=r"feature_maps_figure: .*\(1, 9, 8, 3\).*3 channels"):
        feature_maps_figure(small_cnn(), np.zeros((9, 8, 3)))


@pytest.mark.parametrize(
    ("arguments", "quoted"),
    [
        ({"image": np.zeros((129, 3, 1))}, r"\(129, 3, 1\); at most 128 pixels along a side"),
        ({"maps": 33}, "maps=33; at most 32 can be seen beside each other"),
        ({"maps": 0}, "maps=0 must be at least 1"),
        ({"label": 3}, r"label=3 is none of the classes: the network returns \(1, 3\)"),
        ({"label": -1}, "label=-1 must be at least 0"),
        ({"model": nn.Sequential()}, r"there is nothing to show: Sequential\(\) calls no layer"),
        ({"model": nn.Sequential(nn.Flatten())}, "there is nothing to show"),
    ],
)
def test_what_cannot_be_drawn(image, arguments, quoted):
    given = {"model": small_cnn(), "image": image, **arguments}
    with pytest.raises(ValueError, match=f"feature_maps_figure: .*{quoted}"):
        feature_maps_figure(**given)


def test_numbers_that_have_no_colour(image):
    model = small_cnn()
    model[3].kernel.data[0, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"layers.3 Conv2D makes numbers that are nan or infinite"):
        feature_maps_figure(model, image)


def test_no_module(image):
    with pytest.raises(TypeError, match="feature_maps_figure: expected a Module, got function"):
        feature_maps_figure(softmax, image)
