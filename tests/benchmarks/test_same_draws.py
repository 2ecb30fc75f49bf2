"""Two commits are told apart when, and only when, they draw otherwise."""

import shutil
import subprocess

import numpy as np
import pytest

from benchmarks import checkouts
from benchmarks.same_draws.comparison import compare, read


def recording(seed=0):
    rng = np.random.default_rng(seed)
    draws = rng.normal(size=(20, 4, 3))
    draws[5, 1] = np.nan
    return {"z": draws, "move": rng.integers(0, 3, (20, 4))}


def changed(name, index, value):
    new = recording()
    new[name][index] = value
    return compare(recording(), new)


def test_the_same_is_identical():
    assert compare(recording(), recording()) == "identical"


def test_the_last_bit_of_one_number_is_noticed_with_its_iteration():
    draws = recording()["z"]
    off = np.nextafter(draws[7, 2, 1], np.inf)
    found = changed("z", (7, 2, 1), off)
    assert found.startswith(f"first in iteration 7: z by {abs(off - draws[7, 2, 1]):.1e}")


def test_the_first_and_the_largest_difference_are_both_given():
    new = recording()
    new["move"][3, 0] += 1
    new["z"][9] += 4
    found = compare(recording(), new)
    assert "first in iteration 3: move" in found
    assert "most: z by 4.0e+00; in 2 of 2 arrays" in found


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_differs_from_one(value):
    assert "z by inf" in changed("z", (0, 0, 0), value)


def test_another_type_or_shape_is_a_difference():
    old = recording()
    assert "was float64" in compare(old, old | {"z": old["z"].astype(np.float32)})
    assert "is int64[19, 4]" in compare(old, old | {"move": old["move"][1:]})


def test_an_array_or_a_setting_on_one_side_is_a_difference():
    old, new = recording(), recording()
    new["moves"] = new.pop("move")
    assert compare(old, new) == "only in old: move; only in new: moves"
    assert compare(old, None) == "not in new"
    assert compare("failed: no such option", new) == "old failed: no such option"


def test_recordings_are_read_by_setting(tmp_path):
    np.savez(tmp_path / "one chain.npz", **recording())
    (tmp_path / "joint.txt").write_text("TypeError: no")
    found = read(tmp_path)
    assert compare(found["one chain"], recording()) == "identical"
    assert found["joint"] == "failed: TypeError: no"


@pytest.fixture
def repository(tmp_path):
    """Two commits of a module, and a change of it that is not committed."""
    if shutil.which("git") is None:
        pytest.skip("there is no git")

    def git(*arguments):
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", "-C", tmp_path, *identity, *arguments], check=True)

    git("init", "--quiet")
    for value in ("first", "second"):
        (tmp_path / "drawn.py").write_text(f"VALUE = {value!r}\n")
        git("add", "drawn.py")
        git("commit", "--quiet", "-m", value)
    (tmp_path / "drawn.py").write_text("VALUE = 'third'\n")
    return tmp_path


@pytest.mark.parametrize(
    ("revision", "value"), [("HEAD~1", "first"), ("HEAD", "second"), (None, "third")]
)
def test_scripts_run_with_the_code_of_a_revision(repository, tmp_path_factory, revision, value):
    script = tmp_path_factory.mktemp("elsewhere") / "script.py"
    script.write_text("import sys, drawn; print(drawn.VALUE, *sys.argv[1:])")
    with checkouts.checkout(revision, repository) as root:
        assert checkouts.run(root, script, 1, "a b") == f"{value} 1 a b\n"
    assert root.exists() == (revision is None)


def test_an_unknown_revision_and_a_script_that_fails_are_told(repository):
    with pytest.raises(SystemExit, match="nowhere"), checkouts.checkout("nowhere", repository):
        pass
    script = repository / "script.py"
    script.write_text("raise ValueError")
    with pytest.raises(SystemExit, match=r"script\.py failed"):
        checkouts.run(repository, script)
