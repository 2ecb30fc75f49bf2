import json

import pytest

from benchmarks import peers, posteriors
from benchmarks.protocols import PROTOCOLS
from benchmarks.samplers import MODULES
from benchmarks.table import RIVALS, table
from tests.conftest import importorskip

NAME = "arK-arK"


def run(sampler, ess=1000.0, z=1.0, rhat=1.0, chains=4, seed=0):
    """What a process of `benchmarks.one` would hand back, as far as the table reads it."""
    part = {"cpu": 1.0, "wall": 9.0}
    return {
        "protocol": "standard",
        "posterior": NAME,
        "sampler": sampler,
        "seed": seed,
        "platform": "cpu",
        "chains": chains,
        "ess": ess,
        "z": z,
        "rhat": rhat,
        "divergent": 0,
        "versions": {},
        "source": "",
        "device": "",
        "gradients": {"warmup": 1000.0, "draws": 1000.0},
        "seconds": dict.fromkeys(("compile", "warmup", "draws", "process"), part),
    }


def ratios(runs):
    """First three cells of the ratio table: per gradient against each kind of rival."""
    (line,) = [line for line in table(runs).splitlines() if line.startswith(f"| {NAME} |")]
    return [cell.strip() for cell in line.split("|")[2:5]]


def test_ratios_are_to_the_best_of_each_kind():
    runs = [run("fhl", 4000), run("numpyro_nuts", 1000), run("numpyro_nuts_dense", 2000)]
    assert ratios([*runs, run("blackjax_nuts", 500)]) == ["4", "2", "8"]


def test_a_rival_that_is_wrong_is_not_the_best():
    runs = [run("fhl", 4000), run("numpyro_nuts", 1000), run("blackjax_nuts", 500)]
    assert ratios([*runs, run("blackjax_meads", 9000, z=7.0)])[2] == "8"
    assert ratios([*runs, run("blackjax_meads", 9000, rhat=1.2)])[2] == "8"


def test_seeds_are_summed_up_by_their_median_and_their_worst():
    runs = [
        run("fhl", ess, z=z, seed=seed) for seed, (ess, z) in enumerate(((1, 2), (2, 9), (9, 3)))
    ]
    (line,) = [line for line in table(runs).splitlines() if line.startswith("| fhl |")]
    assert line.split(" | ")[3] == "2"
    assert line.split(" | ")[9] == "9"


def test_errors_that_stay_high_are_shown_and_lose():
    def followed(sampler, low_error):
        shared = run(sampler)
        for key in ("ess", "z", "rhat"):
            del shared[key]
        return shared | {"protocol": "error", "low_error": low_error, "followed": 5000.0}

    lines = table([followed("fhl", None), followed("numpyro_nuts", 100.0)]).splitlines()
    assert any(line.startswith("| fhl |") and "not within 5000" in line for line in lines)
    lines = table([followed("fhl", 50.0), followed("numpyro_nuts", 100.0)]).splitlines()
    (line,) = [line for line in lines if line.startswith(f"| {NAME} |")]
    assert line.split(" | ")[-len(RIVALS)] == "2"


def test_a_run_that_failed_is_shown():
    failed = {key: run("fhl")[key] for key in peers.IDENTITY}
    assert "did not finish in 5 s" in table([failed | {"failed": "did not finish in 5 s"}])


def test_a_run_ends_when_its_cpu_time_is_up():
    job = {
        "protocol": "standard",
        "posterior": NAME,
        "sampler": "fhl",
        "seed": 0,
        "platform": "cpu",
    }
    importorskip("numpyro")
    assert peers.execute(job, 1) == {"failed": "did not finish in 1 s of CPU time"}


def test_an_interrupted_command_goes_on(monkeypatch, tmp_path):
    asked = []

    def execute(job, limit):
        if len(asked) == 1:
            raise KeyboardInterrupt
        asked.append(job["sampler"])
        return run(job["sampler"])

    path = tmp_path / "results.json"
    arguments = ["--posteriors", "arK", "--samplers", "fhl", "numpyro_nuts", "--seeds", "0"]
    options = peers.parse([*arguments, "--protocols", "standard", "--out", str(path)])
    monkeypatch.setattr(peers, "parse", lambda: options)
    monkeypatch.setattr(peers, "execute", execute)
    with pytest.raises(KeyboardInterrupt):
        peers.main()
    monkeypatch.setattr(
        peers, "execute", lambda job, limit: asked.append(job["sampler"]) or {"failed": "x"}
    )
    peers.main()
    assert asked == ["fhl", "numpyro_nuts"]
    assert [found["sampler"] for found in json.loads(path.read_text())["runs"]] == asked
    assert "numpyro_nuts" in path.with_suffix(".md").read_text()


def test_everything_is_the_default():
    options = peers.parse([])
    assert set(options.samplers) == set(MODULES)
    assert set(options.protocols) == set(PROTOCOLS)
    assert posteriors.select(options.posteriors) == posteriors.NAMES


@pytest.mark.parametrize("name", posteriors.NAMES)
def test_models_have_what_their_references_name(name):
    jax = importorskip("jax")
    importorskip("numpyro")
    from numpyro.infer.util import initialize_model

    from benchmarks.posteriors.models import MODELS

    data, reference = posteriors.load(name)

    def sites(key):
        found = initialize_model(key, MODELS[name](data))
        return found.postprocess_fn(found.param_info.z)

    shapes = jax.eval_shape(sites, jax.random.PRNGKey(0))
    for scalar in reference.names:
        values = shapes[posteriors.site(scalar)]
        index = int(scalar[:-1].partition("[")[2]) if scalar.endswith("]") else 1
        assert 1 <= index <= values.size
    for figures in reference[1:]:
        assert figures.shape == (len(reference.names),)
