"""Derivatives of functions: `jacobian(fn, inputs)` and `hvp(fn, inputs, v)`.

Arguments and results follow `torch.autograd.functional`: a single Tensor in or out stays a Tensor,
a tuple becomes a tuple, and `hvp` returns the function's value along with the product.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .engine import Array, grad
from .tensor import Tensor, as_tensor, stack


def jacobian(
    fn: Callable[..., Any], inputs: Any, create_graph: bool = False
) -> Tensor | tuple[Any, ...]:
    """All partial derivatives of a function, by one backward pass per cell of its output.

    Args:
        fn: takes the inputs as positional arguments, returns a Tensor or a tuple of them.
        inputs: a Tensor or array, or a tuple or list of them, floating point.
        create_graph: record the computation, so that the result can be differentiated, with respect
            to inputs that require grad too.

    Returns:
        For one input and one output a Tensor of shape `output.shape + input.shape`, in the input's
        dtype: `[i, j]` is the derivative of output cell i with respect to input cell j. A tuple
        over the inputs where `inputs` is a sequence; a tuple over the outputs of those where fn
        returns several.

    Raises:
        TypeError: an input that is not floating point, or fn returns anything but floating-point
            Tensors.

    >>> import minigrad as mg
    >>> jacobian(lambda x: x * x, mg.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]], dtype=float32)
    """
    leaves = _leaves("jacobian", inputs, keep_history=create_graph)
    result = fn(*leaves)
    rows_per_output = [
        _jacobian_rows(output, leaves, create_graph) for output in _outputs("jacobian", result)
    ]
    per_output = [
        blocks if isinstance(inputs, (tuple, list)) else blocks[0] for blocks in rows_per_output
    ]
    return tuple(per_output) if isinstance(result, (tuple, list)) else per_output[0]


def _jacobian_rows(
    output: Tensor, leaves: Sequence[Tensor], create_graph: bool
) -> tuple[Tensor, ...]:
    """The derivatives of one output with respect to each leaf."""
    if not output.requires_grad:
        return tuple(Tensor(np.zeros(output.shape + leaf.shape, leaf.dtype)) for leaf in leaves)
    rows: list[Sequence[Tensor]] = []
    for cell in range(output.size):
        only_this_cell = np.zeros(output.size, output.dtype)
        only_this_cell[cell] = 1
        rows.append(
            grad(
                output,
                leaves,
                only_this_cell.reshape(output.shape),
                retain_graph=True,
                create_graph=create_graph,
            )
        )
    # Per leaf: output.size gradients of the leaf's shape -> (*output.shape, *leaf.shape)
    return tuple(
        stack([row[position] for row in rows]).reshape(output.shape + leaf.shape)
        if rows
        else Tensor(np.zeros(output.shape + leaf.shape, leaf.dtype))
        for position, leaf in enumerate(leaves)
    )


def hvp(
    fn: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False
) -> tuple[Tensor, Any]:
    """The Hessian of a function times a vector, without making the Hessian: two backward passes.

    The Hessian holds the second derivatives of a function with a single number as its result. Its
    product with v is the gradient of <gradient, v>. (Pearlmutter, 1994)

    Args:
        fn: takes the inputs as positional arguments, returns a Tensor with a single cell.
        inputs: a Tensor or array, or a tuple or list of them, floating point.
        v: the vector, in the form of the inputs: one array of the same shape for each. May be left
            out for an input with a single cell, where it is 1.
        create_graph: record the computation, so that both results can be differentiated.

    Returns:
        The value of fn, and the product: a Tensor of the input's shape and dtype, or a tuple of
        them where `inputs` is a sequence.

    Raises:
        TypeError: an input that is not floating point, or fn returns anything but a floating-point
            Tensor.
        ValueError: fn returns more than one number, or v does not fit the inputs.

    >>> import minigrad as mg
    >>> value, product = hvp(lambda x: (x**3).sum(), mg.tensor([1.0, 2.0]), [1.0, 10.0])
    >>> product  # the Hessian is diagonal, 6 x
    tensor([  6., 120.], dtype=float32)
    """
    leaves = _leaves("hvp", inputs, keep_history=create_graph)
    is_sequence = isinstance(inputs, (tuple, list))
    vectors = _vectors(leaves, v, is_sequence)
    result = fn(*leaves)
    outputs = _outputs("hvp", result)
    if len(outputs) != 1 or outputs[0].size != 1:
        count = "one" if len(outputs) == 1 else len(outputs)
        raise ValueError(
            f"hvp: fn must return one number, and returned {count} {_shapes(outputs)}; reduce it "
            "(.sum(), .mean()), or use jacobian"
        )
    output = outputs[0]
    products = [Tensor(np.zeros_like(leaf.data)) for leaf in leaves]
    if output.requires_grad:
        gradients = grad(output, leaves, np.ones_like(output.data), create_graph=True)
        # A function that is linear in an input has a gradient there that depends on nothing.
        curved = [position for position, slope in enumerate(gradients) if slope.requires_grad]
        if curved:
            products = list(
                grad(
                    [gradients[position] for position in curved],
                    leaves,
                    [vectors[position] for position in curved],
                    create_graph=create_graph,
                    retain_graph=True if create_graph else None,
                )
            )
    value = output if create_graph else output.detach()
    return value, tuple(products) if is_sequence else products[0]


def _leaves(caller: str, inputs: Any, keep_history: bool) -> list[Tensor]:
    """The inputs as tensors that require grad; cut off from their history unless it is wanted."""
    leaves = []
    for position, value in enumerate(inputs if isinstance(inputs, (tuple, list)) else (inputs,)):
        tensor = as_tensor(value)
        if tensor.dtype.kind != "f":
            raise TypeError(
                f"{caller}: inputs[{position}] is {tensor.dtype}, and only floating-point inputs "
                "have derivatives; convert it with .astype(np.float32), or fix it in a lambda"
            )
        if not (keep_history and tensor.requires_grad):
            tensor = Tensor(tensor.data, requires_grad=True)
        leaves.append(tensor)
    return leaves


def _outputs(caller: str, result: Any) -> list[Tensor]:
    outputs = list(result) if isinstance(result, (tuple, list)) else [result]
    for output in outputs:
        if not isinstance(output, Tensor):
            raise TypeError(
                f"{caller}: fn returned {type(output).__name__}; it must return a Tensor, or a "
                "tuple of Tensors"
            )
        if output.dtype.kind != "f":
            raise TypeError(
                f"{caller}: fn returned a Tensor of {output.dtype}; only floating-point numbers "
                "have derivatives"
            )
    return outputs


def _vectors(leaves: Sequence[Tensor], v: Any, is_sequence: bool) -> list[Array]:
    """The vector of `hvp` as one array per leaf."""
    if v is None:
        if len(leaves) != 1 or leaves[0].size != 1:
            raise ValueError(
                f"hvp: v can be left out for a single number only, and the inputs are "
                f"{_shapes(leaves)}; give one array of that shape per input"
            )
        return [np.ones_like(leaves[0].data)]
    given = list(v) if is_sequence else [v]
    vectors = [np.asarray(part.data if isinstance(part, Tensor) else part) for part in given]
    if [vector.shape for vector in vectors] != [leaf.shape for leaf in leaves]:
        raise ValueError(
            f"hvp: v is {_shapes(vectors)} and the inputs are {_shapes(leaves)}: each part of v "
            "must have its input's shape"
        )
    return [vector.astype(leaf.dtype) for vector, leaf in zip(vectors, leaves, strict=True)]


def _shapes(arrays: Sequence[Any]) -> str:
    return "of shape " + " and ".join(str(array.shape) for array in arrays)
