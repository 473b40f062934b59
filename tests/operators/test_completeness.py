"""Nothing is without a check: every operator, Tensor method and function has a case.

Operators are looked for in two ways, because either can be evaded: as objects, in everything that
the library's modules hold, and as decorated functions in their source.
"""

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional
from minigrad.engine import Primitive
from minigrad.operators import elementwise, reductions
from tests.operator_cases import CASES, covered_names

DECORATORS = {"primitive", "elementwise"}

# What a Tensor has beside operators: what it is, and its ways out of the graph.
NOT_OPERATORS = {
    "__array__",
    "__array_ufunc__",
    "__bool__",
    "__doc__",
    "__float__",
    "__hash__",
    "__index__",
    "__init__",
    "__int__",
    "__len__",
    "__module__",
    "__repr__",
    "__slotnames__",  # the copy module puts it there when it first copies a Tensor
    "__slots__",
    "backward",
    "detach",
    "is_leaf",
    "item",
    "ndim",
    "numpy",
    "register_hook",
    "requires_grad",
    "size",
}


def library_modules():
    yield mg
    for module in pkgutil.walk_packages(mg.__path__, "minigrad."):
        yield importlib.import_module(module.name)


def catalogue_name(module, function):
    return f"{module.rpartition('.')[2]}.{function.strip('_')}"


def operators_in(value, depth=2):
    """The operators in a module's variable: itself, or what a container or a class holds."""
    if isinstance(value, Primitive):
        yield catalogue_name(value.__module__, value.__name__)
    elif depth and isinstance(value, type) and value.__module__.startswith("minigrad"):
        for held in vars(value).values():
            yield from operators_in(held, depth - 1)
    elif depth and isinstance(value, (list, tuple, set, frozenset, dict)):
        for held in value.values() if isinstance(value, dict) else value:
            yield from operators_in(held, depth - 1)


def operator_objects(modules):
    return {
        name
        for module in modules
        for value in vars(module).values()
        for name in operators_in(value)
    }


def decorated_functions(module_name, source):
    """The functions that are made operators in a source text, wherever they are defined."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            for decorator in node.decorator_list:
                called = decorator.func if isinstance(decorator, ast.Call) else decorator
                name = called.attr if isinstance(called, ast.Attribute) else called.id
                if name in DECORATORS:
                    yield catalogue_name(module_name, node.name)


def operators_in_source(modules):
    return {
        name
        for module in modules
        for name in decorated_functions(module.__name__, Path(module.__file__).read_text("utf-8"))
    }


def tensor_operators(tensor_class):
    """Its public methods and properties, and the special methods behind Python's operators."""
    return {
        f"Tensor.{name}"
        for name in vars(tensor_class)
        if name not in NOT_OPERATORS and (name.startswith("__") or not name.startswith("_"))
    }


def public_functions(prefix, module, names):
    """The functions among some names of a module that work on tensors."""
    homes = ("minigrad.functional", "minigrad.tensor", "minigrad.operators")
    return {
        f"{prefix}.{name}"
        for name in names
        if not name.startswith("_")
        and (
            inspect.isfunction(getattr(module, name))
            or isinstance(getattr(module, name), Primitive)
        )
        and getattr(module, name).__module__.startswith(homes)
    } - {"mg.tensor"}  # makes a leaf


def functions_of_functional(module):
    """Those defined there, not those it imports."""
    return {
        name
        for name in public_functions("F", module, vars(module))
        if vars(module)[name.removeprefix("F.")].__module__ == module.__name__
    }


def test_every_operator_has_a_case():
    assert operator_objects(library_modules()) - covered_names() == set()


def test_every_operator_in_the_source_has_a_case():
    assert operators_in_source(library_modules()) - covered_names() == set()


def test_every_tensor_method_has_a_case():
    assert tensor_operators(mg.Tensor) - covered_names() == set()


def test_every_function_has_a_case():
    functions = functions_of_functional(functional) | public_functions("mg", mg, mg.__all__)
    assert functions - covered_names() == set()


def test_the_catalogue_names_nothing_that_does_not_exist():
    existing = (
        operator_objects(library_modules())
        | tensor_operators(mg.Tensor)
        | functions_of_functional(functional)
        | public_functions("mg", mg, mg.__all__)
    )
    assert covered_names() - existing == set()


def test_cases_exercise_the_operator_they_name():
    """The last node of the graph is the operator; constants and integers leave none."""
    operators = operator_objects(library_modules())
    for case in CASES:
        for name, function in case.functions.items():
            if name in operators and case.order > 0:
                out = function(*(mg.Tensor(array, requires_grad=True) for array in case.inputs))
                module = out.node.primitive.__module__
                assert catalogue_name(module, out.node.primitive.name) == name


# article: L7
def test_differentiable_operators_have_a_gradient_check():
    """A case of order 0 is no check of a rule, unless another one of the operator is."""
    checked = {name for case in CASES if case.order > 0 for name in case.functions}
    for module in library_modules():
        for value in vars(module).values():
            if isinstance(value, Primitive) and any(value.rules):
                assert catalogue_name(value.__module__, value.__name__) in checked


# --- it can fail ----------------------------------------------------------------------------------


def test_a_new_operator_is_missed(monkeypatch):
    @mg.primitive
    def _cube(x):
        return x**3

    _cube.__module__ = elementwise.__name__
    for holder in (_cube, [_cube], {"cube": (_cube,)}):
        monkeypatch.setattr(elementwise, "new", holder, raising=False)
        assert operator_objects(library_modules()) - covered_names() == {"elementwise.cube"}


def test_a_new_operator_in_a_class_is_missed(monkeypatch):
    @mg.primitive
    def cube(x):
        return x**3

    monkeypatch.setattr(mg.nn.Dense, "cube", cube, raising=False)
    cube.__module__ = mg.nn.Dense.__module__
    assert operator_objects(library_modules()) - covered_names() == {"layers.cube"}


@pytest.mark.parametrize(
    "decorator", ["primitive", "mg.primitive", "primitive(saves=['size'])", "elementwise"]
)
def test_a_new_operator_in_the_source_is_missed(decorator):
    source = f"def factory():\n    @{decorator}\n    def _cube(x):\n        return x**3\n"
    assert set(decorated_functions("minigrad.operators.linear", source)) == {"linear.cube"}


def test_a_new_method_is_missed():
    class Extended(mg.Tensor):
        __slots__ = ()

        def cube(self):
            return self**3

        @property
        def H(self):
            return self.T

    assert {"Tensor.cube", "Tensor.H"} <= tensor_operators(Extended) - covered_names()


def test_a_new_function_is_missed(monkeypatch):
    def cube(x):
        return x**3

    cube.__module__ = functional.__name__
    monkeypatch.setattr(functional, "cube", cube, raising=False)
    assert functions_of_functional(functional) - covered_names() == {"F.cube"}

    cube.__module__ = reductions.__name__
    monkeypatch.setattr(mg, "cube", cube, raising=False)
    monkeypatch.setattr(mg, "__all__", [*mg.__all__, "cube"])
    assert public_functions("mg", mg, mg.__all__) - covered_names() == {"mg.cube"}


def test_a_case_that_exercises_another_operator_is_noticed():
    leaf = mg.Tensor(np.ones(3), requires_grad=True)
    last = elementwise.negative(elementwise.exp(leaf)).node.primitive
    assert catalogue_name(last.__module__, last.name) == "elementwise.negative"
