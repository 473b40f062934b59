"""`Module`, the base of every layer and network.

A module is a plain class: it sets tensors and other modules as attributes and defines `forward`.
Nothing is registered; the methods here walk the attributes in the order in which they were set,
into lists, tuples and dicts. A floating-point tensor that requires grad is a parameter; any other
tensor (running statistics) is state that is saved with it. What is kept only to be looked at, such
as an output, is neither: keep its `.data`.
"""

from __future__ import annotations

import copy
import reprlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import numpy as np

from ..arguments import as_dtype
from ..hooks import HookHandle, Hooks
from ..tensor import Tensor


class Module:
    """The base of layers and networks: subclasses set attributes and define `forward`.

    >>> class Line(Module):
    ...     def __init__(self):
    ...         self.slope = Tensor([2.0], requires_grad=True)
    ...     def forward(self, x):
    ...         return x * self.slope
    >>> line = Line()
    >>> line(Tensor([3.0]))
    tensor([6.], dtype=float32, requires_grad=True)
    >>> [name for name, _ in line.named_parameters()]
    ['slope']
    """

    training: bool = True  # switched by train() and eval(); Dropout and BatchNorm look at it

    # None until the first hook is registered, so that modules without hooks pay next to nothing.
    _pre_hooks: Hooks | None = None
    _hooks: Hooks | None = None

    def forward(self, *inputs: Any) -> Any:
        """What the module computes. Defined by each subclass, called through `module(...)`."""
        raise NotImplementedError(f"{type(self).__name__} does not define forward")

    def __call__(self, *inputs: Any) -> Any:
        """`forward`, with the hooks around it."""
        if self._pre_hooks is not None:
            for hook in self._pre_hooks:
                replacement = hook(self, inputs)
                if replacement is not None:
                    inputs = replacement if isinstance(replacement, tuple) else (replacement,)
        output = self.forward(*inputs)
        if self._hooks is not None:
            for hook in self._hooks:
                replacement = hook(self, inputs, output)
                if replacement is not None:
                    output = replacement
        return output

    # --- watching it ------------------------------------------------------------------------------

    def register_forward_pre_hook(
        self, hook: Callable[[Module, tuple[Any, ...]], Any]
    ) -> HookHandle:
        """Have `hook(module, inputs)` called before every `forward`, in the order of registration.

        `inputs` is the tuple of arguments; what the hook returns, unless None, replaces it. Hooks
        belong to this object: copies, and what is saved, are without them.
        """
        if self._pre_hooks is None:
            self._pre_hooks = Hooks()
        return self._pre_hooks.add("Module.register_forward_pre_hook", hook)

    def register_forward_hook(
        self, hook: Callable[[Module, tuple[Any, ...], Any], Any]
    ) -> HookHandle:
        """Have `hook(module, inputs, output)` called after every `forward`, likewise.

        What the hook returns, unless None, replaces the output.

        >>> from minigrad import nn
        >>> layer = nn.Dense(3, 5)
        >>> handle = layer.register_forward_hook(lambda module, inputs, output: print(output.shape))
        >>> out = layer(np.ones((2, 3), np.float32))
        (2, 5)
        >>> handle.remove()
        >>> out = layer(np.ones((2, 3), np.float32))
        """
        if self._hooks is None:
            self._hooks = Hooks()
        return self._hooks.add("Module.register_forward_hook", hook)

    # --- what it holds ----------------------------------------------------------------------------

    def named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Every tensor in the module and the modules within, each once, by its first name."""
        seen: set[int] = set()
        for name, value in _walk(self):
            if isinstance(value, Tensor) and id(value) not in seen:
                seen.add(id(value))
                yield name, value

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """The tensors that require grad, with names like `layers.0.kernel`, in definition order."""
        return ((name, tensor) for name, tensor in self.named_tensors() if tensor.requires_grad)

    def parameters(self) -> Iterator[Tensor]:
        """The tensors that require grad, in definition order, shared ones once."""
        return (tensor for _, tensor in self.named_parameters())

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """This module (named "") and every module within, each once, in definition order."""
        seen: set[int] = set()
        for name, value in _walk(self):
            if isinstance(value, Module) and id(value) not in seen:
                seen.add(id(value))
                yield name, value

    # --- saving and copying -----------------------------------------------------------------------

    def state_dict(self) -> dict[str, np.ndarray[Any, Any]]:
        """A copy of every tensor's array, by name; running statistics included."""
        return {name: tensor.data.copy() for name, tensor in self.named_tensors()}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """Write the arrays of a state dict into the tensors of the same names.

        Nothing is written unless everything fits. Without `strict`, names that only one side has
        are passed over.

        Raises:
            TypeError: the state is not a dict.
            ValueError: a name is missing or not known (if strict), a shape differs, a dtype cannot
                be converted, or a tensor here is read-only.
        """
        where = f"{type(self).__name__}.load_state_dict"
        if not isinstance(state, Mapping):
            raise TypeError(
                f"{where}: expected a dict of arrays by name, got a {type(state).__name__}; "
                "mg.load reads one from a file"
            )
        own = dict(self.named_tensors())
        arrays = {
            name: value.data if isinstance(value, Tensor) else np.asarray(value)
            for name, value in state.items()
        }
        missing = [name for name in own if name not in arrays]
        unknown = [name for name in arrays if name not in own]
        if strict and (missing or unknown):
            raise ValueError(
                f"{where}: missing {missing}, not known {unknown}; the state is of another "
                "network, or use strict=False to load what both have"
            )
        known = {name: array for name, array in arrays.items() if name in own}
        for name, array in known.items():
            if array.shape != own[name].shape:
                raise ValueError(
                    f"{where}: {name} has shape {array.shape} in the state and {own[name].shape} "
                    "here"
                )
            if not np.can_cast(array.dtype, own[name].dtype, "same_kind"):
                raise ValueError(
                    f"{where}: {name} has dtype {array.dtype} in the state and {own[name].dtype} "
                    "here"
                )
            if not own[name].data.flags.writeable:
                raise ValueError(
                    f"{where}: {name}, shape {own[name].shape}, is a read-only array here; make "
                    "the Tensor from a copy of it"
                )
        for name, array in known.items():
            own[name].data[...] = array

    def astype(self, dtype: Any) -> Self:
        """A copy with all floating-point tensors in another dtype (float64 for gradient checks).

        Raises:
            TypeError: something that is no dtype.
            ValueError: the dtype is not a floating-point one.
        """
        where = f"{type(self).__name__}.astype"
        dtype = as_dtype(dtype, where)
        if dtype.kind != "f":
            raise ValueError(
                f"{where}: dtype={dtype} must be floating-point, "
                "such as np.float64; parameters need gradients"
            )
        clone = copy.deepcopy(self)
        for _, tensor in clone.named_tensors():
            if tensor.dtype.kind == "f":
                tensor.data = tensor.data.astype(dtype)
                tensor.grad = None
        return clone

    # --- modes ------------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Switch the module and all within to training (or, with False, to evaluation)."""
        for _, module in self.named_modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Switch the module and all within to evaluation."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.grad = None

    # --- printing ---------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What stands in the brackets of `repr`, for modules that hold no others."""
        return ""

    @reprlib.recursive_repr("...")  # for a module within itself
    def __repr__(self) -> str:
        children = [
            (name, value)
            for name, value in _children(vars(self).items())
            if isinstance(value, Module)
        ]
        if not children:
            return f"{type(self).__name__}({self.extra_repr()})"
        lines = [f"  ({name}): " + repr(module).replace("\n", "\n  ") for name, module in children]
        return "\n".join([f"{type(self).__name__}(", *lines, ")"])


def _walk(module: Module, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The module and all tensors and modules in it, depth first, with their dotted names.

    However deep the network, there is no recursion; a module within itself is met once.
    """
    pending: list[tuple[str, Any]] = [(prefix, module)]
    entered: set[int] = set()
    while pending:
        name, value = pending.pop()
        yield name, value
        if isinstance(value, Module) and id(value) not in entered:
            entered.add(id(value))
            inside = _children(vars(value).items())
            pending.extend(
                (f"{name}.{child_name}" if name else child_name, child)
                for child_name, child in reversed(list(inside))
            )


def _children(items: Any) -> Iterator[tuple[str, Any]]:
    """The tensors and modules among named values, looking into lists, tuples and dicts."""
    for name, value in items:
        if isinstance(value, (Tensor, Module)):
            yield str(name), value
        elif isinstance(value, (list, tuple)):
            yield from _prefixed(name, enumerate(value))
        elif isinstance(value, dict):
            yield from _prefixed(name, value.items())


def _prefixed(prefix: Any, items: Any) -> Iterator[tuple[str, Any]]:
    return ((f"{prefix}.{name}", value) for name, value in _children(items))
