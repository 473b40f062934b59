"""The programs in tests/benchmarks run, and print and write what they say. No time is judged.

Peers that are not installed are left out by the programs themselves, and so here.
"""

import importlib.util
import json
import os

import numpy as np
import pytest

from examples import ways_to_convolve
from tests.benchmarks import (
    article,
    conv_op,
    data_parallel,
    import_time,
    inference,
    nets,
    op_overhead,
    peers,
    ranks,
    report,
    roof,
    train_step,
    turns,
)
from tests.distributed.launch import needs_mpi

TORCH = bool(importlib.util.find_spec("torch"))
JAX = bool(importlib.util.find_spec("jax"))
SCIPY = bool(importlib.util.find_spec("scipy"))
PARAMETERS = {
    "tiny8-16": (9 * 1 + 1) * 8 + (9 * 8 + 1) * 16 + 785 * 10,
    "lenet5": 26 * 6 + (25 * 6 + 1) * 16 + 401 * 120 + 121 * 84 + 85 * 10,
    "keras32-64": 10 * 32 + (9 * 32 + 1) * 64 + 1601 * 10,
    "mlp128": 785 * 128 + 129 * 10,
    "vgg32": 28 * 32 + (9 * 32 + 1) * (32 + 64) + (9 * 64 + 1) * 64 + 4097 * 10,
}


@pytest.fixture(autouse=True)
def short_turns(monkeypatch):
    """One call a turn and no pause."""
    monkeypatch.setattr(turns, "TURN", 0)
    monkeypatch.setattr(turns, "PAUSE", 0)


def rows_of(text, first):
    """The lines under a table's header, which begins with `first`, split at two spaces or more."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(first)) + 2
    rows = []
    for line in lines[start:]:
        if not line:
            break
        rows.append([cell.strip() for cell in line.split("  ") if cell.strip()])
    return rows


def written(path):
    """The results in a file, beside which the machine is named."""
    content = json.loads(path.read_text())
    assert content["machine"]["numpy"].startswith(np.__version__)
    return content["results"]


# --- turns ----------------------------------------------------------------------------------------


class Fake:
    """A competitor whose n-th turn lasts n times its first."""

    ran = ""

    def __init__(self, name, seconds):
        self.name, self.seconds, self.turns = name, seconds, 0

    def turn(self):
        Fake.ran += self.name
        self.turns += 1
        return self.turns * self.seconds


def test_another_one_begins_each_time(monkeypatch):
    monkeypatch.setattr(Fake, "ran", "")
    times = turns.take_turns([Fake("a", 1.0), Fake("b", 10.0), Fake("c", 100.0)], 4)
    assert Fake.ran == "abcbcacababc"
    assert times == {
        name: [s, 2 * s, 3 * s, 4 * s] for name, s in (("a", 1), ("b", 10), ("c", 100))
    }


def test_ratios_are_taken_pair_by_pair():
    """The ratio of the medians would be 3 / 3."""
    assert turns.paired_ratio([2, 3, 8, 4, 1], [1, 3, 2, 4, 10]) == (1, 1, 2)
    assert str(turns.spread([0.5])) == "0.50 [0.50, 0.50]"


def threads_seen():
    """A job that holds 40 MB once and keeps at least 20 of them, if told to take 3 threads."""
    assert os.environ["OMP_NUM_THREADS"] == os.environ["OPENBLAS_NUM_THREADS"] == "3"
    kept = []

    def run():
        passing = np.ones(20_000_000, np.uint8)
        if not kept:
            kept.append(passing.copy())

    return run


def dying():
    raise SystemExit("on purpose")


def test_a_competitor_has_threads_and_memory_of_its_own():
    before = dict(os.environ)
    result = turns.compete({"a": (threads_seen,)}, 2, threads=3)["a"]
    assert os.environ == before
    assert len(result.seconds) == 2
    assert min(result.seconds) > 0
    if os.path.exists("/proc/self/clear_refs"):
        assert 36 < result.peak < 60
        assert 17 < result.growth <= result.peak


def test_a_competitor_that_dies_is_named():
    with pytest.raises(RuntimeError, match="b: its process died"):
        turns.compete({"b": (dying,)}, 1)


# --- networks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("net", nets.NETS)
def test_networks_are_the_same_everywhere(net):
    images, labels = nets.examples(net, 3)
    assert images.shape == (3, *nets.NETS[net][0])
    assert labels.shape == (3,)
    model = nets.minigrad_net(net)
    assert sum(each.size for each in model.parameters()) == PARAMETERS[net]
    assert model(images).shape == (3, 10)
    if TORCH:
        model = nets.torch_net(net)
        assert sum(each.numel() for each in model.parameters()) == PARAMETERS[net]
        for channels_last in (False, True):
            assert model(nets.torch_images(images, channels_last)).shape == (3, 10)
    if JAX:
        parameters, apply = nets.jax_net(net)
        assert sum(each.size for layer in parameters for each in layer) == PARAMETERS[net]
        assert apply(parameters, images).shape == (3, 10)


def test_the_better_format_is_the_one_with_the_smaller_median():
    seconds = {"minigrad": [1, 1, 1], "PyTorch": [5, 5, 1], "PyTorch, channels last": [3, 3, 9]}
    results = {name: turns.Result(values, 0, 0) for name, values in seconds.items()}
    assert peers.better(results, "PyTorch") == "PyTorch, channels last"


@pytest.mark.parametrize("program", [train_step, inference])
def test_nets_against_peers(program, capsys, tmp_path):
    arguments = ["--nets", "mlp128", "--batches", "3", "--rounds", "1"]
    program.main([*arguments, "--json", str(tmp_path / "numbers.json")])
    text = capsys.readouterr().out
    ((net, batch, *cells),) = rows_of(text, "net ")
    assert (net, batch) == ("mlp128", "3")
    assert len(cells) == 4 + 2 * (TORCH + JAX)
    assert all(memory.count("/") == TORCH + JAX for memory in cells[-2:])
    (row,) = written(tmp_path / "numbers.json")
    assert set(row["competitors"]) == set(report.installed(program.JOBS))
    assert list(row["ratios"]) == ["PyTorch"] * TORCH + ["JAX"] * JAX
    for measured in row["competitors"].values():
        assert len(measured["seconds"]) == 1


# --- one convolution ------------------------------------------------------------------------------


def test_a_case_counts_its_sums_and_its_bytes():
    """One image of 7 x 7 x 2, a 3x3 kernel for 5 filters, stride 2: 4 x 4 windows."""
    case = conv_op.Case(1, 7, 3, 2, 2, 5)
    assert case.flops(False) == 2 * 4 * 4 * 5 * (3 * 3 * 2)
    assert case.flops(True) == 3 * case.flops(False)
    image, kernel, output = 4 * 7 * 7 * 2, 4 * 3 * 3 * 2 * 5, 4 * 4 * 4 * 5
    assert case.output_bytes == output
    assert case.bytes(False) == image + kernel + output
    assert case.bytes(True) == 3 * image + 3 * kernel + 2 * output
    out = conv_op.minigrad_conv(case, False)()
    assert out.shape == (1, 4, 4, 5)
    gradients = conv_op.minigrad_conv(case, True)()
    assert [each.shape for each in gradients] == [(1, 7, 7, 2), (3, 3, 2, 5), (5,)]
    if TORCH:
        other = conv_op.torch_conv(case, True, True)()
        for ours, theirs in zip(gradients, other, strict=True):
            theirs = theirs.numpy()
            theirs = theirs if theirs.ndim == 1 else theirs.transpose(CHANNELS_LAST[ours.shape])
            np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-5)


# (N, C, H, W) and (F, C, kh, kw) to our order of axes, by the shape that results
CHANNELS_LAST = {(1, 7, 7, 2): (0, 2, 3, 1), (3, 3, 2, 5): (2, 3, 1, 0)}


def test_the_roof_is_the_larger_of_two_times():
    """100 FLOP/s; 10 bytes/s at 40 bytes and 4 at 100, so 7 at 70."""
    measured = roof.Roof(100, {40: 10, 100: 4})
    assert measured.seconds(500, 30) == (5, "FLOPs")
    assert measured.seconds(500, 70) == (10, "bytes")
    assert measured.seconds(500, 1000) == (250, "bytes")


@pytest.mark.slow
def test_one_convolution(capsys, tmp_path, monkeypatch):
    small = conv_op.Case(2, 7, 3, 2, 2, 5)
    monkeypatch.setattr(conv_op, "CASES", [small])
    monkeypatch.setattr(conv_op, "BATCHES", [small, small._replace(batch=4)])
    monkeypatch.setattr(conv_op, "AREAS", [small, small._replace(side=14)])
    monkeypatch.setattr(conv_op, "LARGE", conv_op.Case(1, 20, 5, 1, 3, 4))
    monkeypatch.setattr(roof, "COPIED", (0.25,))
    monkeypatch.setattr(roof, "PRODUCT_SIDE", 32)
    files = ["--json", str(tmp_path / "numbers.json"), "--plot", str(tmp_path / "scaling.png")]
    conv_op.main(["--rounds", "1", *files])
    text = capsys.readouterr().out
    for title in ("On one thread: product", "As is: product"):
        rows = rows_of(text[text.index(title) :], "images")
        assert [row[:2] for row in rows] == [[str(small), "forward"], [str(small), "and back"]]
        assert {len(row) for row in rows} == {8 + 2 * TORCH}
    scaled = [line for line in text.splitlines() if "1.00 [1.00, 1.00]" in line]
    assert len(scaled) == 2
    assert [row[0] for row in rows_of(text, "library")] == ["minigrad"] + TORCH * [
        "PyTorch",
        "PyTorch, channels last",
    ]
    results = written(tmp_path / "numbers.json")
    assert [len(results[part]) for part in ("cost", "memory")] == [4, 1 + 2 * TORCH]
    assert [row["batch"] for row in results["scaling"]["batches"]] == [2, 4]
    assert [row["side"] for row in results["scaling"]["areas"]] == [7, 14]
    assert (tmp_path / "scaling.png").stat().st_size > 1000


def test_a_plot_needs_the_scaling(capsys):
    with pytest.raises(SystemExit):
        conv_op.main(["--parts", "cost", "--plot", "scaling.png"])
    assert "nothing to draw without --parts scaling" in capsys.readouterr().err


# --- several ranks --------------------------------------------------------------------------------


@needs_mpi
@pytest.mark.slow
def test_steps_shared_by_ranks(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(ranks, "SUMS", [16, 4**9])
    files = ["--json", str(tmp_path / "numbers.json")]
    files += ["--plot", str(tmp_path / "ranks.png")] if TORCH else []
    data_parallel.main(
        ["--nets", "mlp128", "--batches", "3", "--ranks", "3", "--rounds", "1", *files]
    )
    text = capsys.readouterr().out
    ((net, batch, *cells),) = rows_of(text, "net ")
    assert (net, batch) == ("mlp128", "3")
    assert len(cells) == 5 + 2 * TORCH
    assert [row[0] for row in rows_of(text, "ranks")] == ["2", "3"]
    for title in ("64 images per rank", "4,096 images in all"):
        assert len(rows_of(text[text.index(title) :], "net ")) == len(data_parallel.NETWORKS)
    results = written(tmp_path / "numbers.json")
    assert {"1 rank", "3 ranks"} <= set(results["steps"][0]["seconds"])
    assert {len(row["efficiency"]) for row in results["prediction"]} == {10}
    if TORCH:
        assert (tmp_path / "ranks.png").stat().st_size > 1000


@needs_mpi
def test_a_job_that_dies_is_named():
    job = ranks.Job(2, "no such net", 3)
    with pytest.raises(RuntimeError, match="2 ranks: the job died"):
        job.turn()
    job.close()


def test_a_sum_is_one_exchange_or_two():
    """Over 5 ranks: 4 messages of 100 bytes; or of a fifth of 10,000 * 5, twice."""
    link = data_parallel.Link(latency=1.0, overhead=0.25, bandwidth=8.0)
    assert link.seconds(5, 100) == 1 + 4 * 0.25 + 400 / 8
    assert link.seconds(5, 50_000) == 2 * (1 + 4 * 0.25 + 40_000 / 8)


def test_the_link_in_memory_is_the_one_that_was_measured():
    link = data_parallel.Link(3e-6, data_parallel.OVERHEAD, 5e9)
    measured = [link.seconds(2, count) for count in ranks.SUMS]
    np.testing.assert_allclose(data_parallel.link_in_memory(measured), link, rtol=1e-6)


def test_efficiencies():
    """A step of 1 s and 0.5 s an image; each of two sums takes n - 1 s within a machine of 16."""
    work = data_parallel.Work(per_step=1.0, per_image=0.5, gradients=0, handling=3.0)
    memory, network = data_parallel.Link(0, 1, np.inf), data_parallel.Link(0, 2, np.inf)
    by_batch = data_parallel.efficiencies(work, memory, network)
    two, many = 0, data_parallel.RANKS.index(64)
    grown, fixed = by_batch.values()
    assert list(by_batch) == ["64 images per rank", "4,096 images in all"]
    assert grown[two] == pytest.approx(33 / (33 + 3 + 2))
    assert grown[many] == pytest.approx(33 / (33 + 3 + 2 * 63 * 2))
    assert fixed[two] == pytest.approx(2049 / 2 / (1 + 1024 + 3 + 2))


# --- the others -----------------------------------------------------------------------------------


def test_overhead_of_operators(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(op_overhead, "LENGTH", 3)
    op_overhead.main(["--rounds", "2", "--json", str(tmp_path / "numbers.json")])
    rows = rows_of(capsys.readouterr().out, "operator")
    assert [row[0] for row in rows] == list(op_overhead.CHAINS)
    for name, row in written(tmp_path / "numbers.json").items():
        assert ("NumPy" in row) == op_overhead.CHAINS[name].in_numpy
        assert {"minigrad forward", "minigrad backward"} <= set(row)
        assert ("forward ratio" in row) == TORCH


@pytest.mark.parametrize("name", op_overhead.CHAINS)
def test_a_chain_keeps_its_shape_and_agrees_with_numpy(name):
    chain = op_overhead.CHAINS[name]
    library = op_overhead.libraries()["minigrad"]
    x, y, w = arrays = op_overhead.arrays(chain)
    leaves = [library.leaf(array, requires_grad=True) for array in arrays]
    out = chain.step(library, *leaves)
    assert out.shape == x.shape
    if chain.in_numpy:
        np.testing.assert_allclose(out.data, chain.step(op_overhead.NUMPY, x, y, w), rtol=1e-6)


def test_time_of_the_import(capsys, tmp_path):
    import_time.main(["--rounds", "1", "--top", "4", "--json", str(tmp_path / "numbers.json")])
    text = capsys.readouterr().out
    assert [row[0] for row in rows_of(text, "process that")] == ["nothing", "numpy", "minigrad"]
    assert "minigrad beyond numpy: " in text
    assert len(rows_of(text, "after numpy")) == 4
    results = written(tmp_path / "numbers.json")
    modules = {each["module"] for each in results["imports"]}
    assert {"minigrad", "minigrad.engine"} <= modules
    assert "numpy" not in modules
    alone = [each["alone"] for each in results["imports"]]
    assert alone == sorted(alone, reverse=True)


def test_the_articles_convolution(capsys, tmp_path):
    arguments = ["--size", "24", "26", "--rounds", "1"]
    assert article.main([*arguments, "--json", str(tmp_path / "numbers.json")]) == 0
    names = ["loops", "im2col", "minigrad"] + ["scipy.signal"] * SCIPY + ["PyTorch"] * TORCH
    text = capsys.readouterr().out
    assert text.index("give the same map of (24, 26)") < text.index("times as fast")
    assert [row[0] for row in rows_of(text, "way")] == names
    assert list(written(tmp_path / "numbers.json")) == names


def test_of_a_wrong_map_nothing_is_timed(capsys, monkeypatch):
    right = ways_to_convolve.WAYS["im2col"]
    monkeypatch.setitem(ways_to_convolve.WAYS, "im2col", lambda *given: 1.001 * right(*given))
    assert article.main(["--size", "24", "26", "--rounds", "1"]) == 1
    shown = capsys.readouterr()
    assert "im2col differs from loops" in shown.err
    assert "times as fast" not in shown.out


def test_digits():
    assert [report.digits(value) for value in (0.01234, 1.234, 99.94, 1234.5)] == [
        "0.0123",
        "1.23",
        "99.9",
        "1,234",
    ]
