"""`Tensor`: a NumPy array that remembers how it was computed.

The methods are thin: what an operator computes, and its derivative, is in `minigrad.operators`; how
gradients travel is in `minigrad.engine`. Arguments mean what they mean in NumPy. `concatenate`,
`stack` and `where` are functions here because they take several tensors alike.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from . import engine
from .arguments import as_dtype
from .engine import Array, Differentiable, as_array, as_operand
from .hooks import HookHandle
from .operators import elementwise, linear, reductions
from .operators.reductions import Axis

# The arithmetic operators, bound once: a call of the object would look `__call__` up every time.
_add = elementwise.add.__call__
_subtract = elementwise.subtract.__call__
_multiply = elementwise.multiply.__call__
_divide = elementwise.divide.__call__


class Tensor(Differentiable):
    """An array with automatic differentiation.

    Args:
        data: numbers, nested sequences of them, a NumPy array or a Tensor. An array of the right
            dtype is not copied, as in `np.asarray`, unless its bytes are in the other order than
            this machine's. Python floats become float32.
        requires_grad: record what is computed from this tensor, so that `backward` can fill `grad`.
        dtype: of the cells; by default that of the data.

    Raises:
        TypeError: the data are not numbers, or the dtype does not hold real ones.
        ValueError: requires_grad on a dtype that is not floating point.

    >>> x = Tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    >>> y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    tensor([[2., 4., 6.]], dtype=float32)
    """

    __slots__ = ()
    __array_ufunc__ = None  # so that array * tensor asks the tensor

    def __init__(self, data: Any, requires_grad: bool = False, dtype: Any = None) -> None:
        if isinstance(data, Differentiable):
            data = data.data
        if not isinstance(data, np.generic):  # NumPy's scalars keep their dtype, as arrays do
            if dtype is None and type(data) is float:
                dtype = np.float32
            data = as_operand("Tensor", data)
        array = np.asarray(data, dtype=None if dtype is None else _real("Tensor", dtype))
        self.data = np.asarray(array, dtype=_real("Tensor", array.dtype))
        self.grad: Tensor | None = None
        self.hooks = None
        self.node = None
        self._requires_grad = False
        if requires_grad:
            self.requires_grad = True

    # --- what it is -------------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether operations on this tensor are recorded."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, flag: bool) -> None:
        if self.node is not None:
            raise ValueError(
                f"Tensor.requires_grad: this tensor was computed (by {self.node.primitive.name}); "
                "only leaves can be set. detach() gives a leaf that shares the data"
            )
        if flag and self.data.dtype.kind != "f":
            raise ValueError(
                f"Tensor: only floating-point tensors can require grad, and this one is "
                f"{self.data.dtype}; convert it with dtype=np.float32"
            )
        self._requires_grad = bool(flag)

    @property
    def is_leaf(self) -> bool:
        """Whether it was made by the user rather than computed by a recorded operator."""
        return self.node is None

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.data.ndim

    @property
    def size(self) -> int:
        """The number of cells."""
        return self.data.size

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a 0-d tensor")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self.shape:
            raise TypeError("iteration over a 0-d tensor")
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        text = np.array2string(self.data, separator=", ", prefix="tensor(")
        dtype = "" if self.dtype in (np.int64, np.bool_) else f", dtype={self.dtype}"
        return f"tensor({text}{dtype}{', requires_grad=True' if self._requires_grad else ''})"

    # --- out of the graph -------------------------------------------------------------------------

    def item(self) -> Any:
        """The single number this tensor holds, as a Python number.

        Raises:
            ValueError: it holds none or several.
        """
        if self.size != 1:
            raise ValueError(f"Tensor.item: holds {self.size} numbers, shape {self.shape}, not one")
        return self.data.item()

    def __bool__(self) -> bool:
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        return operator.index(self.item())

    def detach(self) -> Tensor:
        """A leaf with the same data (shared, not copied) that does not require grad."""
        return engine.make_tensor(self.data)

    def numpy(self) -> Array:
        """The array of this tensor (shared, not copied).

        Raises:
            ValueError: the tensor requires grad, and NumPy would not record what is done with it.
        """
        if self._requires_grad:
            raise ValueError(
                "Tensor.numpy: this tensor requires grad, and what NumPy does is not recorded; "
                "use .detach().numpy()"
            )
        return self.data

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    # --- gradients --------------------------------------------------------------------------------

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
    ) -> None:
        """Add the gradient of this tensor to `.grad` of every leaf it was computed from.

        Args:
            gradient: of something with respect to this tensor, in its shape; 1 for a single number.
            retain_graph: keep the graph for another pass; the default is `create_graph`.
            create_graph: record the computation of the gradients, so that they can be
                differentiated. `.grad` then points back to its leaf, and the leaf to `.grad`: set
                it to None to free the graph at once, or use `minigrad.grad`.

        Raises:
            ValueError: the tensor does not require grad, the gradient is missing or of another
                shape or dtype, or the graph has been freed.
        """
        engine.backward(self, gradient, retain_graph, create_graph)

    def register_hook(self, hook: engine.Hook) -> HookHandle:
        """Have `hook(gradient)` called whenever the gradient of this tensor has been computed.

        The gradient is that of one `backward` or `grad`, complete: of all that was computed from
        the tensor. What the hook returns, unless None, takes its place, for `.grad` and everything
        further back. Hooks run in the order of registration and must not write into the gradient's
        data, which may be shared. A computed tensor's hooks go with its graph.

        Returns:
            A handle; `handle.remove()` takes the hook off again.

        Raises:
            TypeError: the hook is not callable; at backward: it returned no Tensor.
            ValueError: the tensor does not require grad; at backward: a replacement of another
                shape or dtype.

        >>> x = Tensor([1.0, 2.0], requires_grad=True)
        >>> y = x * 3
        >>> handle = y.register_hook(lambda gradient: gradient.clip(-1, 1))
        >>> (y * 10).sum().backward()
        >>> x.grad
        tensor([3., 3.], dtype=float32)
        """
        return engine.register_hook(self, hook)

    def astype(self, dtype: Any) -> Tensor:
        """The same numbers in another dtype; the gradient comes back in this one.

        Raises:
            TypeError: a dtype that does not hold real numbers.
        """
        return linear.astype(self, dtype=_real("astype", dtype))

    # --- arithmetic -------------------------------------------------------------------------------

    def __add__(self, other: Any) -> Tensor:
        return _add(self, other)

    def __radd__(self, other: Any) -> Tensor:
        return _add(self, other)

    def __sub__(self, other: Any) -> Tensor:
        return _subtract(self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return _subtract(other, self)

    def __mul__(self, other: Any) -> Tensor:
        return _multiply(self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return _multiply(self, other)

    def __truediv__(self, other: Any) -> Tensor:
        return _divide(self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return _divide(other, self)

    def __pow__(self, exponent: Any) -> Tensor:
        if not isinstance(exponent, Differentiable):
            exponent = as_operand("power", exponent)
        if isinstance(exponent, (int, float)):
            return elementwise.power_scalar(self, exponent=exponent)
        return elementwise.power(self, exponent)

    def __rpow__(self, base: Any) -> Tensor:
        base = as_operand("power", base)
        if not isinstance(base, np.ndarray):
            base = np.asarray(base, dtype=np.result_type(base, self.dtype))
        return elementwise.power(base, self)

    def __matmul__(self, other: Any) -> Tensor:
        # A matrix of another kind (a sparse one) says so as tensors do to NumPy, and takes over.
        if not isinstance(other, Differentiable) and getattr(other, "__array_ufunc__", 0) is None:
            return NotImplemented
        return linear.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return linear.matmul(other, self)

    def __neg__(self) -> Tensor:
        return elementwise.negative(self)

    def __pos__(self) -> Tensor:
        return self

    def __abs__(self) -> Tensor:
        return elementwise.absolute(self)

    # --- comparisons: bool tensors, without gradient ----------------------------------------------

    def __eq__(self, other: object) -> Tensor:  # type: ignore[override]
        return elementwise.equal(self, other)

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]
        return elementwise.not_equal(self, other)

    def __lt__(self, other: Any) -> Tensor:
        return elementwise.less(self, other)

    def __le__(self, other: Any) -> Tensor:
        return elementwise.less_equal(self, other)

    def __gt__(self, other: Any) -> Tensor:
        return elementwise.greater(self, other)

    def __ge__(self, other: Any) -> Tensor:
        return elementwise.greater_equal(self, other)

    __hash__ = object.__hash__  # by identity: == compares cells

    # --- cell by cell -----------------------------------------------------------------------------

    def neg(self) -> Tensor:
        """-x"""
        return elementwise.negative(self)

    def abs(self) -> Tensor:
        """|x|; the gradient at 0 is 0."""
        return elementwise.absolute(self)

    def exp(self) -> Tensor:
        """e to the power of x."""
        return elementwise.exp(self)

    def expm1(self) -> Tensor:
        """exp(x) - 1, exact for small x."""
        return elementwise.expm1(self)

    def log(self) -> Tensor:
        """The natural logarithm."""
        return elementwise.log(self)

    def log1p(self) -> Tensor:
        """log(1 + x), exact for small x."""
        return elementwise.log1p(self)

    def sqrt(self) -> Tensor:
        """The square root; its gradient is infinite at 0."""
        return elementwise.sqrt(self)

    def square(self) -> Tensor:
        """x * x"""
        return elementwise.square(self)

    def reciprocal(self) -> Tensor:
        """1 / x"""
        return elementwise.reciprocal(self)

    def sin(self) -> Tensor:
        """The sine of x radians."""
        return elementwise.sin(self)

    def cos(self) -> Tensor:
        """The cosine of x radians."""
        return elementwise.cos(self)

    def tanh(self) -> Tensor:
        """The hyperbolic tangent."""
        return elementwise.tanh(self)

    def sigmoid(self) -> Tensor:
        """1 / (1 + exp(-x)), without overflow at either end."""
        return elementwise.sigmoid(self)

    def relu(self) -> Tensor:
        """max(x, 0); the gradient at 0 is 0."""
        return elementwise.relu(self)

    def sign(self) -> Tensor:
        """-1, 0 or 1; the gradient is 0 everywhere."""
        return elementwise.sign(self)

    def floor(self) -> Tensor:
        """The largest whole number not above x; the gradient is 0 everywhere."""
        return elementwise.floor(self)

    def maximum(self, other: Any) -> Tensor:
        """The larger of two, cell by cell, with broadcasting; ties share the gradient evenly."""
        return elementwise.maximum(self, other)

    def minimum(self, other: Any) -> Tensor:
        """The smaller of two, cell by cell, with broadcasting; ties share the gradient evenly."""
        return elementwise.minimum(self, other)

    def clip(self, min: Any = None, max: Any = None) -> Tensor:
        """x held between bounds (numbers or arrays that broadcast to x, or None).

        The gradient passes where x is within or at the bounds. A floating-point x keeps its dtype,
        whatever that of the bounds.

        Raises:
            ValueError: both bounds are None, or a bound does not broadcast to the shape of x or
                requires grad.
        """
        if min is None and max is None:
            raise ValueError("clip: min and max are both None; give at least one bound")
        return elementwise.clip(self, min=self._bound("min", min), max=self._bound("max", max))

    def _bound(self, name: str, bound: Any) -> Any:
        """A bound for `clip`, checked: None, a number or an array."""
        if bound is None:
            return None
        if isinstance(bound, Differentiable):
            if bound._requires_grad:
                raise ValueError(
                    f"clip: {name} of shape {bound.shape} requires grad, and bounds get no "
                    "gradient; use maximum and minimum, or detach it"
                )
            bound = bound.data
        bound = as_operand("clip", bound)
        if not _broadcasts(np.shape(bound), self.shape):
            raise ValueError(
                f"clip: {name} of shape {np.shape(bound)} does not fit into x of shape {self.shape}"
            )
        return np.asarray(bound, self.dtype) if self.dtype.kind == "f" else bound

    def where(self, condition: Any, other: Any) -> Tensor:
        """x where the condition holds, other elsewhere, with broadcasting."""
        return where(condition, self, other)

    # --- reductions -------------------------------------------------------------------------------

    def sum(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """The sum over an axis, several (a tuple) or all (None); `keepdims` keeps them, size 1.

        Floating point stays in its dtype; integers and booleans are counted in 64 bits.

        >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).sum(axis=0)
        tensor([4., 6.], dtype=float32)
        """
        return reductions.sum_over(self, axis, keepdims)

    def mean(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """The average over an axis, several (a tuple) or all (None)."""
        return reductions.mean(self, axis, keepdims)

    def var(self, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
        """The variance over some axes: the squared distances from the mean over count - ddof."""
        return reductions.var(self, axis, ddof, keepdims)

    def std(self, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
        """The square root of the variance; its gradient is not defined where the variance is 0."""
        return reductions.var(self, axis, ddof, keepdims).sqrt()

    def max(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """The largest values over some axes; ties share the gradient evenly."""
        return reductions.max_over(self, axis, keepdims)

    def min(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """The smallest values over some axes; ties share the gradient evenly."""
        return reductions.min_over(self, axis, keepdims)

    def prod(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """The product over some axes; zeros among the factors are no exception."""
        return reductions.prod(self, axis, keepdims)

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        """The index (int64) of the first largest value along an axis, or of all cells in order."""
        return reductions.argmax(self, axis, keepdims)

    def logsumexp(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """log(sum(exp(x))) over some axes, without overflow."""
        return reductions.logsumexp(self, axis, keepdims)

    def cumsum(self, axis: int | None = None) -> Tensor:
        """Running sums along an axis; without one, of the flattened tensor."""
        if axis is None:
            return self.flatten().cumsum(0)
        return linear.cumsum(self, axis=reductions.normalise_axis("cumsum", axis, self.ndim))

    # --- shape ------------------------------------------------------------------------------------

    def reshape(self, *shape: Any) -> Tensor:
        """The same cells in row-major order in another shape; one size may be -1.

        Raises:
            TypeError: a size that is no integer.
            ValueError: the shapes differ in their number of cells.
        """
        sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        return linear.reshape(self, shape=_complete_shape(self.shape, tuple(sizes)))

    def transpose(self, *axes: Any) -> Tensor:
        """Axis i of the result is axis axes[i] of x; without axes, they are reversed."""
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        if order is None or order == ():
            order = range(self.ndim)[::-1]
        order = tuple(order)
        if reductions.normalise_axes("transpose", order, self.ndim) != tuple(range(self.ndim)):
            raise ValueError(f"transpose: axes={order} must name each of {self.ndim} axes once")
        return linear.transpose(self, axes=tuple(axis % self.ndim for axis in order))

    permute = transpose

    @property
    def T(self) -> Tensor:
        """The axes in reverse order."""
        return self.transpose()

    def flatten(self) -> Tensor:
        """All cells in row-major order, on one axis."""
        return linear.reshape(self, shape=(self.size,))

    def squeeze(self, axis: Axis = None) -> Tensor:
        """Drop axes of size 1: all of them, or those named.

        Raises:
            ValueError: a named axis has another size.
        """
        if axis is None:
            dropped = tuple(a for a, size in enumerate(self.shape) if size == 1)
        else:
            dropped = reductions.normalise_axes("squeeze", axis, self.ndim)
        for a in dropped:
            if self.shape[a] != 1:
                raise ValueError(
                    f"squeeze: axis {a} of shape {self.shape} has size {self.shape[a]}, not 1"
                )
        return linear.reshape(
            self, shape=tuple(size for a, size in enumerate(self.shape) if a not in dropped)
        )

    def expand_dims(self, axis: int | Sequence[int]) -> Tensor:
        """Insert axes of size 1, so that they have these positions in the result."""
        count = len(axis) if isinstance(axis, (tuple, list)) else 1
        new = reductions.normalise_axes("expand_dims", axis, self.ndim + count)
        sizes = iter(self.shape)
        shape = tuple(1 if a in new else next(sizes) for a in range(self.ndim + count))
        return linear.reshape(self, shape=shape)

    def broadcast_to(self, shape: int | Sequence[int]) -> Tensor:
        """Repeat along new axes and axes of size 1, by NumPy's rule.

        Raises:
            ValueError: x does not broadcast to the shape.
        """
        sizes = shape if isinstance(shape, Sequence) else (shape,)
        shape = tuple(operator.index(size) for size in sizes)
        if not _broadcasts(self.shape, shape):
            raise ValueError(f"broadcast_to: shape {self.shape} does not broadcast to {shape}")
        return linear.broadcast_to(self, shape=shape)

    def pad(self, pad_width: Any, value: float = 0.0) -> Tensor:
        """Surround with cells of one value, by `np.pad`'s conventions.

        Args:
            pad_width: ((before, after), ...) for every axis, one (before, after) for all of them,
                or one int.
            value: of the new cells.

        Raises:
            TypeError: the value is no number.
            ValueError: pad_width does not fit the number of axes, or is negative.
        """
        try:
            widths = np.broadcast_to(np.asarray(pad_width), (self.ndim, 2))
        except ValueError:
            widths = np.array([[-1, -1]])
        if widths.dtype.kind not in "iu" or (widths < 0).any():
            raise ValueError(
                f"pad: pad_width={pad_width!r} must hold (before, after), not negative, for each "
                f"of the {self.ndim} axes of shape {self.shape}, or once for all of them"
            )
        pairs = tuple((before, after) for before, after in widths.tolist())
        return linear.pad(self, pad_width=pairs, value=as_operand("pad", value))

    def flip(self, axis: Axis = None) -> Tensor:
        """Reverse the order of cells along an axis, several (a tuple) or all (None)."""
        return linear.flip(self, axis=reductions.normalise_axes("flip", axis, self.ndim))

    def __getitem__(self, index: Any) -> Tensor:
        return linear.getitem(self, index=_index_of_arrays(index))


engine.use_tensor_class(Tensor)


def tensor(data: Any, requires_grad: bool = False, dtype: Any = None) -> Tensor:
    """The same as `Tensor(data, requires_grad, dtype)`."""
    return Tensor(data, requires_grad, dtype)


def _real(where: str, dtype: Any) -> np.dtype[Any]:
    """The dtype in the byte order of this machine, if it is one of real numbers."""
    wanted = as_dtype(dtype, where)
    if wanted.kind not in "biuf":
        raise TypeError(f"{where}: cannot hold dtype {wanted}; tensors hold real numbers")
    return wanted


def _broadcasts(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether an array of one shape can be repeated to the other, by NumPy's rule."""
    return (
        len(shape) <= len(wanted)
        and all(target >= 0 for target in wanted)
        and all(
            size in (1, target) for size, target in zip(shape[::-1], wanted[::-1], strict=False)
        )
    )


def _complete_shape(shape: tuple[int, ...], wanted: tuple[Any, ...]) -> tuple[int, ...]:
    """The wanted shape with -1 replaced, checked against the number of cells."""
    if set(map(type, wanted)) <= {int}:
        cells, complete = math.prod(shape), wanted
        if wanted.count(-1) == 1:
            known = -math.prod(wanted)  # the product of the other sizes
            if known > 0:
                complete = tuple(cells // known if size == -1 else size for size in wanted)
        if math.prod(complete) == cells and min(complete, default=0) >= 0:
            return complete
    try:
        return np.broadcast_to(np.int8(0), shape).reshape(wanted).shape
    except TypeError:
        raise TypeError(f"reshape: shape {wanted!r} must hold integers") from None
    except ValueError:
        raise ValueError(
            f"reshape: {shape} cannot be read as {wanted}: the numbers of cells must be equal, and "
            "one size at most may be -1"
        ) from None


def _index_of_arrays(index: Any) -> Any:
    """An index with arrays in place of tensors and lists."""
    if isinstance(index, tuple):
        return tuple(_index_of_arrays(part) for part in index)
    if isinstance(index, Differentiable):
        return index.data
    if isinstance(index, list):
        return np.asarray(index, dtype=None if len(index) else int)
    return index


def as_tensor(value: Any) -> Tensor:
    """The value itself if it is a Tensor, else a Tensor of it."""
    return value if isinstance(value, Tensor) else Tensor(value)


def _parts(where: str, tensors: Any) -> list[Tensor]:
    """What is to be joined, at least one tensor."""
    try:
        values = iter(tensors)
    except TypeError:
        raise TypeError(
            f"{where}: tensors={tensors!r:.80} must be a sequence of Tensors, such as [x, y]"
        ) from None
    parts = [as_tensor(value) for value in values]
    if not parts:
        raise ValueError(f"{where}: got no tensors")
    return parts


def concatenate(tensors: Sequence[Any], axis: int = 0) -> Tensor:
    """Join tensors along an axis they have; all their other sizes must be equal.

    Raises:
        TypeError: something else than a sequence.
        ValueError: no tensors, or shapes that do not fit.

    >>> concatenate([Tensor([1.0, 2.0]), Tensor([3.0])])
    tensor([1., 2., 3.], dtype=float32)
    """
    parts = _parts("concatenate", tensors)
    axis = reductions.normalise_axis("concatenate", axis, parts[0].ndim)
    rest = [(*part.shape[:axis], *part.shape[axis + 1 :]) for part in parts]
    if any(part.ndim != parts[0].ndim for part in parts) or any(r != rest[0] for r in rest):
        raise ValueError(
            f"concatenate: shapes {', '.join(str(part.shape) for part in parts)} must be equal but "
            f"for axis {axis}"
        )
    dtype = linear.common_dtype(*parts)
    return linear.concatenate(*(linear.to_dtype(part, dtype) for part in parts), axis=axis)


def stack(tensors: Sequence[Any], axis: int = 0) -> Tensor:
    """Join tensors of one shape along a new axis.

    Raises:
        TypeError: something else than a sequence.
        ValueError: no tensors, or different shapes.

    >>> stack([Tensor([1.0, 2.0]), Tensor([3.0, 4.0])], axis=1)
    tensor([[1., 3.],
            [2., 4.]], dtype=float32)
    """
    parts = _parts("stack", tensors)
    axis = reductions.normalise_axis("stack", axis, parts[0].ndim + 1)
    if any(part.shape != parts[0].shape for part in parts):
        raise ValueError(
            f"stack: shapes {', '.join(str(part.shape) for part in parts)} must be equal"
        )
    return concatenate([part.expand_dims(axis) for part in parts], axis)


def where(condition: Any, x: Any, y: Any) -> Tensor:
    """x where the condition holds, y elsewhere; the three broadcast together.

    >>> where([True, False], Tensor([1.0, 2.0]), 0.0)
    tensor([1., 0.], dtype=float32)
    """
    if isinstance(condition, Differentiable):
        condition = condition.data
    else:
        condition = as_array("where", condition)
    x, y = (v if isinstance(v, Differentiable) else as_operand("where", v) for v in (x, y))
    if isinstance(x, (int, float)) and isinstance(y, (int, float)):  # nobody's dtype to take
        x = Tensor(x, dtype=np.float32 if isinstance(x, float) or isinstance(y, float) else None)
    return elementwise.where(condition.astype(bool, copy=False), x, y)


def maximum(x: Any, y: Any) -> Tensor:
    """The larger of two, cell by cell, with broadcasting; ties share the gradient evenly."""
    return elementwise.maximum(x, y)


def minimum(x: Any, y: Any) -> Tensor:
    """The smaller of two, cell by cell, with broadcasting; ties share the gradient evenly."""
    return elementwise.minimum(x, y)
