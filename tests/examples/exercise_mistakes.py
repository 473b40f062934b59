"""Typical mistakes in the exercises, made from the solutions by replacing a piece of text.

`MISTAKES` holds them all; `Mistake.planted` is the file with the mistake in it.
"""

from dataclasses import dataclass
from pathlib import Path

from examples import exercises

SOLUTIONS = Path(exercises.__file__).parent / "solutions"


@dataclass(frozen=True)
class Mistake:
    """A mistake.

    Attributes:
        exercise: in whose solution it is planted.
        title: the mistake in words.
        right, wrong: the text that is replaced, which occurs once, and what takes its place.
        named: how the checker may name it.
    """

    exercise: str
    title: str
    right: str
    wrong: str
    named: tuple[str, ...]

    def planted(self) -> str:
        """The solution with the mistake."""
        text = (SOLUTIONS / f"{self.exercise}.py").read_text(encoding="utf-8")
        assert text.count(self.right) == 1, (self.exercise, self.right)
        return text.replace(self.right, self.wrong)


MISTAKES: list[Mistake] = []


def of(exercise: str, *entries: tuple[str, str, str, str]) -> None:
    """Add mistakes: title, right text, wrong text, names with commas between."""
    for title, right, wrong, names in entries:
        MISTAKES.append(Mistake(exercise, title, right, wrong, tuple(names.split(", "))))


of(
    "relu",
    ("mask ignored", "return g * (x > 0)", "return g.copy()", "mask"),
    ("mask inverted", "return g * (x > 0)", "return g * (x < 0)", "mask"),
    ("mask of the gradient", "return g * (x > 0)", "return g * (g > 0)", "incoming gradient"),
    ("slope alone", "return g * (x > 0)", "return (x > 0) * 1.0", "incoming gradient"),
    ("zero", "return g * (x > 0)", "return np.zeros_like(x)", "zero"),
    ("slope 1 at 0", "g * (x > 0)", "g * (x >= 0)", "convention"),
    ("whole numbers", "return g * (x > 0)", "return (g * (x > 0)).astype(int)", "wrong dtype"),
    (
        "in place",
        "return np.where(x > 0, x, 0.0)",
        "x[x < 0] = 0\n    return x",
        "written in place",
    ),
    ("magnitude", "np.where(x > 0, x, 0.0)", "np.abs(x)", "values"),
    ("signs exchanged", "np.where(x > 0, x, 0.0)", "np.where(x > 0, -x, 0.0)", "sign"),
    ("nothing returned", "return g * (x > 0)", "g * (x > 0)", "no result"),
)
of(
    "broadcast_add",
    ("axes in front kept", "g = g.sum(axis=tuple(range(in_front)))", "pass", "wrong shape"),
    (
        "stretched axes kept",
        "return g.sum(axis=stretched, keepdims=True)",
        "return g",
        "wrong shape",
    ),
    ("stretched axes dropped", "axis=stretched, keepdims=True", "axis=stretched", "wrong shape"),
    ("averaged in front", "g.sum(axis=tuple(", "g.mean(axis=tuple(", "factor"),
    ("averaged where stretched", "g.sum(axis=stretched", "g.mean(axis=stretched", "factor"),
    ("one copy", "g.sum(axis=tuple(range(in_front)))", "g[(0,) * in_front]", "wrong axis"),
    ("reshaped", "g = g.sum(axis=tuple(range(in_front)))", "return g.reshape(shape)", "error"),
)
of(
    "matmul",
    ("not transposed", "to_x = g @ w.T", "to_x = g @ w", "error"),
    ("factors exchanged", "to_w = x.T @ g", "to_w = g.T @ x", "wrong shape"),
    ("reshaped", "g @ w.T", "g @ w.reshape(w.shape[::-1])", "slope, misplaced, transposed"),
    ("averaged", "to_w = x.T @ g", "to_w = x.T @ g / len(x)", "factor"),
    ("sign", "to_x = g @ w.T", "to_x = -g @ w.T", "sign"),
    (
        "results exchanged",
        "return to_x, to_w",
        "return to_w, to_x",
        "wrong order of results",
    ),
    ("one result", "return to_x, to_w", "return to_x", "wrong number of results"),
    ("g forgotten", "to_w = x.T @ g", "to_w = x.T @ np.ones_like(g)", "error"),
)
of(
    "max_over_axis",
    ("mask ignored", "* is_largest / winners", "* np.ones_like(x)", "mask"),
    ("each tie gets all", "* is_largest / winners", "* is_largest", "ties"),
    (
        "the first tie gets all",
        "* is_largest / winners",
        "* (is_largest & (is_largest.cumsum(axis) == 1))",
        "ties",
    ),
    ("divided by the size", "/ winners", "/ x.shape[axis]", "factor"),
    (
        "largest of another axis",
        "x == x.max(axis=axis, k",
        "x == x.max(axis=axis - 1, k",
        "not finite",
    ),
    ("largest of all", "x == x.max(axis=axis, keepdims=True)", "x == x.max()", "not finite"),
    ("g along the wrong axis", "expand_dims(g, axis)", "expand_dims(g, 0)", "error"),
)
of(
    "embedding",
    ("=", "np.add.at(to_table, indices, g)", "to_table[indices] = g", "repeats"),
    ("+=", "np.add.at(to_table, indices, g)", "to_table[indices] += g", "repeats"),
    ("averaged", "indices, g)", "indices, g / indices.size)", "factor"),
    ("shape of the batch", "np.zeros_like(table)", "np.zeros_like(g)", "error"),
    (
        "an index off by one",
        "to_table, indices, g",
        "to_table, indices - 1, g",
        "misplaced, shifted",
    ),
)
of(
    "dropout",
    ("mask ignored", "return g * mask(p, uniform)", "return g.copy()", "mask"),
    ("not scaled back", "return g * mask(p, uniform)", "return g * (uniform >= p)", "factor"),
    ("not scaled", "return x * mask(p, uniform)", "return x * (uniform >= p)", "values, factor"),
    ("kept with probability p", "(uniform >= p)", "(uniform < p)", "values"),
    ("divided by p", "(uniform >= p) / (1 - p)", "(uniform >= p) / p", "values, factor"),
    (
        "drawn again",
        "return g * mask(p, uniform)",
        "import numpy as np\n\n    return g * mask(p, np.random.default_rng().random(g.shape))",
        "not repeatable",
    ),
    ("inverted backward", "return g * mask(p, uniform)", "return g * mask(p, 1 - uniform)", "mask"),
)
of(
    "softmax",
    ("diagonal only", "return p * (g - average)", "return p * (1 - p) * g", "missing term"),
    ("sum forgotten", "return p * (g - average)", "return p * g", "missing term"),
    ("sign", "p * (g - average)", "p * (average - g)", "sign"),
    ("of another axis", "(g * p).sum(axis=-1", "(g * p).sum(axis=0", "wrong axis"),
    ("not weighted", "(g * p).sum", "g.sum", "missing term, slope"),
    ("averaged", "(g * p).sum", "(g * p).mean", "missing term, slope"),
    ("g forgotten", "p * (g - average)", "p * (1 - p)", "incoming gradient"),
    ("overflow", "np.exp(x - x.max(axis=-1, keepdims=True))", "np.exp(x)", "overflow"),
    ("overflow of one row", "x.max(axis=-1, keepdims=True)", "x.min()", "overflow"),
    ("over all axes", "powers.sum(axis=-1, keepdims=True)", "powers.sum()", "values"),
    (
        "not divided",
        "return powers / powers.sum(axis=-1, keepdims=True)",
        "return powers",
        "factor",
    ),
)
of(
    "cross_entropy",
    ("summed backward", "g * to_logits / len(labels)", "g * to_logits", "factor"),
    (
        "divided by classes",
        "g * to_logits / len(labels)",
        "g * to_logits / logits.shape[1]",
        "factor",
    ),
    ("label forgotten", "to_logits[rows, labels] -= 1", "pass", "missing term"),
    ("label added", "to_logits[rows, labels] -= 1", "to_logits[rows, labels] += 1", "missing term"),
    ("g forgotten", "return g * to_logits /", "return to_logits /", "incoming gradient"),
    ("sign", "return g * to_logits /", "return -g * to_logits /", "sign"),
    ("not normalised", "powers / powers.sum(axis=1, keepdims=True)", "powers.copy()", "slope"),
    ("normalised over items", "powers.sum(axis=1, k", "powers.sum(axis=0, k", "slope"),
    ("columns for rows", "to_logits[rows, labels] -= 1", "to_logits[:, labels] -= 1", "slope"),
    ("summed", "return losses.mean()", "return losses.sum()", "factor"),
    ("sign of the loss", "return losses.mean()", "return -losses.mean()", "sign"),
    (
        "overflow",
        "shifted = logits - logits.max(axis=1, keepdims=True)",
        "shifted = logits",
        "overflow",
    ),
    (
        "logarithm of 0",
        "np.log(np.exp(shifted).sum(axis=1)) - shifted[rows, labels]",
        "-np.log(np.exp(shifted)[rows, labels] / np.exp(shifted).sum(axis=1))",
        "overflow",
    ),
    (
        "overflow backward",
        "np.exp(logits - logits.max(axis=1, keepdims=True))",
        "np.exp(logits)",
        "overflow",
    ),
)
of(
    "batch_norm",
    (
        "constant statistics",
        "(to_normal - through_mean - through_variance)",
        "to_normal",
        "missing term",
    ),
    ("variance forgotten", " - through_variance)", ")", "missing term"),
    ("mean forgotten", "to_normal - through_mean -", "to_normal -", "missing term"),
    (
        "wrong count",
        "to_normal.mean(axis=AXES)",
        "to_normal.sum(axis=AXES) / len(x)",
        "missing term",
    ),
    ("variance added", "- through_variance)", "+ through_variance)", "missing term"),
    ("weight forgotten", "to_normal = g * weight", "to_normal = g", "factor along an axis"),
    (
        "deviation forgotten",
        "through_variance) / deviation",
        "through_variance)",
        "factor along an axis",
    ),
    (
        "variance for deviation",
        "through_variance) / deviation",
        "through_variance) / deviation**2",
        "factor along an axis",
    ),
    ("weight's from x", "(g * normal).sum(axis=AXES)", "(g * x).sum(axis=AXES)", "slope"),
    ("weight's averaged", "(g * normal).sum(axis=AXES)", "(g * normal).mean(axis=AXES)", "factor"),
    ("bias's averaged", "g.sum(axis=AXES)", "g.mean(axis=AXES)", "factor"),
    ("bias's not summed", "to_bias = g.sum(axis=AXES)", "to_bias = g", "wrong shape"),
    (
        "bias's over the batch",
        "to_bias = g.sum(axis=AXES)",
        "to_bias = g.sum(axis=0)",
        "wrong shape",
    ),
    (
        "order of results",
        "return to_x, to_weight, to_bias",
        "return to_x, to_bias, to_weight",
        "slope",
    ),
    ("eps outside", "np.sqrt(x.var(axis=AXES) + eps)", "np.sqrt(x.var(axis=AXES)) + eps", "eps"),
    ("eps forgotten", "np.sqrt(x.var(axis=AXES) + eps)", "np.sqrt(x.var(axis=AXES))", "eps"),
    ("per cell", "AXES = (0, 1, 2)", "AXES = (0,)", "values"),
    ("bias subtracted", "normal * weight + bias", "normal * weight - bias", "values"),
)
of(
    "im2col",
    (
        "channels first",
        "window.reshape(batch, -1)",
        "window.transpose(0, 3, 1, 2).reshape(batch, -1)",
        "misplaced",
    ),
    (
        "columns first",
        "window.reshape(batch, -1)",
        "window.transpose(0, 2, 1, 3).reshape(batch, -1)",
        "misplaced",
    ),
    (
        "flipped",
        "window.reshape(batch, -1)",
        "window[:, ::-1, ::-1].reshape(batch, -1)",
        "misplaced",
    ),
    ("strides exchanged", "i * stride[0], j * stride[1]", "i * stride[1], j * stride[0]", "error"),
    ("stride ignored", "i * stride[0], j * stride[1]", "i, j", "values"),
    (
        "one position short",
        "(height - kh) // stride[0] + 1",
        "(height - kh) // stride[0]",
        "wrong shape",
    ),
    ("stride ignored in the size", "(width - kw) // stride[1] + 1", "width - kw + 1", "error"),
    (
        "sides of the kernel exchanged",
        "kh, kw = kernel_size",
        "kw, kh = kernel_size",
        "wrong shape",
    ),
    ("pads exchanged", "*pads, (0, 0)", "*pads[::-1], (0, 0)", "wrong shape"),
    ("padded at the wrong end", "*pads, (0, 0)", "*(pad[::-1] for pad in pads), (0, 0)", "padding"),
    ("not padded", "np.pad(x, ((0, 0), *pads, (0, 0)))", "x", "wrong shape"),
    ("single precision", "kh * kw * channels))", "kh * kw * channels), np.float32)", "wrong dtype"),
)
of(
    "col2im",
    ("=", "column : column + kw] += w", "column : column + kw] = w", "overlap"),
    (
        "not cropped",
        "return to_padded[:, top : top + height, left : left + width]",
        "return to_padded",
        "wrong shape",
    ),
    (
        "cropped at the start",
        "[:, top : top + height, left : left + width]",
        "[:, :height, :width]",
        "shifted",
    ),
    (
        "cropped by the other end",
        "[:, top : top + height, left : left + width]",
        "[:, bottom : bottom + height, right : right + width]",
        "shifted",
    ),
    ("stride ignored", "i * stride[0], j * stride[1]", "i, j", "misplaced"),
    ("strides exchanged", "i * stride[0], j * stride[1]", "i * stride[1], j * stride[0]", "error"),
    (
        "channels first",
        "windows = g.reshape(batch, oh, ow, kh, kw, channels)",
        "windows = g.reshape(batch, oh, ow, channels, kh, kw).transpose(0, 1, 2, 4, 5, 3)",
        "transposed",
    ),
    (
        "columns first",
        "windows = g.reshape(batch, oh, ow, kh, kw, channels)",
        "windows = g.reshape(batch, oh, ow, kw, kh, channels).swapaxes(3, 4)",
        "transposed",
    ),
    ("flipped", "windows[:, i, j]", "windows[:, i, j, ::-1, ::-1]", "flipped"),
    ("averaged", "to_padded[:, top :", "1 / (kh * kw) * to_padded[:, top :", "factor"),
)
of(
    "conv_backward",
    ("=", "to_padded[position] +=", "to_padded[position] =", "overlap"),
    ("kernel =", "to_kernel +=", "to_kernel =", "wrong axis"),
    (
        "averaged over the batch",
        "# The padding",
        "to_kernel /= len(x)\n    # The padding",
        "factor",
    ),
    (
        "first image only",
        "np.tensordot(padded[position], g[:, i, j], axes=(0, 0))",
        "np.tensordot(padded[position][:1], g[:1, i, j], axes=(0, 0))",
        "wrong axis",
    ),
    (
        "kernel flipped",
        "np.tensordot(g[:, i, j], kernel, axes=(1, 3))",
        "np.tensordot(g[:, i, j], kernel[::-1, ::-1], axes=(1, 3))",
        "flipped",
    ),
    (
        "kernel's flipped",
        "height, left : left + width], to_kernel",
        "height, left : left + width], to_kernel[::-1, ::-1]",
        "flipped",
    ),
    (
        "not cropped",
        "to_padded[:, top : top + height, left : left + width], to_kernel",
        "to_padded, to_kernel",
        "wrong shape",
    ),
    (
        "cropped at the start",
        "to_padded[:, top : top + height, left : left + width], to_kernel",
        "to_padded[:, :height, :width], to_kernel",
        "shifted",
    ),
    (
        "stride ignored",
        "top, left = i * stride[0], j * stride[1]\n            position",
        "top, left = i, j\n            position",
        "misplaced",
    ),
    ("sign", "to_kernel += np", "to_kernel -= np", "sign"),
    (
        "results exchanged",
        "return to_padded[:, top : top + height, left : left + width], to_kernel",
        "return to_kernel, to_padded[:, top : top + height, left : left + width]",
        "wrong order of results",
    ),
)
of(
    "max_pool",
    (
        "mask ignored",
        "to_x[items, top + rows, left + columns, filters] += g[:, i, j]",
        "to_x[:, top : top + kh, left : left + kw] += g[:, i : i + 1, j : j + 1]",
        "mask",
    ),
    ("=", "filters] += g[:, i, j]", "filters] = g[:, i, j]", "overlap"),
    ("kh for kw", "winner // kw, winner % kw", "winner // kh % kh, winner % kh", "misplaced, mask"),
    (
        "every winner",
        "to_x[items, top + rows, left + columns, filters] += g[:, i, j]",
        "wins = window == window.max(axis=(1, 2), keepdims=True)\n            "
        "to_x[:, top : top + kh, left : left + kw] += g[:, i : i + 1, j : j + 1] * wins",
        "ties",
    ),
    (
        "the last winner",
        "winner = window.reshape(batch, kh * kw, channels).argmax(axis=1)",
        "winner = kh * kw - 1 - window.reshape(batch, kh * kw, channels)[:, ::-1].argmax(axis=1)",
        "ties",
    ),
    (
        "offset of the window forgotten",
        "top + rows, left + columns",
        "rows, columns",
        "mask, misplaced",
    ),
    (
        "strides exchanged",
        "i * stride[0], j * stride[1]\n            window",
        "i * stride[1], j * stride[0]\n            window",
        "error",
    ),
    ("average", ".max(axis=(1, 2))", ".mean(axis=(1, 2))", "values"),
    ("channels together", ".max(axis=(1, 2))", ".max(axis=(1, 2, 3))[:, None]", "values"),
    ("not below 0", ".max(axis=(1, 2))", ".max(axis=(1, 2), initial=0)", "values, negative"),
)
of(
    "avg_pool",
    ("padding counted", ".sum(axis=(1, 2)) / counts[i, j]", ".mean(axis=(1, 2))", "padding"),
    (
        "padding counted backward",
        "1, j : j + 1] / counts[i, j]",
        "1, j : j + 1] / (kernel_size[0] * kernel_size[1])",
        "borders",
    ),
    ("not divided", ".sum(axis=(1, 2)) / counts[i, j]", ".sum(axis=(1, 2))", "factor"),
    ("not divided backward", "1, j : j + 1] / counts[i, j]", "1, j : j + 1]", "factor"),
    (
        "divided by kh * kh",
        "1, j : j + 1] / counts[i, j]",
        "1, j : j + 1] / kernel_size[0] ** 2",
        "factor",
    ),
    ("=", "to_padded[window] +=", "to_padded[window] =", "overlap"),
    (
        "cropped at the start",
        "to_padded[:, top : top + height, left : left + width]",
        "to_padded[:, :height, :width]",
        "shifted",
    ),
    (
        "one cell only",
        "to_padded[window] +=",
        "to_padded[window][:, :1, :1] +=",
        "missing term, mask",
    ),
)
of(
    "double_backward",
    ("2 forgotten", "-2 * t * slope", "-t * slope", "factor"),
    ("sign", "-2 * t * slope", "2 * t * slope", "sign"),
    ("inner derivative forgotten", "-2 * t * slope", "-2 * t", "slope"),
    ("g forgotten", "h * g * (-2", "h * (-2", "slope"),
    ("h forgotten", "h * g * (-2", "g * (-2", "incoming gradient"),
    ("slope forgotten", "to_g = h * slope", "to_g = h", "slope"),
    ("zero", "to_x = h * g * (-2 * t * slope)", "to_x = np.zeros_like(x)", "zero"),
    ("results exchanged", "return to_g, to_x", "return to_x, to_g", "slope"),
)
of(
    "second_derivative",
    (
        "softmax from arrays",
        "(x - out.expand_dims(-1)).exp()",
        "np.exp(x.data - out.data[..., None])",
        "missing term, missing, zero",
    ),
    ("x detached", "(x - out", "(x.detach() - out", "slope"),
    (
        "out detached",
        "(x - out.expand_dims(-1))",
        "(x - out.detach().expand_dims(-1))",
        "missing term",
    ),
    ("g detached", "return g.expand_dims(-1)", "return g.detach().expand_dims(-1)", "missing"),
    (
        "an array",
        "return g.expand_dims(-1) * softmax",
        "return g.data[..., None] * softmax.data",
        "not a tensor",
    ),
    ("not exponentiated", "(x - out.expand_dims(-1)).exp()", "x - out.expand_dims(-1)", "slope"),
    ("not normalised", "(x - out.expand_dims(-1)).exp()", "x.exp()", "slope, factor along an axis"),
    ("axis not put back", "g.expand_dims(-1) * softmax", "g * softmax", "error"),
    ("g forgotten", "return g.expand_dims(-1) * softmax", "return softmax", "incoming gradient"),
)
