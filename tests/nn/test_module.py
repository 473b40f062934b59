"""Modules: what they hold and under which names, how it is saved, copied, switched and printed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, nn


def parameter(*shape: int) -> Tensor:
    return Tensor(np.full(shape, 0.5, np.float32), requires_grad=True)


def names(module: nn.Module) -> list[str]:
    return [name for name, _ in module.named_parameters()]


class Holder(nn.Module):
    """Whatever it is given, as attributes in that order."""

    def __init__(self, **attributes: Any) -> None:
        for name, value in attributes.items():
            setattr(self, name, value)

    def forward(self, x: Any) -> Any:
        return x


# --- names ----------------------------------------------------------------------------------------


def test_names_are_in_definition_order_and_not_in_alphabetical_order() -> None:
    module = Holder(
        zebra=parameter(2),
        inner=Holder(last=parameter(3), first=parameter(4)),
        apple=parameter(5),
    )
    assert names(module) == ["zebra", "inner.last", "inner.first", "apple"]
    assert [tensor.shape for tensor in module.parameters()] == [(2,), (3,), (4,), (5,)]


def test_names_reach_into_lists_tuples_and_dicts_however_nested() -> None:
    module = Holder(
        blocks=[Holder(w=parameter(2)), parameter(3)],
        pairs=((parameter(4), parameter(5)),),
        heads={"left": Holder(w=parameter(6)), 7: [parameter(7)], "none": None},
        number=3,
        text="not a tensor",
    )
    assert names(module) == [
        "blocks.0.w",
        "blocks.1",
        "pairs.0.0",
        "pairs.0.1",
        "heads.left.w",
        "heads.7.0",
    ]
    assert [tensor.shape[0] for tensor in module.parameters()] == [2, 3, 4, 5, 6, 7]


def test_names_of_a_sequential() -> None:
    net = nn.Sequential(
        nn.Conv2D(1, 2, 3), nn.ReLU(), nn.Sequential(nn.Dense(5, 7), nn.BatchNorm(7))
    )
    assert names(net) == [
        "layers.0.kernel",
        "layers.0.bias",
        "layers.2.layers.0.weight",
        "layers.2.layers.0.bias",
        "layers.2.layers.1.weight",
        "layers.2.layers.1.bias",
    ]
    # Running statistics are state, and no parameters.
    assert list(net.state_dict()) == [
        *names(net),
        "layers.2.layers.1.running_mean",
        "layers.2.layers.1.running_var",
    ]


def test_an_attribute_that_is_replaced_keeps_its_place_and_a_removed_one_is_gone() -> None:
    module = Holder(a=parameter(2), b=parameter(3), c=parameter(4))
    module.a = parameter(5)
    del module.b
    assert [(name, tensor.shape) for name, tensor in module.named_parameters()] == [
        ("a", (5,)),
        ("c", (4,)),
    ]


def test_a_frozen_tensor_is_state_but_no_parameter() -> None:
    module = Holder(free=parameter(2), frozen=parameter(3))
    module.frozen.requires_grad = False
    assert names(module) == ["free"]
    assert list(module.state_dict()) == ["free", "frozen"]


def test_shared_parameters_and_modules_are_met_once_under_their_first_name() -> None:
    shared = parameter(3)
    layer = nn.Dense(5, 7)
    module = Holder(a=shared, b=layer, c=[shared, layer], d=Holder(e=shared))
    assert names(module) == ["a", "b.weight", "b.bias"]
    assert [name for name, _ in module.named_modules()] == ["", "b", "d"]
    assert list(module.state_dict()) == ["a", "b.weight", "b.bias"]


def test_a_shared_parameter_collects_from_all_places_and_moves_once_per_step() -> None:
    layer = nn.Dense(1, 1, bias=False)
    layer.weight.data[...] = 3.0
    net = nn.Sequential(layer, layer)  # 9 x
    optimizer = mg.optim.SGD(net.parameters(), lr=0.5)
    net(np.array([[2.0]], np.float32)).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.item() == 2 * 3.0 * 2.0  # d/dw w^2 x
    optimizer.step()
    assert layer.weight.item() == 3.0 - 0.5 * 12.0


def test_a_module_within_itself_is_met_once() -> None:
    child, parent = Holder(w=parameter(3)), Holder(v=parameter(2))
    parent.child, child.parent = child, parent
    parent.myself = [parent]
    assert names(parent) == ["v", "child.w"]
    assert names(child) == ["w", "parent.v"]
    parent.eval()
    assert not child.training
    assert repr(child) == (
        "Holder(\n  (parent): Holder(\n    (child): ...\n    (myself.0): ...\n  )\n)"
    )
    assert parent.astype(np.float64).child.w.dtype == np.float64


def test_a_network_of_many_nested_modules_needs_no_deep_stack() -> None:
    module = Holder(w=parameter(2))
    for _ in range(2_000):
        module = Holder(inner=module)
    assert sum(1 for _ in module.parameters()) == 1


# --- calling --------------------------------------------------------------------------------------


def test_a_module_without_forward_says_so() -> None:
    class Nothing(nn.Module):
        pass

    with pytest.raises(NotImplementedError, match="Nothing does not define forward"):
        Nothing()(Tensor([1.0]))


def test_forward_of_several_inputs() -> None:
    class Sum(nn.Module):
        def forward(self, x: Any, y: Any) -> Any:
            return x + y

    assert Sum()(Tensor([1.0]), Tensor([2.5])).item() == 3.5


# --- saving and loading ---------------------------------------------------------------------------


def test_state_dict_holds_copies() -> None:
    layer = nn.Dense(3, 5)
    state = layer.state_dict()
    before = layer.weight.data.copy()
    state["weight"][...] = 7.0
    np.testing.assert_array_equal(layer.weight.data, before)


def test_load_state_dict_gives_the_same_network_and_writes_in_place() -> None:
    source, target = (
        nn.Sequential(nn.Dense(3, 5), nn.BatchNorm(5), nn.Dense(5, 2)) for _ in range(2)
    )
    x = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    source(x)  # moves the running statistics
    optimizer_sees = target[0].weight.data
    target.load_state_dict(source.state_dict())
    np.testing.assert_array_equal(target.eval()(x).data, source.eval()(x).data)
    assert target[0].weight.data is optimizer_sees
    source[0].weight.data[...] = 0.0
    assert target[0].weight.data.any()  # nothing is shared


def test_load_state_dict_takes_tensors_and_lists_and_float64() -> None:
    layer = nn.Dense(2, 1)
    layer.load_state_dict({"weight": Tensor([[1.0], [2.0]]), "bias": [0.1]})
    assert layer.weight.data.tolist() == [[1.0], [2.0]]
    assert layer.bias.data.dtype == np.float32
    assert layer.bias.item() == float(np.float32(0.1))


def test_strict_names_what_is_missing_and_what_is_not_known() -> None:
    layer = nn.Dense(3, 5)
    before = layer.state_dict()
    state = {"weight": np.zeros((3, 5), np.float32), "wieght": np.zeros(2), "biass": np.zeros(5)}
    with pytest.raises(ValueError) as caught:
        layer.load_state_dict(state)
    message = str(caught.value)
    assert message.startswith(
        "Dense.load_state_dict: missing ['bias'], not known ['wieght', 'biass']"
    )
    assert "strict=False" in message
    np.testing.assert_array_equal(layer.weight.data, before["weight"])

    layer.load_state_dict(state, strict=False)
    np.testing.assert_array_equal(layer.weight.data, np.zeros((3, 5)))
    np.testing.assert_array_equal(layer.bias.data, before["bias"])


@pytest.mark.parametrize("strict", [True, False])
def test_a_4x3_weight_into_a_7x3_layer_is_refused_and_nothing_is_written(strict: bool) -> None:
    source = nn.Sequential(nn.Dense(2, 4), nn.Dense(4, 3))
    target = nn.Sequential(nn.Dense(2, 4), nn.Dense(7, 3))
    before = target.state_dict()
    with pytest.raises(ValueError) as caught:
        target.load_state_dict(source.state_dict(), strict=strict)
    message = str(caught.value)
    assert "layers.1.weight" in message and "(4, 3)" in message and "(7, 3)" in message
    for name, array in target.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_a_broadcast_would_fit_but_is_refused() -> None:
    layer = nn.Dense(3, 5)
    with pytest.raises(ValueError, match=r"bias has shape \(1,\) in the state and \(5,\) here"):
        layer.load_state_dict({"weight": np.zeros((3, 5)), "bias": np.zeros(1)})


@pytest.mark.parametrize("array", [np.array(["a", "b"]), np.array([1j, 2j])])
def test_other_kinds_of_data_are_refused_and_nothing_is_written(array: np.ndarray) -> None:
    module = Holder(a=parameter(3), b=parameter(2))
    with pytest.raises(
        ValueError, match=f"b has dtype .*{array.dtype.str[1:2]}.* and float32 here"
    ):
        module.load_state_dict({"a": np.zeros(3), "b": array})
    assert module.a.data.tolist() == [0.5, 0.5, 0.5]


def test_floats_into_integers_are_refused() -> None:
    module = Holder(count=Tensor(np.arange(3)))
    with pytest.raises(ValueError, match="count has dtype float32 in the state and int64 here"):
        module.load_state_dict({"count": np.zeros(3, np.float32)})


def test_a_read_only_tensor_is_refused_before_anything_is_written() -> None:
    fixed = np.zeros(2, np.float32)
    fixed.flags.writeable = False
    module = Holder(a=parameter(3), b=Tensor(fixed))
    with pytest.raises(ValueError, match=r"Holder\.load_state_dict: b, .*read-only"):
        module.load_state_dict({"a": np.ones(3), "b": np.ones(2)})
    assert module.a.data.tolist() == [0.5, 0.5, 0.5]


def test_a_state_that_is_no_mapping() -> None:
    with pytest.raises(TypeError, match=r"Dense\.load_state_dict: .*str"):
        nn.Dense(3, 5).load_state_dict("weights.safetensors")


# --- copies ---------------------------------------------------------------------------------------


def test_astype_copies_everything_and_shares_nothing() -> None:
    net = nn.Sequential(nn.Dense(3, 5), nn.BatchNorm(5), nn.Dropout(0.25, np.random.default_rng(3)))
    net(np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)).sum().backward()
    clone = net.astype(np.float64)
    assert {tensor.dtype for _, tensor in clone.named_tensors()} == {np.dtype(np.float64)}
    assert {tensor.dtype for _, tensor in net.named_tensors()} == {np.dtype(np.float32)}
    originals = dict(net.named_tensors())
    for name, tensor in clone.named_tensors():
        assert tensor.requires_grad == originals[name].requires_grad
        assert tensor.grad is None
        assert not np.shares_memory(tensor.data, originals[name].data)
        np.testing.assert_array_equal(tensor.data, originals[name].data)
    assert net[0].weight.grad is not None  # the original keeps its gradients
    assert {id(m) for _, m in net.named_modules()}.isdisjoint(
        id(m) for _, m in clone.named_modules()
    )
    assert clone[2].rng is not net[2].rng


def test_astype_to_the_same_dtype_is_a_copy_too() -> None:
    layer = nn.Dense(3, 5)
    clone = layer.astype(np.float32)
    clone.weight.data[...] = 9.0
    assert not (layer.weight.data == 9.0).any()


def test_astype_keeps_sharing_within_the_copy() -> None:
    layer = nn.Dense(4, 4)
    clone = nn.Sequential(layer, nn.Tanh(), layer).astype(np.float64)
    assert clone[0] is clone[2]
    assert len(names(clone)) == 2


def test_astype_leaves_integers_alone_and_keeps_modes() -> None:
    module = Holder(count=Tensor(np.arange(3)), w=parameter(2)).eval()
    clone = module.astype(np.float64)
    assert clone.count.dtype == np.int64
    assert not clone.training


@pytest.mark.parametrize("dtype", [np.int32, bool, np.complex64])
def test_astype_refuses_what_is_not_floating_point(dtype: Any) -> None:
    with pytest.raises(ValueError, match=r"Dense\.astype: dtype=.* must be floating"):
        nn.Dense(3, 5).astype(dtype)


def test_astype_to_a_dtype_that_does_not_exist() -> None:
    with pytest.raises(TypeError, match=r"^Dense\.astype: dtype='foo' is none that NumPy knows"):
        nn.Dense(3, 5).astype("foo")


@pytest.mark.parametrize("swapped", [">", "<"])
def test_astype_keeps_the_byte_order_of_the_machine(swapped: str) -> None:
    layer = nn.Dense(3, 5).astype(f"{swapped}f8")
    assert layer.weight.dtype.isnative
    layer(np.ones((2, 3))).sum().backward()
    assert layer.weight.grad is not None


# --- modes and gradients --------------------------------------------------------------------------


def test_train_and_eval_reach_every_module_and_return_the_module() -> None:
    dropout, norm = nn.Dropout(0.5), nn.BatchNorm(3)
    module = Holder(a=[nn.Sequential(dropout)], b={"x": norm})
    assert module.training and dropout.training and norm.training
    assert module.eval() is module
    assert not (module.training or dropout.training or norm.training)
    dropout.train()
    assert dropout.training and not norm.training
    assert module.train() is module
    assert module.training and dropout.training and norm.training
    assert nn.Module.training is True  # the class is as it was


def test_zero_grad_forgets_all_gradients() -> None:
    net = nn.Sequential(nn.Dense(3, 5), nn.Dense(5, 2))
    net(np.ones((4, 3), np.float32)).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


# --- printing -------------------------------------------------------------------------------------


def test_repr_shows_nested_modules_by_name() -> None:
    module = Holder(first=nn.Dense(3, 5, bias=False), rest=[nn.Sequential(nn.ReLU())])
    assert repr(module) == (
        "Holder(\n"
        "  (first): Dense(3, 5, bias=False)\n"
        "  (rest.0): Sequential(\n"
        "    (layers.0): ReLU()\n"
        "  )\n"
        ")"
    )


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (nn.Dense(3, 5), "Dense(3, 5)"),
        (nn.Conv2D(2, 4, 3), "Conv2D(2, 4, (3, 3))"),
        (
            nn.Conv2D(
                2, 4, (3, 5), stride=(1, 2), padding="FULL", dilation=2, groups=2, bias=False
            ),
            "Conv2D(2, 4, (3, 5), stride=(1, 2), padding='FULL', dilation=(2, 2), groups=2, "
            "bias=False)",
        ),
        (nn.MaxPool2D(2), "MaxPool2D((2, 2))"),
        (nn.AvgPool2D(3, 2, 1), "AvgPool2D((3, 3), stride=(2, 2), padding=1)"),
        (nn.GlobalAvgPool2D(), "GlobalAvgPool2D()"),
        (nn.Flatten(), "Flatten()"),
        (nn.Reshape(4, -1), "Reshape(4, -1)"),
        (nn.Dropout(0.25), "Dropout(0.25)"),
        (nn.BatchNorm(7), "BatchNorm(7)"),
        (nn.LayerNorm((3, 5)), "LayerNorm((3, 5))"),
        (nn.LeakyReLU(0.2), "LeakyReLU(0.2)"),
        (nn.ELU(), "ELU(1.0)"),
        (nn.Softmax(1), "Softmax(axis=1)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_repr_of_layers_can_be_read_back(layer: nn.Module, text: str) -> None:
    assert repr(layer) == text
    assert repr(eval(f"nn.{text}")) == text
