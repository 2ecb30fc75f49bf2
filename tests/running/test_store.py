"""A store is whole at any moment, and a run goes on from it as if it had never been interrupted."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fhl_ppl import Until, open_store, summary
from fhl_ppl.runs import kept
from fhl_ppl.runs import store as stores
from fhl_ppl.runs.blocks import run_in_blocks
from fhl_ppl.runs.kept import Kept
from fhl_ppl.runs.lock import locked
from fhl_ppl.runs.progress import Line
from fhl_ppl.runs.store import Store
from tests.conftest import importorskip
from tests.running.fake import FakeSampling

importorskip("arviz")
importorskip("zarr")
xarray = importorskip("xarray")

DRAWS = 300


def ran(path, *, draws=DRAWS, callback=None, keep=True, sampling=None, block=50, until=None):
    """Run in blocks with a store and return the fake that did."""
    sampling = FakeSampling(memory=0.5) if sampling is None else sampling
    drawn = Kept(sampling, path and Store(path), block, keep)
    until = Until(draws=draws) if until is None else until
    sampling.status = run_in_blocks(sampling, until, callback, block, drawn, Line(False))
    return sampling


@pytest.fixture(scope="module")
def undisturbed():
    return ran(None).published[-1]


@pytest.fixture(autouse=True)
def _write_every_block(monkeypatch):
    monkeypatch.setattr(kept, "PATIENCE", 0)


def in_store(path):
    tree = xarray.open_datatree(path, engine="zarr")
    return tree["posterior"]["x"].values, tree["sample_stats"]["lp"].values


def test_what_is_written_is_what_was_drawn(tmp_path, undisturbed):
    sampling = ran(tmp_path / "run")
    x, lp = in_store(tmp_path / "run")
    np.testing.assert_array_equal(sampling.published[-1], undisturbed)
    np.testing.assert_array_equal(x, undisturbed)
    np.testing.assert_array_equal(lp, -(undisturbed**2) / 2)
    data = open_store(tmp_path / "run")
    np.testing.assert_array_equal(data["posterior"]["group"], sampling.group)
    np.testing.assert_array_equal(data["posterior"]["draw"], np.arange(DRAWS))
    assert data["posterior"].attrs["sampler"] == "fake"
    assert "ess_group" in summary(data, show=False)
    assert (np.load(next(tmp_path.glob("run/state-*.npz")), allow_pickle=False)["x"]).shape == (8,)


def test_it_opens_at_any_moment_with_the_draws_so_far(tmp_path):
    seen = []

    def callback(status):
        x, lp = in_store(tmp_path)
        alone = xarray.open_zarr(tmp_path, group="posterior").sizes["draw"]
        seen.append((status.draws, x.shape[1], lp.shape[1], alone))

    ran(tmp_path, callback=callback)
    assert seen == [(n, n, n, n) for n in range(50, DRAWS + 1, 50)]


def test_a_run_that_is_there_is_not_drawn_again(tmp_path, undisturbed):
    ran(tmp_path)
    again = ran(tmp_path)
    assert (again.lengths, again.warmups) == ([], [])
    np.testing.assert_array_equal(again.published[-1], undisturbed)
    longer = ran(tmp_path, draws=DRAWS + 40)
    assert longer.lengths == [40]
    np.testing.assert_array_equal(longer.published[-1], ran(None, draws=340).published[-1])


def test_the_target_counts_what_is_there(tmp_path):
    first = ran(tmp_path, until=Until(ess=300))
    again = ran(tmp_path, until=Until(ess=300))
    assert first.status.stopped == again.status.stopped == "target"
    assert again.lengths == []
    assert again.status.draws == first.status.draws


class Crash(Exception):
    pass


def steps(monkeypatch, crash_at):
    """Count all that is done to the disk, and crash at step number `crash_at`."""
    count = [0]

    def counted(function):
        def step(*args, **kwargs):
            count[0] += 1
            # As of a process that was killed, nothing comes after it.
            if count[0] >= crash_at:
                raise Crash
            return function(*args, **kwargs)

        return step

    import zarr
    from zarr.storage import LocalStore

    monkeypatch.setattr(LocalStore, "set", counted(LocalStore.set))
    monkeypatch.setattr(zarr.Array, "append", counted(zarr.Array.append))
    monkeypatch.setattr(stores.os, "replace", counted(os.replace))
    monkeypatch.setattr(stores.np, "savez", counted(np.savez))
    return count


def check_crashes(tmp_path, monkeypatch, undisturbed, every):
    """Crash at one step after another; each time all that was committed is whole."""
    at, crashes = 1, 0
    while True:
        path = tmp_path / str(at)
        with monkeypatch.context() as patch:
            steps(patch, at)
            try:
                ran(path)
            except (Crash, FileNotFoundError):
                # Zarr's threads may go on for a moment, and miss what has just been removed.
                crashes += 1
            else:
                return crashes
        # Zarr's threads go on with what they write there: of a process that was killed none does.
        path = path.rename(tmp_path / f"{at} after the crash")
        safe = Store(path).draws
        if safe:
            x, lp = in_store(path)
            np.testing.assert_array_equal(x, undisturbed[:, :safe])
            assert lp.shape == x.shape
        again = ran(path)
        assert sum(again.lengths) == DRAWS - safe
        np.testing.assert_array_equal(again.published[-1], undisturbed)
        np.testing.assert_array_equal(in_store(path)[0], undisturbed)
        at += every


def test_a_crash_at_any_step_leaves_it_whole(tmp_path, monkeypatch, undisturbed):
    assert check_crashes(tmp_path, monkeypatch, undisturbed, every=29) > 5


@pytest.mark.slow
def test_a_crash_at_every_step_leaves_it_whole(tmp_path, monkeypatch, undisturbed):
    assert check_crashes(tmp_path, monkeypatch, undisturbed, every=1) > 100


def test_a_commit_in_two_parts_would_be_seen(tmp_path, monkeypatch, undisturbed):
    """Broken on purpose: the state is replaced before the draws are written."""

    def write(self, blocks, state, *rest, real=Store.write):
        if self.found is not None:
            after = {stores._AFTER: self.draws + stores._length(blocks)}
            np.savez(self.path / self.found["state"], **{**state, **after})
        real(self, blocks, state, *rest)

    monkeypatch.setattr(Store, "write", write)
    with pytest.raises(ValueError, match=r"is damaged: its state-.*it is that after"):
        check_crashes(tmp_path, monkeypatch, undisturbed, every=29)


def test_a_full_disk_is_an_error_with_the_last_block_intact(tmp_path, monkeypatch, undisturbed):
    import zarr

    def full(self, *args, real=zarr.Array.append, **kwargs):
        if self.shape[-1] >= 150:
            raise OSError(28, "No space left on device")
        return real(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(zarr.Array, "append", full)
        sampling = FakeSampling(memory=0.5)
        with pytest.raises(OSError, match=r"\(No space.*its 150 draws of each"):
            ran(tmp_path, sampling=sampling)
    # In memory there is the block, too.
    np.testing.assert_array_equal(sampling.published[-1], undisturbed[:, :200])
    np.testing.assert_array_equal(in_store(tmp_path)[0], undisturbed[:, :150])
    np.testing.assert_array_equal(ran(tmp_path).published[-1], undisturbed)


def test_without_draws_in_memory(tmp_path, undisturbed):
    sampling = ran(tmp_path, keep=False)
    assert sampling.published[-1] is None
    np.testing.assert_array_equal(in_store(tmp_path)[0], undisturbed)
    target = ran(tmp_path, keep=False, until=Until(ess=1500, draws=3000))
    assert target.status.stopped == "target"


@pytest.mark.slow
def test_memory_does_not_grow(tmp_path):
    """A process of its own, since what a test process has used before hides what is used now."""
    code = f"""
import resource, sys
from fhl_ppl.runs import kept
from tests.running.test_store import ran
kept.MOST_BYTES = 2**21
def rss():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
seen = []
ran({str(tmp_path)!r}, draws=200_000, block=2000, keep=False, callback=lambda s: seen.append(rss()))
print(seen[-1] / seen[len(seen) // 4])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(run.stdout) < 1.05


def test_several_short_blocks_are_written_together(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "PATIENCE", 1e9)
    writes = []
    monkeypatch.setattr(
        Store, "write", lambda *args, real=Store.write: writes.append(1) or real(*args)
    )
    ran(tmp_path)
    assert len(writes) == 2
    assert in_store(tmp_path)[0].shape[1] == DRAWS
    monkeypatch.setattr(kept, "MOST_BYTES", 10_000)
    ran(tmp_path, draws=2 * DRAWS)
    assert len(writes) > 5


def test_all_that_differs_is_named(tmp_path):
    ran(tmp_path)
    other = FakeSampling(num_chains=4, memory=0.9)
    with pytest.raises(ValueError, match=r"num_chains was 8 and is 4; memory was 0.5 and is 0.9\."):
        ran(tmp_path, sampling=other)


def test_other_formats_and_other_things_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "FORMAT", 2)
    ran(tmp_path / "future")
    with pytest.raises(ValueError, match="has format 2, and only 1 can be read"):
        Store(tmp_path / "future")
    (tmp_path / "file").write_text("text")
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    for name in ("file", "folder"):
        with pytest.raises(ValueError, match=r"is there and was not made by fhl_ppl.run"):
            Store(tmp_path / name)
    with pytest.raises(ValueError, match=r"there is no store at .*nothing"):
        open_store(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no draws yet"):
        open_store(tmp_path / "empty")


class Sites(FakeSampling):
    """Also draws `more`, [chain, ...] by name."""

    def __init__(self, **more):
        super().__init__(memory=0.5)
        self.more = {name: np.zeros((8, *shape)) for name, shape in more.items()}

    def sites(self):
        return {**super().sites(), **self.more}

    def draw(self, count, stop):
        block = super().draw(count, stop)
        more = {k: np.repeat(v[:, None], block.length, axis=1) for k, v in self.more.items()}
        return block._replace(posterior={**block.posterior, **more})


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a/b", 'where "/" parts groups; give it another name'),
        ("chain", "where that is a coordinate of all draws"),
        ("draw", "coordinate of all draws"),
        ("group", "coordinate of all draws"),
        ("still_dim_0", "where that is a coordinate of 'still'"),
        ("..", "no name of an array"),
        ("__a", "no name of an array"),
        ("", "no name of an array"),
    ],
)
def test_names_that_a_store_cannot_have_are_refused_at_the_start(tmp_path, name, why):
    sampling = Sites(**{name: ()})
    with pytest.raises(
        ValueError, match=f"draws of the site {name!r} cannot be in a store, .*{why}"
    ):
        ran(tmp_path, sampling=sampling)
    assert sampling.warmups == sampling.lengths == []


def test_odd_names_and_what_has_no_entries_are_stored(tmp_path):
    odd = {"a.b": (2,), "c d": (), "#0": (), "other_dim_0": (), "none": (0,), "so": (2, 0)}
    for draws in (100, DRAWS):
        again = ran(tmp_path, sampling=Sites(**odd), draws=draws)
    assert again.status.draws == DRAWS
    posterior = open_store(tmp_path)["posterior"]
    for name, shape in odd.items():
        assert posterior[name].shape == (8, DRAWS, *shape)


def test_other_sites_on_going_on_are_refused(tmp_path):
    ran(tmp_path, sampling=Sites(sum=(2,)), draws=100)
    for other in ({}, {"sum": (3,)}, {"sum": (2,), "more": ()}):
        with pytest.raises(ValueError, match=r"of another run: drawn was .*'sum': .* and is"):
            ran(tmp_path, sampling=Sites(**other))


def test_what_cannot_be_tidied_up_is_left(tmp_path, undisturbed):
    ran(tmp_path, draws=100)
    (tmp_path / "state-old").mkdir()
    assert ran(tmp_path).status.stopped == "draws"
    np.testing.assert_array_equal(in_store(tmp_path)[0], undisturbed)


def test_what_was_written_before_an_interrupt_is_not_written_again(
    tmp_path, monkeypatch, undisturbed
):
    def write(self, *args, real=Store.write):
        real(self, *args)
        if self.draws == 150:
            monkeypatch.undo()
            raise KeyboardInterrupt

    monkeypatch.setattr(Store, "write", write)
    assert ran(tmp_path).status.stopped == "interrupt"
    np.testing.assert_array_equal(in_store(tmp_path)[0], undisturbed[:, :150])
    ran(tmp_path)
    np.testing.assert_array_equal(in_store(tmp_path)[0], undisturbed)


@pytest.mark.parametrize(
    "wrong",
    [
        {"draws": -3},
        {"draws": "x"},
        {"number": None},
        {"number": -1},
        {"state": [1]},
        {"identity": [1]},
        {"gradients": "x"},
    ],
)
def test_an_entry_of_other_types_is_damage(tmp_path, wrong):
    ran(tmp_path, draws=100)
    edit(tmp_path, **wrong)
    for read in (ran, open_store):
        with pytest.raises(ValueError, match=r"was not made by fhl_ppl.run, or is damaged"):
            read(tmp_path)


def test_a_state_of_other_draws_is_damage(tmp_path):
    ran(tmp_path, draws=100)
    edit(tmp_path, draws=50)
    with pytest.raises(ValueError, match="it is that after 100 draws, not after 50"):
        ran(tmp_path)


def test_a_state_that_lacks_a_part_is_damage(tmp_path):
    ran(tmp_path, draws=100)
    (file,) = tmp_path.glob("state-*.npz")
    np.savez(file, **{stores._AFTER: 100})
    with pytest.raises(ValueError, match="is damaged: its state has no "):
        ran(tmp_path)


def edit(path, **wrong):
    """Change by hand what the store says of itself."""
    file = path / "zarr.json"
    about = json.loads(file.read_text())
    entry = json.loads(about["attributes"]["fhl_ppl_run"])
    about["attributes"]["fhl_ppl_run"] = json.dumps({**entry, **wrong})
    file.write_text(json.dumps(about))


def test_a_path_in_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("text")
    with pytest.raises(
        OSError, match=r"the store .*file/inner' cannot be made \(Not a directory\)"
    ):
        locked(tmp_path / "file" / "inner").__enter__()


def test_a_state_that_is_pickled_is_not_read(tmp_path):
    ran(tmp_path)
    (file,) = tmp_path.glob("state-*.npz")
    np.savez(file, x=np.array([{"any": "thing"}], dtype=object), rng=np.array("{}"))
    with pytest.raises(ValueError, match=r"is damaged: its state-.*allow_pickle=False"):
        ran(tmp_path)


@pytest.mark.parametrize("seed", range(8))
def test_damage_is_told(tmp_path, seed):
    """Bytes that are flipped, cut off or taken away end in an error that names the store."""
    ran(tmp_path)
    rng = np.random.default_rng(seed)
    (state,) = tmp_path.glob("state-*.npz")
    file = (tmp_path / "zarr.json", state)[seed % 2]
    content = bytearray(file.read_bytes())
    if seed < 2:
        file.unlink()
    elif seed < 4:
        file.write_bytes(content[: len(content) // 2])
    else:
        where = rng.integers(len(content), size=len(content) // 4)
        for k in where:
            content[k] = rng.integers(256)
        file.write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        ran(tmp_path)


def test_damage_anywhere_is_told_or_does_no_harm(tmp_path, undisturbed):
    """Whichever file is emptied or garbled, the error names the store, or the draws are right."""
    ran(tmp_path / "good")
    good = [file for file in sorted((tmp_path / "good").rglob("*")) if file.is_file()]
    # Of the chunks of a variable one.
    good = [file for file in good if not file.parts[-1].isdigit() or set(file.parts[-1:]) & {"2"}]
    told = []
    for number, file in enumerate(good):
        bad = tmp_path / f"bad{number}"
        shutil.copytree(tmp_path / "good", bad)
        broken = bad / file.relative_to(tmp_path / "good")
        broken.write_bytes((b"", b"null", file.read_bytes()[:-9])[number % 3])
        try:
            found = ran(bad, draws=DRAWS + 50).published[-1][:, :DRAWS]
        except ValueError as error:
            told.append(str(error))
            assert_names(told[-1], bad)
        else:
            np.testing.assert_array_equal(found, undisturbed)
    assert len(told) > len(good) / 2


@pytest.mark.parametrize(
    ("variable", "chunk"),
    [("posterior/x", "c/0/2"), ("posterior/still", "c/0/2/0"), ("sample_stats/lp", "c/0/2")],
)
def test_a_chunk_that_is_gone_is_told(tmp_path, variable, chunk):
    """Zarr reads what fills it; and `still` has nothing but zeros, which it need not write."""
    ran(tmp_path)
    (tmp_path / variable / chunk).unlink()
    told = f"no {variable.partition('/')[2]}/{chunk}"
    for read in (lambda: ran(tmp_path, draws=DRAWS + 50), lambda: open_store(tmp_path)):
        with pytest.raises(ValueError, match=told) as error:
            read()
        assert_names(str(error.value), tmp_path)


def test_without_the_check_other_draws_would_be_read(tmp_path, monkeypatch, undisturbed):
    """Broken on purpose."""
    ran(tmp_path)
    (tmp_path / "posterior/x/c/0/2").unlink()
    monkeypatch.setattr(stores, "insist", lambda array, draws: None)
    found = np.asarray(open_store(tmp_path)["posterior"]["x"])
    assert (found[:, 100:150] != undisturbed[:, 100:150]).all()
    np.testing.assert_array_equal(found[:, :100], undisturbed[:, :100])


def test_a_second_writer_is_refused_until_the_first_is_gone(tmp_path):
    code = f"""
import time
from fhl_ppl.runs.lock import locked
with locked({str(tmp_path)!r}):
    print("locked", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"locked\n"
        with pytest.raises(ValueError, match="is being written by another run"), locked(tmp_path):
            pass
        other.kill()
        other.wait()
    with locked(tmp_path):
        ran(tmp_path)


def test_all_is_on_the_disk_before_it_counts(tmp_path, monkeypatch):
    """All that the last commit names, in the order of things."""
    seen = []

    def replace(part, file, real=os.replace):
        seen.append(Path(file))
        real(part, file)

    def flushed(files, real=stores.flush):
        seen.extend(files)
        real(files)

    monkeypatch.setattr(stores.os, "replace", replace)
    monkeypatch.setattr(stores, "flush", flushed)
    ran(tmp_path, draws=100)
    last = len(seen) - 1 - seen[::-1].index(tmp_path / "zarr.json")
    chunks = {file for file in tmp_path.rglob("c/**/*") if file.is_file()}
    # Coordinates but for the draws' are written once.
    assert {file for file in chunks if not {"group", "chain"} & set(file.parts)} <= set(seen[:last])
    assert tmp_path / "zarr.json.part" in seen[:last]


def assert_names(message, path):
    assert "damaged" in message
    assert str(path) in message


def test_the_directory_has_nothing_but_arrays_and_text(tmp_path):
    ran(tmp_path)
    names = {path.relative_to(tmp_path).parts[0] for path in Path(tmp_path).rglob("*")}
    assert {name.partition("-")[0] for name in names} == {
        *("posterior", "sample_stats", "zarr.json", "state")
    }
    entry = json.loads((tmp_path / "zarr.json").read_text())["attributes"]["fhl_ppl_run"]
    assert json.loads(entry)["draws"] == DRAWS


def test_a_run_whose_first_block_has_draws_is_stored(tmp_path, undisturbed):
    sampling = FakeSampling(memory=0.5)
    sampling.warm_up(sampling.warmup_left)
    np.testing.assert_array_equal(ran(tmp_path, sampling=sampling).published[-1], undisturbed)
    np.testing.assert_array_equal(in_store(tmp_path)[0], undisturbed)
