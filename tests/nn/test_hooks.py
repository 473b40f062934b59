"""Hooks on modules: what they see, what they may change, and that nothing else notices them."""

import copy
import pickle

import numpy as np
import pytest

from minigrad import nn


class Doubler(nn.Module):
    """A module that copies and pickles, which a class inside a test would not."""

    def __init__(self):
        self.dense = nn.Dense(3, 5, rng=np.random.default_rng(0))

    def forward(self, x, y):
        return self.dense(x) + self.dense(y)


def two_inputs():
    rng = np.random.default_rng(1)
    return rng.standard_normal((2, 4, 3)).astype(np.float32)


def test_hooks_see_inputs_and_output_in_order():
    model = Doubler()
    x, y = two_inputs()
    seen = []
    model.register_forward_pre_hook(lambda module, inputs: seen.append(("before", module, inputs)))
    model.register_forward_hook(lambda *call: seen.append(("after", *call)))
    model.register_forward_hook(lambda *call: seen.append(("after that", *call)))
    model.dense.register_forward_hook(lambda *call: seen.append(("inside", *call)))
    out = model(x, y)
    assert [what for what, *_ in seen] == ["before", "inside", "inside", "after", "after that"]
    assert seen[0][1] is model
    assert seen[0][2][0] is x
    assert seen[0][2][1] is y
    assert seen[1][2][0] is x
    assert seen[2][2][0] is y
    assert seen[3][1] is model
    assert seen[3][3] is out


def test_hooks_may_replace_inputs_and_output():
    model = Doubler()
    x, y = two_inputs()
    plain, swapped = model(x, x).data, model(y, x).data
    handle = model.register_forward_pre_hook(lambda module, inputs: (inputs[0], inputs[0]))
    assert (model(x, y).data == plain).all()
    handle.remove()
    handle = model.register_forward_pre_hook(lambda module, inputs: inputs[::-1])
    assert (model(x, y).data == swapped).all()
    handle.remove()
    layer = model.dense
    layer.register_forward_pre_hook(lambda module, inputs: inputs[0] * 2)  # one input, no tuple
    layer.register_forward_hook(lambda module, inputs, output: output + 1)
    layer.register_forward_hook(lambda module, inputs, output: output * 3)
    expected = ((x * 2) @ layer.weight.data + layer.bias.data + 1) * 3
    np.testing.assert_allclose(layer(x).data, expected, rtol=1e-6)


def test_removing():
    layer = nn.Dense(3, 5)
    x, _ = two_inputs()
    calls = []
    first = layer.register_forward_hook(lambda *call: calls.append("first"))
    layer.register_forward_hook(lambda *call: calls.append("second"))
    before = layer.register_forward_pre_hook(lambda *call: calls.append("before"))
    first.remove()
    first.remove()
    before.remove()
    layer(x)
    assert calls == ["second"]


def test_a_hook_may_remove_itself():
    layer = nn.Dense(3, 5)
    calls = []

    def once(module, inputs, output):
        calls.append("once")
        handle.remove()

    handle = layer.register_forward_hook(once)
    layer.register_forward_hook(lambda *call: calls.append("always"))
    x, _ = two_inputs()
    layer(x)
    layer(x)
    assert calls == ["once", "always", "always"]


def test_hooks_of_one_module_are_not_those_of_another():
    first, second = nn.ReLU(), nn.ReLU()
    calls = []
    first.register_forward_hook(lambda *call: calls.append("first"))
    second(np.ones(3, np.float32))
    assert calls == []


def test_nothing_else_notices_hooks():
    model = Doubler()
    names = [name for name, _ in model.named_tensors()]
    modules = [name for name, _ in model.named_modules()]
    text, state = repr(model), model.state_dict()
    # A module is a callable too: as a hook it must not become part of the network.
    model.register_forward_hook(nn.Sequential(nn.Dense(7, 9)).forward)
    model.dense.register_forward_pre_hook(nn.Dense(11, 13))
    assert [name for name, _ in model.named_tensors()] == names
    assert [name for name, _ in model.named_modules()] == modules
    assert repr(model) == text
    model.load_state_dict(state)
    assert model.state_dict().keys() == state.keys()


@pytest.mark.parametrize(
    "copied",
    [
        copy.deepcopy,
        lambda model: pickle.loads(pickle.dumps(model)),
        lambda model: model.astype(np.float64),
    ],
    ids=["deepcopy", "pickle", "astype"],
)
def test_copies_are_without_hooks(copied):
    model = Doubler()
    calls = []
    model.register_forward_hook(lambda *call: calls.append(call))  # a lambda cannot be pickled
    clone = copied(model)
    x, y = two_inputs()
    out = clone(x.astype(clone.dense.weight.dtype), y.astype(clone.dense.weight.dtype))
    assert calls == []
    np.testing.assert_allclose(model(x, y).data, out.data, rtol=1e-5, atol=1e-6)
    assert len(calls) == 1


@pytest.mark.parametrize("method", ["register_forward_hook", "register_forward_pre_hook"])
def test_a_hook_must_be_callable(method):
    with pytest.raises(TypeError, match=rf"Module\.{method}: hook='print' of type str"):
        getattr(nn.ReLU(), method)("print")
