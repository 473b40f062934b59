"""fit and evaluate on several ranks: the same steps as in one process, and what is refused."""

import functools
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import data, distributed, nn, optim, train
from minigrad import functional as F
from minigrad.serialization import load_with_metadata
from minigrad.train import together
from minigrad.train.parts import Parts
from tests.distributed.launch import mpiexec, needs_mpi, on_ranks

SIZES = pytest.mark.parametrize("size", [2, 3])

# 29 images in batches of 7: parts of different sizes, and a last batch of one image, of which only
# one rank has a part. Ten epochs are 50 steps.
ITEMS, BATCH, EPOCHS = 29, 7, 10


def images(count, seed):
    """Not square, with two channels; the label is where the brightest of three corners is."""
    pixels = np.random.default_rng(seed).standard_normal((count, 6, 5, 2))
    return pixels, pixels[:, [0, 0, -1], [0, -1, 0], 0].argmax(axis=1)


def network(*, norm=False, dropout=False, seed=3):
    """A small CNN in float64."""
    mg.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2D(2, 4, (3, 2), bias=not norm),
        *([nn.BatchNorm(4)] if norm else []),
        nn.ReLU(),
        nn.MaxPool2D(2),
        *([nn.Dropout(0.3), nn.Dropout(0.2, np.random.default_rng(seed))] if dropout else []),
        nn.Flatten(),
        nn.Dense(24, 3),
    )
    return distributed.convert_sync_batchnorm(model).astype(np.float64)


def loader_of(count, batch, pixels, **options):
    return data.DataLoader(
        images(count, pixels), batch, sampler=distributed.DistributedSampler(), **options
    )


SCHEDULES = {
    "one cycle": lambda optimizer: optim.OneCycleLR(optimizer, 0.02, EPOCHS * 5),
    "plateau": lambda optimizer: optim.ReduceLROnPlateau(optimizer, patience=0, threshold=0.5),
}


def run(model, *, schedule="one cycle", kind=optim.Adam, **options):
    """Train; what there is to say about it, as named arrays."""
    loader = loader_of(ITEMS, BATCH, 0, shuffle=True, seed=4)
    optimizer = distributed.DistributedOptimizer(kind(model.parameters(), lr=0.01))
    options = {
        "epochs": EPOCHS,
        # 11 images in batches of 5: the last one is of one, too
        "validation": loader_of(11, 5, 1),
        "scheduler": SCHEDULES[schedule](optimizer),
        "progress": False,
        **options,
    }
    history = train.fit(model, loader, optimizer, **options)
    records = [{k: v for k, v in record.items() if k != "seconds"} for record in history.epochs]
    return {
        **{f"model {name}": array for name, array in model.state_dict().items()},
        **{f"optimizer {name}": array for name, array in optimizer.state_dict().items()},
        **{f"history {name}": [r[name] for r in records] for name in records[0]},
        "random": json.dumps(mg.random.get_state()),
    }


CASES = {
    "cnn": lambda: run(network()),
    "plateau": lambda: run(network(), schedule="plateau", kind=optim.RMSprop),
    "norm": lambda: run(network(norm=True)),
}
WITH_MASKS = {"dropout": lambda: run(network(dropout=True, norm=True))}


def all_cases():
    """On a rank, or in this process."""
    cases = CASES | (WITH_MASKS if distributed.size() > 1 else {})
    results = {case: make() for case, make in cases.items()}
    return {f"{case} {name}": a for case, result in results.items() for name, a in result.items()}


@functools.cache
def cases_on_ranks(size, attempt):
    return on_ranks(size, all_cases)


def check_close(found, expected, **tolerance):
    for name, array in expected.items():
        if name.endswith("random"):
            assert str(found[name]) == array, name
        else:
            np.testing.assert_allclose(found[name], array, err_msg=name, **tolerance)


@needs_mpi
@SIZES
def test_n_ranks_take_the_steps_of_one_process(size):
    expected = all_cases()
    assert expected["cnn history loss"][-1] < 0.6 * expected["cnn history loss"][0]
    found = cases_on_ranks(size, 0)[0]
    assert {name for name in found if not name.startswith("dropout")} == expected.keys()
    check_close(found, expected, rtol=0, atol=1e-9)


@needs_mpi
@SIZES
def test_all_ranks_have_the_same_bits_and_so_has_every_run(size):
    first, *others = [*cases_on_ranks(size, 0), *cases_on_ranks(size, 1)]
    assert any(name.startswith("dropout") for name in first)
    for other in others:
        assert other.keys() == first.keys()
        for name, array in first.items():
            assert array.dtype == other[name].dtype
            assert array.tobytes() == other[name].tobytes(), name


def test_alone_what_is_shared_changes_no_bit():
    shared = run(network(dropout=True))
    model = network(dropout=True)
    loader = data.DataLoader(images(ITEMS, 0), BATCH, shuffle=True, seed=4)
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    schedule = SCHEDULES["one cycle"](optimizer)
    validation = data.DataLoader(images(11, 1), 5)
    train.fit(
        model,
        loader,
        optimizer,
        epochs=EPOCHS,
        scheduler=schedule,
        validation=validation,
        progress=False,
    )
    for name, array in model.state_dict().items():
        assert array.tobytes() == shared[f"model {name}"].tobytes()


def test_alone_no_mpi_is_loaded():
    program = (
        "import sys, tests.test_train_together as t\n"
        "t.run(t.network(), epochs=1)\n"
        "assert not any(name.startswith('mpi4py') for name in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[1], check=True)


# --- evaluate -------------------------------------------------------------------------------------


def evaluated():
    """A shared loader, one that is not, and a loss without metric."""
    model, shared = network(norm=True, dropout=True), loader_of(11, 5, 1)
    whole = data.DataLoader(images(11, 1), 5)
    one_part = train.evaluate(model, whole) if distributed.rank() == 0 else {}
    return {
        **train.evaluate(model, shared),
        **{f"whole {name}": value for name, value in train.evaluate(model, whole).items()},
        **{f"alone {name}": value for name, value in one_part.items()},
        "only loss": train.evaluate(model, shared, metric=None)["loss"],
    }


@needs_mpi
@SIZES
def test_evaluation_is_shared_and_exact(size):
    results, expected = on_ranks(size, evaluated), evaluated()
    for result in results:
        for name in ("loss", "accuracy", "only loss"):
            assert result[name] == pytest.approx(expected[name], rel=1e-13)
            assert result[name] == results[0][name]
        assert result["whole loss"] == expected["whole loss"]
    assert results[0]["alone loss"] == expected["whole loss"] and "alone loss" not in results[1]


class EachItsOwn:
    """Held-out batches of which every rank has others; after the first epoch, worse ones."""

    def __init__(self, factor):
        self.factors = iter([1.0, factor, factor])

    def __iter__(self):
        pixels, labels = images(11, distributed.rank())
        yield mg.Tensor(pixels * next(self.factors)), mg.Tensor(labels)


def with_results_of_their_own():
    """Which must not have ranks choose other learning rates, or one of them diverge alone."""
    results = {}
    for name, factor in (("worse", 1e3), ("nan", np.nan)):
        validation = EachItsOwn(factor if distributed.rank() == 1 else 0.5)
        found = run(network(), schedule="plateau", epochs=3, validation=validation)
        results |= {f"{name} {key}": array for key, array in found.items()}
    return results


@needs_mpi
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_of_held_out_data_that_are_not_shared_rank_0_decides():
    first, second = on_ranks(2, with_results_of_their_own)
    for name, array in first.items():
        assert array.tobytes() == second[name].tobytes(), name
    assert np.isfinite(first["nan history test_loss"]).all()


# --- random streams -------------------------------------------------------------------------------


def draws():
    """Numbers of every stream before, in, and after an epoch."""
    model = network(dropout=True)
    mersenne = np.random.Generator(np.random.MT19937(5))
    model.layers.append(nn.Dropout(0.5, mersenne))
    model.layers.append(nn.Dropout(0.5, mersenne))  # a stream in two places
    parts = Parts(model, None, None, None)
    streams = [mg.random.generator(), *parts.generators().values()]
    results = {"before": [stream.random() for stream in streams]}
    together.part_random_streams(parts)
    results["in it"] = [stream.random() for stream in streams]
    if distributed.rank() == 1:
        streams[0].random(7)
    together.join_random_streams(parts)
    return {**results, "after": [stream.random() for stream in streams]}


@needs_mpi
def test_ranks_draw_different_numbers_in_an_epoch_and_go_on_with_those_of_rank_0():
    results, alone = on_ranks(3, draws), draws()
    for result in results:
        np.testing.assert_array_equal(result["before"], alone["before"])
        np.testing.assert_array_equal(result["after"], alone["after"])
    np.testing.assert_array_equal(results[0]["in it"], alone["in it"])
    for stream in range(len(alone["in it"])):
        assert len({float(result["in it"][stream]) for result in results}) == 3


def states_in_training():
    """Of the library's generator at every loss of an epoch, and of held-out data."""
    states = []

    def loss_fn(outputs, targets):
        states.append(json.dumps(mg.random.get_state()))
        return F.cross_entropy(outputs, targets)

    run(network(dropout=True), epochs=1, loss_fn=loss_fn, schedule="plateau")
    return {"training": states[:4], "held out": states[-1]}


@needs_mpi
def test_masks_differ_from_rank_to_rank():
    first, second = on_ranks(2, states_in_training)
    assert not set(first["training"]) & set(second["training"])
    assert first["held out"] == second["held out"]


# --- checkpoints ----------------------------------------------------------------------------------


def go_on(path, epochs, dropout):
    """Train up to an epoch, from a checkpoint if there is one. Then draw, as a caller might."""
    model = network(dropout=dropout, seed=3 if not Path(path).exists() else 7)
    return run(model, epochs=epochs, checkpoint=path, resume=True)


def checkpoint_of(path):
    arrays, metadata = load_with_metadata(path)
    rest = json.loads(metadata["minigrad"])
    for record in rest["epochs"]:
        del record["seconds"]
    return arrays, rest


@needs_mpi
def test_resuming_is_bit_for_bit_the_uninterrupted_run(tmp_path):
    whole = on_ranks(2, go_on, str(tmp_path / "whole"), EPOCHS, True)
    on_ranks(2, go_on, str(tmp_path / "parts"), 4, True)
    resumed = on_ranks(2, go_on, str(tmp_path / "parts"), EPOCHS, True)
    for rank in range(2):
        for name, array in whole[rank].items():
            assert array.tobytes() == resumed[rank][name].tobytes(), name
    (arrays, rest), (same_arrays, same_rest) = map(
        checkpoint_of, (tmp_path / "whole", tmp_path / "parts")
    )
    assert rest == same_rest
    for name, array in arrays.items():
        assert array.tobytes() == same_arrays[name].tobytes()


@needs_mpi
def test_resuming_with_another_number_of_ranks(tmp_path):
    """2, then 3, then one process: all the same."""
    path = str(tmp_path / "run")
    on_ranks(2, go_on, path, 3, False)
    results = on_ranks(3, go_on, path, 6, False)
    assert results[2]["history epoch"].tolist() == [1, 2, 3, 4, 5, 6]
    check_close(go_on(path, EPOCHS, False), run(network()), rtol=0, atol=1e-9)
    run(network(), checkpoint=tmp_path / "alone")
    (arrays, rest), (expected, expected_rest) = map(checkpoint_of, (path, tmp_path / "alone"))
    assert arrays.keys() == expected.keys()
    for name, array in arrays.items():
        assert array.dtype == expected[name].dtype
        np.testing.assert_allclose(array, expected[name], rtol=0, atol=1e-9)
    assert rest.keys() == expected_rest.keys()
    for record, expected_record in zip(
        rest.pop("epochs"), expected_rest.pop("epochs"), strict=True
    ):
        assert record == pytest.approx(expected_record, rel=0, abs=1e-9)
    assert rest.pop("scheduler") == pytest.approx(expected_rest.pop("scheduler"))
    assert rest == expected_rest  # the loader's epoch and seed, random states, settings


def wait_for_a_slow_disk(folder):
    """What is there when fit returns."""
    path, save, saved = Path(folder, "run"), train.checkpoints.save, []

    def save_slowly(*arguments, **options):
        time.sleep(0.5)
        saved.append(path)
        save(*arguments, **options)

    train.checkpoints.save = save_slowly
    run(network(), epochs=1, checkpoint=path)
    return {"there": path.exists(), "saved": len(saved)}


@needs_mpi
def test_when_fit_returns_the_checkpoint_is_there_for_all(tmp_path):
    results = on_ranks(2, wait_for_a_slow_disk, str(tmp_path))
    assert all(result["there"] for result in results)
    assert [result["saved"] for result in results] == [1, 0]


# --- divergence -----------------------------------------------------------------------------------


def diverging():
    """Scores that are nan for what is in one rank's part alone; of held-out data as well."""
    bad = images(BATCH * 2, 0)
    bad[0][-1] = np.nan  # the last rank's, in the second step
    results = {}
    good = images(BATCH * 2, 0)
    held_out = data.DataLoader(bad, BATCH, sampler=distributed.DistributedSampler())
    for name, training, validation in (("step", bad, None), ("end", good, held_out)):
        model = network(dropout=True)
        before = model.state_dict()
        loader = data.DataLoader(training, BATCH, sampler=distributed.DistributedSampler())
        optimizer = distributed.DistributedOptimizer(optim.SGD(model.parameters(), lr=0.01))
        with pytest.raises(train.Diverged) as caught:
            train.fit(model, loader, optimizer, epochs=2, validation=validation, progress=False)
        results[name] = str(caught.value)
        state = model.state_dict()
        results[f"{name} weights"] = all((state[k] == before[k]).all() for k in before)
        results[f"{name} random"] = json.dumps(mg.random.get_state())
    return results


@needs_mpi
@SIZES
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_diverges_on_one_rank_diverges_on_all(size):
    results = on_ranks(size, diverging)
    assert "fit: the loss is nan in step 2 of epoch 1" in str(results[0]["step"])
    assert "fit: the held-out loss is nan at the end of epoch 1" in str(results[0]["end"])
    for result in results:
        assert {name: str(value) for name, value in result.items()} == {
            name: str(value) for name, value in results[0].items()
        }
        assert result["step weights"] and result["end weights"]


def failing():
    """A loss that one rank cannot compute, in the middle of an epoch."""
    calls = iter(range(100))

    def loss_fn(outputs, targets):
        if distributed.rank() == 1 and next(calls) == 3:
            raise ValueError("rank 1 cannot")
        return F.cross_entropy(outputs, targets)

    return run(network(), loss_fn=loss_fn)


@needs_mpi
def test_an_error_in_one_rank_ends_all():
    code, _, err = mpiexec(
        3, sys.executable, "-c", "import tests.test_train_together as t; t.failing()"
    )
    assert code == 1
    assert err.count("rank 1 cannot\nThis ends the job.") == err.count("Traceback") == 1


# --- ranks that disagree --------------------------------------------------------------------------


def odd(value, otherwise):
    """The first on rank 1, the other on the others."""
    return value if distributed.rank() == 1 else otherwise


def changed(array):
    array[2, 3, 1, 1] += odd(1, 0)
    return array


class Case:
    """A run that is in order; each case changes one thing of it on rank 1."""

    def __init__(self):
        self.model = network(dropout=True)
        self.images, self.labels = images(ITEMS, 0)
        self.held_out = images(11, 1)
        self.loader_options = {"shuffle": True, "seed": 4}
        self.batch = BATCH
        self.sampler = distributed.DistributedSampler()
        self.inner = optim.Adam
        self.lr = 0.01
        self.wrap = distributed.DistributedOptimizer
        self.schedule = None
        self.options = {"epochs": 1, "progress": False}

    def fit(self):
        loader = data.DataLoader(
            (self.images, self.labels), self.batch, sampler=self.sampler, **self.loader_options
        )
        optimizer = self.wrap(self.inner(self.model.parameters(), lr=self.lr))
        validation = data.DataLoader(
            self.held_out, 5, sampler=odd(self.held_out_sampler, distributed.DistributedSampler())
        )
        scheduler = self.schedule and self.schedule(optimizer)
        return train.fit(
            self.model,
            loader,
            optimizer,
            validation=validation,
            scheduler=scheduler,
            **self.options,
        )

    held_out_sampler = None


def change(case, name, folder):
    """One thing, on rank 1."""
    match name:
        case "model":
            case.model = network(dropout=True, norm=odd(True, False))
        case "shape":
            case.model.layers[0] = odd(nn.Conv2D(2, 4, (2, 3)), nn.Conv2D(2, 4, (3, 2)))
        case "weights":
            case.model.layers[-1].bias.data[1] += odd(1e-12, 0)
        case "data":
            changed(case.images)
        case "labels":
            case.labels = case.labels[:: odd(-1, 1)]
        case "held-out data":
            changed(case.held_out[0])
        case "loader's seed":
            case.loader_options["seed"] = odd(7, 4)
        case "batch size":
            case.batch = odd(8, 7)
        case "order":
            case.loader_options["shuffle"] = odd(False, True)
        case "seed":
            mg.manual_seed(odd(7, 0))
        case "dropout's seed":
            case.model.layers[4].rng.random(odd(1, 0))
        case "optimizer":
            case.inner = odd(optim.RMSprop, optim.Adam)
        case "learning rate":
            case.lr = odd(0.02, 0.01)
        case "scheduler":
            case.schedule = odd(SCHEDULES["one cycle"], SCHEDULES["plateau"])
        case "schedule":
            case.schedule = lambda o: optim.StepLR(o, odd(3, 2))
        case "epochs":
            case.options["epochs"] = odd(2, 1)
        case "metric":
            case.options["metric"] = odd(None, train.accuracy)
        case "checkpoint":
            case.options |= {"checkpoint": odd(None, folder / "new")}
        case "kept":
            path = folder / odd("nowhere", "run")
            case.options |= {"checkpoint": path, "resume": True, "epochs": 4}
    return case


DISAGREEMENTS = {
    "model": "the model's parameters: 127 on ranks 0 and 2, 131 on rank 1; every rank must make",
    "shape": "the model's layers.0.kernel: 'float32 (3, 2, 2, 4)' on ranks 0 and 2, 'float32 (2, 3",
    "weights": "layers.6.bias: float64 of shape (3,) with checksum ",
    "data": "array 0 of the data: float64 of shape (29, 6, 5, 2) with checksum ",
    "labels": "array 1 of the data: int64 of shape (29,) with checksum ",
    "held-out data": "array 0 of the held-out data: float64 of shape (11, 6, 5, 2) with checksum ",
    "held-out sampler": "the sampler of the held-out data: True on ranks 0 and 2, False on rank 1;",
    "loader's seed": "the loader's seed: 4 on ranks 0 and 2, 7 on rank 1; give the DataLoader of",
    "batch size": "the loader's batch_size: 7 on ranks 0 and 2, 8 on rank 1",
    "order": "the loader's shuffle: True on ranks 0 and 2, False on rank 1",
    "seed": "the library's random state: 'checksum ",
    "dropout's seed": "the random state of layers.4.rng: 'checksum ",
    "optimizer": "the optimizer: 'Adam' on ranks 0 and 2, 'RMSprop' on rank 1; every rank must",
    "learning rate": "Adam.lr: 0.01 on ranks 0 and 2, 0.02 on rank 1",
    "scheduler": "the scheduler: 'ReduceLROnPlateau' on ranks 0 and 2, 'OneCycleLR' on rank 1",
    "schedule": "the scheduler's step_size: 2 on ranks 0 and 2, 3 on rank 1",
    "epochs": "epochs: 1 on ranks 0 and 2, 2 on rank 1",
    "metric": "the metric: 'accuracy' on ranks 0 and 2, None on rank 1",
    "checkpoint": "keeping a checkpoint: True on ranks 0 and 2, False on rank 1",
    "kept": "the epochs in the checkpoint: 1 on ranks 0 and 2, 0 on rank 1; it must be in a folder",
}
WAYS_OUT = {
    "weights": "models made with different seeds do; call manual_seed(seed) with the same seed on "
    "every rank, or distributed.broadcast_parameters(model)",
    "data": "load the same data on every rank; the sampler takes each one's part",
    "loader's seed": "or call manual_seed(seed) with the same seed before it draws one",
    "seed": "call manual_seed(seed), or make the generator, with the same seed on every rank",
}

REFUSED = {
    "whole batches": "fit: 3 ranks train together, but the loader does not serve this rank's part "
    "of every batch; make it with DataLoader(..., sampler=distributed.DistributedSampler())",
    "another's part": "fit: 3 ranks train together, but the loader does not serve this rank's part",
    "plain optimizer": "fit: 3 ranks train together, but Adam does not average their gradients; "
    "give distributed.DistributedOptimizer(optimizer), also to the scheduler",
    "plain norm": "fit: 3 ranks train together, but layers.1 is a BatchNorm, which would normalise "
    "each rank's part by itself; distributed.convert_sync_batchnorm(model)",
    "own norm": "fit: 3 ranks train together, but layers.1 is a OwnNorm, which would normalise "
    "each rank's part by itself; derive its class from distributed.SyncBatchNorm",
    "stream": "fit: 3 ranks train together, but layers.4.rng draws from SFC64, which cannot give",
}


class OwnNorm(nn.BatchNorm):
    """Not told to look at other ranks."""


def refusals(folder):
    """What fit says in every case, and that all are in step afterwards."""
    folder, results = Path(folder), {}
    case = Case()
    case.options["checkpoint"] = folder / "run"
    case.held_out_sampler = distributed.DistributedSampler()
    case.fit()
    for name in DISAGREEMENTS:
        case = Case()
        if name != "held-out sampler":
            case.held_out_sampler = distributed.DistributedSampler()
        change(case, name, folder)
        before = case.model.state_dict()
        try:
            case.fit()
        except ValueError as error:
            results[name] = str(error)
        state = case.model.state_dict()
        results[f"{name} unchanged"] = all((state[k] == before[k]).all() for k in before)
    for name in REFUSED:
        case = Case()
        case.held_out_sampler = distributed.DistributedSampler()
        if name == "whole batches":
            case.sampler = None
        elif name == "another's part":
            case.sampler = distributed.DistributedSampler(0, 2)
        elif name == "plain optimizer":
            case.wrap = lambda optimizer: optimizer
        elif name == "plain norm":
            case.model.layers.insert(1, nn.BatchNorm(4))
        elif name == "own norm":
            case.model.layers.insert(1, OwnNorm(4))
        else:
            case.model.layers[4].rng = np.random.Generator(np.random.SFC64(0))
        try:
            case.fit()
        except ValueError as error:
            results[name] = str(error)
    results["in step"] = distributed.sum_over_ranks(np.ones(1))
    return results


@pytest.fixture(scope="module")
def refused(tmp_path_factory):
    results = on_ranks(3, refusals, str(tmp_path_factory.mktemp("run")))
    for result in results:
        assert result["in step"] == 3
        for name, text in result.items():
            assert str(text) == str(results[0][name])
    return {name: str(text) for name, text in results[0].items()}


@needs_mpi
@pytest.mark.parametrize("name", DISAGREEMENTS)
def test_what_ranks_disagree_on_is_named_by_all(refused, name):
    assert refused[name].startswith("fit: ranks disagree on " + DISAGREEMENTS[name])
    assert refused[name].endswith(WAYS_OUT.get(name, ""))
    assert refused[f"{name} unchanged"] == "True"


@needs_mpi
@pytest.mark.parametrize("name", REFUSED)
def test_parts_that_are_not_shared_are_refused_with_the_way_out(refused, name):
    assert refused[name].startswith(REFUSED[name])
