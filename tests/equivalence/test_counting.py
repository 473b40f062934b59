"""Row C4 and the other counts: from public functions, and against counts of laid-out matrices."""

import numpy as np
import pytest

from minigrad import nn
from minigrad.equivalence import compare_conv_dense, conv_index_map, untie
from models import lenet5, mlp
from tests.equivalence.loops import PADDINGS, random_layer


# article: C4
def test_numbers_of_the_article(capsys):
    """Row C4: 28x28x1 -> 28x28x8 with 3x3 has 80 parameters, dense 4,923,520: 61,544 times."""
    comparison = compare_conv_dense(nn.Conv2D(1, 8, 3), (28, 28, 1))
    (layer,) = comparison.layers
    assert layer.label == "Conv2D"
    assert layer.parameters == 80
    assert layer.dense_parameters == 4_923_520
    assert layer.ratio == 61_544
    assert layer.matrix_cells == 784 * 6272
    # Along one axis 28 windows of 3, less one cell at either border: 82 taps.
    assert layer.nonzeros == 82 * 82 * 8
    assert layer.distinct == 72
    assert layer.multiply_adds == 784 * 72
    assert layer.dense_multiply_adds == layer.matrix_cells
    assert layer.weight_bytes == 320
    assert layer.column_bytes == 784 * 9 * 4  # nine times the image
    assert layer.dense_bytes == layer.matrix_cells * 4
    assert capsys.readouterr().out == f"{comparison}\n"
    for number in ("80", "4,923,520", "61,544", "53,792", "56,448", "27.6 KiB", "18.8 MiB"):
        assert number in str(comparison)


@pytest.mark.parametrize("kind", PADDINGS)
@pytest.mark.parametrize("bias", [True, False])
def test_counts_of_laid_out_matrices(kind, bias):
    """Everything counted from sizes, against the matrix itself."""
    rng = np.random.default_rng(PADDINGS.index(kind))
    for _ in range(8):
        layer = random_layer(kind, rng)
        conv = nn.Conv2D(
            layer.input_shape[2],
            layer.kernel_shape[3],
            layer.kernel_shape[:2],
            **layer.options,
            bias=bias,
        ).astype(np.float64)
        (counts,) = compare_conv_dense(conv, layer.input_shape, show=False).layers
        index_map = conv_index_map(layer.input_shape, layer.kernel_shape, **layer.options)
        filters = layer.kernel_shape[3]
        assert counts.parameters == np.prod(layer.kernel_shape) + bias * filters
        assert counts.matrix_cells == index_map.size
        assert counts.dense_parameters == index_map.size + bias * index_map.shape[1]
        assert counts.nonzeros == (index_map >= 0).sum()
        assert counts.distinct == len(np.unique(index_map[index_map >= 0]))
        positions = index_map.shape[1] // filters
        assert counts.multiply_adds == positions * np.prod(layer.kernel_shape)
        window = layer.kernel_shape[0] * layer.kernel_shape[1] * layer.input_shape[2]
        assert counts.column_bytes == positions * window * 8
        assert counts.weight_bytes == counts.parameters * 8
        assert counts.dense_bytes == index_map.size * 8

        local = untie(conv, layer.input_shape, level="local")
        (freed,) = compare_conv_dense(local, layer.input_shape, show=False).layers
        assert freed.parameters == sum(tensor.size for tensor in local.parameters())
        assert freed.dense_parameters == counts.dense_parameters
        assert freed.nonzeros == freed.distinct == counts.nonzeros
        assert freed.multiply_adds == counts.multiply_adds


def test_a_convolution_of_sequences():
    """CAUSAL, stride 2, dilation 3, groups: as the convolution of an image of one row."""
    conv = nn.Conv1D(6, 4, 3, stride=2, dilation=3, padding="CAUSAL", groups=2)
    (counts,) = compare_conv_dense(conv, (11, 6), show=False).layers
    index_map = conv_index_map(
        (1, 11, 6), (1, 3, 3, 4), stride=(1, 2), padding=((0, 0), (6, 0)), dilation=(1, 3), groups=2
    )
    assert conv(np.zeros((1, 11, 6), np.float32)).shape == (1, 6, 4)
    assert index_map.shape == (66, 24)
    assert (counts.parameters, counts.dense_parameters) == (40, 66 * 24 + 24)
    assert counts.nonzeros == (index_map >= 0).sum()
    assert counts.distinct == len(np.unique(index_map)) - 1
    assert counts.multiply_adds == 6 * 3 * 3 * 4
    assert counts.column_bytes == 6 * 3 * 6 * 4


def test_a_transposed_convolution():
    """5x7x8 -> 10x14x6 at stride 2: the matrix is that of the convolution back, transposed."""
    conv = nn.ConvTranspose2D(8, 6, (2, 3), stride=2, groups=2, output_shape=(10, 14))
    (counts,) = compare_conv_dense(conv, (5, 7, 8), show=False).layers
    index_map = conv_index_map((10, 14, 6), (2, 3, 3, 8), stride=2, groups=2)
    assert index_map.shape == (840, 280)
    assert (counts.parameters, counts.dense_parameters) == (150, 280 * 840 + 840)
    assert counts.nonzeros == (index_map >= 0).sum()
    assert counts.distinct == 2 * 3 * 3 * 8
    assert counts.multiply_adds == 35 * 2 * 3 * 3 * 8
    assert counts.column_bytes == 35 * 2 * 3 * 6 * 4


def test_a_dense_layer_is_its_own_twin():
    (layer,) = compare_conv_dense(nn.Dense(7, 5), (7,), show=False).layers
    assert (layer.parameters, layer.dense_parameters, layer.ratio) == (40, 40, 1)
    assert layer.matrix_cells == layer.nonzeros == layer.distinct == layer.multiply_adds == 35
    assert layer.column_bytes == 0


def test_a_dense_layer_on_an_image_is_a_convolution():
    """A 1x1 convolution, that is."""
    (dense,) = compare_conv_dense(nn.Dense(7, 5), (3, 4, 7), show=False).layers
    (conv,) = compare_conv_dense(nn.Conv2D(7, 5, 1), (3, 4, 7), show=False).layers
    for field in ("parameters", "dense_parameters", "nonzeros", "distinct", "multiply_adds"):
        assert getattr(dense, field) == getattr(conv, field)


def test_a_network():
    comparison = compare_conv_dense(lenet5(), (28, 28, 1), show=False)
    assert [layer.label for layer in comparison.layers] == [
        "layers.0 (Conv2D)",
        "layers.3 (Conv2D)",
        "layers.7 (Dense)",
        "layers.9 (Dense)",
        "layers.11 (Dense)",
    ]
    assert comparison.total.label == "total"
    assert comparison.total.parameters == 61_706
    first = 784 * 4704 + 4704  # 28x28x1 -> 28x28x6
    second = 1176 * 1600 + 1600  # 14x14x6 -> 10x10x16
    assert comparison.total.dense_parameters == first + second + 48_120 + 10_164 + 850
    # The work of the second convolution: VALID, so every one of its multiplications is a non-zero.
    assert comparison.layers[1].multiply_adds == comparison.layers[1].nonzeros == 240_000
    assert compare_conv_dense(mlp(), (28, 28, 1), show=False).total.ratio == 1


class Twice(nn.Module):
    """One convolution used three times, once on a smaller image."""

    def __init__(self):
        self.conv = nn.Conv2D(3, 3, (2, 4))
        self.pool = nn.MaxPool2D(2)

    def forward(self, x):
        return self.conv(self.pool(self.conv(self.conv(x))))


def test_what_is_used_again_is_counted_once():
    comparison = compare_conv_dense(Twice(), (6, 8, 3), show=False)
    large, again, small = comparison.layers
    assert large == again
    assert large.label == "conv (Conv2D)"
    total = comparison.total
    assert total.parameters == 75
    assert total.distinct == 72
    assert total.weight_bytes == 300
    for field in ("dense_parameters", "matrix_cells", "nonzeros", "dense_bytes"):
        assert getattr(total, field) == getattr(large, field) + getattr(small, field)
    for field in ("multiply_adds", "dense_multiply_adds", "column_bytes"):
        assert getattr(total, field) == 2 * getattr(large, field) + getattr(small, field)


def test_numbers_beyond_any_memory():
    """A layer of VGG-16: its matrix would take 37.5 TiB. Counted all the same."""
    (layer,) = compare_conv_dense(nn.Conv2D(64, 8, 3), (224, 224, 64), show=False).layers
    assert layer.matrix_cells == (224 * 224 * 64) * (224 * 224 * 8)
    assert layer.dense_bytes == 4 * layer.matrix_cells


def test_repr_counts_in_the_singular_too():
    conv = nn.Conv2D(2, 3, (2, 4))
    one = repr(compare_conv_dense(conv, (5, 6, 2)))
    assert one.startswith("<ConvDenseComparison of 1 layer: 51 parameters")
    two = repr(compare_conv_dense(nn.Sequential(conv, nn.Conv2D(3, 1, 1)), (5, 6, 2)))
    assert two.startswith("<ConvDenseComparison of 2 layers: 55 parameters")


@pytest.mark.parametrize(
    ("input_shape", "part"),
    [
        ((0, 6, 2), r"input_shape=\(0, 6, 2\): height=0 must be at least 1"),
        ((5, -1, 2), r"input_shape=\(5, -1, 2\): width=-1 must be at least 1"),
    ],
)
def test_a_size_below_one_is_quoted_with_its_shape(input_shape, part):
    with pytest.raises(ValueError, match=f"conv_index_map: {part}"):
        conv_index_map(input_shape, (3, 1, 2, 4))


def test_refusals():
    with pytest.raises(TypeError, match=r"compare_conv_dense: expected a Module, got ndarray"):
        compare_conv_dense(np.ones((3, 2, 1, 4)), (7, 5, 1))
    with pytest.raises(ValueError, match=r"compare_conv_dense: Sequential calls no convolution"):
        compare_conv_dense(nn.Sequential(nn.ReLU(), nn.Flatten()), (7, 5, 1))
    with pytest.raises(ValueError) as error:
        compare_conv_dense(nn.Conv2D(3, 4, 2), (7, 5, 1))
    for part in ("compare_conv_dense", "(1, 7, 5, 1)", "batch axis", "in_channels=3"):
        assert part in str(error.value)
