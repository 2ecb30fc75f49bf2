"""Energies of networks: algebra of densities, one line for either backend, exact joint labels."""

import numpy as np
import pytest

from fhl_ppl import energies
from fhl_ppl.energies import Energy, energy, labelled, mixture, score
from tests.conftest import importorskip

GRID = np.linspace(-9, 9, 2001)
CENTRES = np.array([-1.0, 0.5, 2.0])


def gaussian(mean, sd):
    return energy(lambda x: ((x - mean) ** 2).sum(-1) / (2 * sd**2), "x")


def density(potential):
    values = np.array([float(potential({"x": np.array([x])})) for x in GRID])
    mass = np.exp(values.min() - values)
    return mass / mass.sum()


def moments(potential):
    mass = density(potential)
    mean = mass @ GRID
    return mean, (mass @ (GRID - mean) ** 2) ** 0.5


def test_sums_multiples_and_differences_are_products_powers_and_quotients():
    a, b = gaussian(1.0, 1.0), gaussian(-1.0, 2.0)
    np.testing.assert_allclose(moments(a + b), (0.6, 0.8**0.5), rtol=1e-6)
    np.testing.assert_allclose(moments(0.25 * a), (1.0, 2.0), rtol=1e-3)
    np.testing.assert_allclose(moments(a - b), (5 / 3, (4 / 3) ** 0.5), rtol=1e-5)
    assert float((-a)({"x": np.zeros(1)})) == -0.5
    np.testing.assert_allclose(moments(sum([a, b])), (0.6, 0.8**0.5), rtol=1e-6)
    for half in (np.float32(0.5) * a, a * np.float64(0.5)):
        assert half({"x": np.zeros(1, np.float32)}).dtype == np.float32


def test_a_mixture_has_its_weights():
    parts = [gaussian(-4.0, 1.0), gaussian(4.0, 1.0)]
    share = density(mixture(parts, [1.0, 3.0]))[GRID > 0].sum()
    np.testing.assert_allclose(share, 0.75, rtol=1e-4)
    # No component here: no density, and not NaN.
    outside = Energy(lambda sites: np.array(np.inf))
    assert float(mixture([outside, outside])({})) == np.inf
    assert np.isfinite(float(mixture([outside, parts[0]])({"x": np.zeros(1)})))


def per_label(x):
    """Energies [batch, label]: an image of one pixel, three labels."""
    return (x - CENTRES) ** 2 * np.array([1.0, 2.0, 0.5])


def marginal_is_right(width):
    """Whether the code integrates out of the joint energy, by quadrature over R^3."""
    joint = labelled(per_label, "x", "z", width)
    line = np.linspace(-3.5, 4.5, 61)
    codes = np.stack(np.meshgrid(line, line, line, indexing="ij"), -1).reshape(-1, 3)
    found = []
    for x in (-0.5, 1.0):
        terms = joint._terms(np.full((len(codes), 1), x), codes)
        found.append(np.log(np.exp(-energies_of(terms)).sum()))
    right = [np.log(np.exp(-per_label(np.array([[x]]))).sum()) for x in (-0.5, 1.0)]
    return np.isclose(found[1] - found[0], right[1] - right[0], rtol=1e-6)


def energies_of(terms):
    return -energies._log_sum_exp(terms)


def test_the_code_of_a_label_is_summed_out_exactly():
    assert marginal_is_right(0.5)


def test_a_code_without_its_own_norm_is_noticed(monkeypatch):
    """The near miss: |z - e_y|^2 with |z|^2 forgotten in one place changes p(x)."""

    def wrong(self, image, code):
        return -self._network(image) * (1 + (code**2).sum(-1)[..., None] / 9) + 2 * code - code**2

    monkeypatch.setattr(energies.Labelled, "_terms", wrong)
    assert not marginal_is_right(0.5)


def test_labels_drawn_from_codes_have_their_probabilities(rng):
    """Codes of labels from p(y | x): the mean of the probabilities is p(y | x), within 4 sd."""
    x = np.array([[0.3]])
    p = np.exp(-per_label(x))[0]
    p /= p.sum()
    y = rng.choice(3, size=4000, p=p)
    codes = np.eye(3)[y] + 0.5 * rng.normal(size=(4000, 3))
    found = labelled(per_label, "x", "z").label_probabilities(np.repeat(x, 4000, 0), codes)
    np.testing.assert_allclose(found.sum(1), 1)
    assert (abs(found.mean(0) - p) < 4 * found.std(0) / 4000**0.5).all()
    by_chain = labelled(per_label, "x", "z").label_probabilities(
        np.repeat(x, 4000, 0).reshape(4, 1000, 1), codes.reshape(4, 1000, 3)
    )
    np.testing.assert_array_equal(by_chain, found.reshape(4, 1000, 3))


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        (lambda: energy(lambda x: x), TypeError, "name the sites"),
        (lambda: energy(3, "x"), TypeError, "network must be a function"),
        (lambda: energy("x", per_label), TypeError, "network must be a function"),
        (lambda: gaussian(0, 1)({"y": np.ones(1)}), ValueError, r"site 'x', .* has \['y'\]"),
        (lambda: energy(lambda x: x, "x")({"x": np.ones(3)}), ValueError, "sum over all axes"),
        (lambda: energy(lambda x: (x,), "x")({"x": np.ones(())}), TypeError, "got tuple"),
        (lambda: energy(lambda x: None, "x")({"x": np.ones(())}), TypeError, "got NoneType"),
        (
            lambda: energy(lambda x: x.astype(np.float16), "x")({"x": np.ones(())}),
            ValueError,
            "float16, .* single precision",
        ),
        (lambda: gaussian(0, 1) + 1, TypeError, "only energies"),
        (lambda: 1 + gaussian(0, 1), TypeError, "only energies .* got 1;"),
        (lambda: gaussian(0, 1) - "x", TypeError, "only energies .* got 'x'"),
        (lambda: gaussian(0, 1) - 1, TypeError, "only energies .* got 1;"),
        (lambda: gaussian(0, 1) * "2", TypeError, "finite number"),
        (lambda: gaussian(0, 1) * np.ones(1), TypeError, "finite number"),
        (lambda: Energy(3), TypeError, "function of one particle"),
        (lambda: mixture([]), ValueError, "one energy or more"),
        (lambda: mixture(gaussian(0, 1)), TypeError, "in a list"),
        (lambda: mixture([per_label]), TypeError, "only energies can be mixed"),
        (lambda: mixture([gaussian(0, 1)], [0.0]), ValueError, "above 0"),
        (lambda: mixture([gaussian(0, 1)] * 2, [1.0, -1.0]), ValueError, "above 0"),
        (lambda: mixture([gaussian(0, 1)], ["a"]), TypeError, "weights must be numbers"),
        (lambda: mixture([gaussian(0, 1)], 1.0), TypeError, "weights must be numbers"),
        (lambda: labelled(per_label, "x", "z", 0.0), ValueError, "width"),
        (lambda: labelled(per_label, "x", "z", "1"), ValueError, "width"),
        (lambda: labelled(per_label, "x", "x"), ValueError, "two sites"),
        (lambda: labelled(3, "x", "z"), TypeError, "network must be a function"),
        (lambda: labelled(per_label, "x", "z")({"x": np.ones(1)}), ValueError, "site 'z'"),
        (
            lambda: labelled(per_label, "x", "z")({"x": np.ones(1), "z": np.ones(4)}),
            ValueError,
            "for each label",
        ),
        (
            lambda: labelled(per_label, "x", "z")({"x": np.ones(1), "z": np.ones((1, 3))}),
            ValueError,
            "one number for each label",
        ),
        (
            lambda: labelled(per_label, "x", "z").label_probabilities(np.ones(1), np.ones((5, 3))),
            ValueError,
            "an image for each code",
        ),
        (lambda: score("x", "x"), TypeError, "network must be a function"),
        (lambda: score(per_label, "y")({"x": np.ones(1)}), ValueError, "site 'y'"),
        (lambda: score(lambda x: None, "x")({"x": np.ones(1)}), TypeError, "got NoneType"),
    ],
)
def test_what_is_wrong_is_named(wrong, error, says):
    with pytest.raises(error, match=says):
        wrong()


def test_a_torch_module_of_images_is_a_potential_with_a_gradient():
    torch = importorskip("torch")
    importorskip("pyro")
    from fhl_ppl.pyro.batching.ladder import Ladder
    from fhl_ppl.pyro.model.layout import SiteLayout
    from fhl_ppl.pyro.model.one_particle import energy_and_gradient, substitute_gradient

    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), torch.nn.SiLU(), torch.nn.Flatten(), torch.nn.Linear(18, 3)
    ).eval()
    joint = labelled(lambda x: -net(x[:, None]), "image", "code")
    composed = mixture([joint, 0.5 * joint]) - 0.1 * joint
    layout = SiteLayout({"image": torch.zeros(5, 5), "code": torch.zeros(3)})
    ladder = Ladder(energy_and_gradient(composed, layout))
    position = torch.randn(200, 28)
    found, gradient = ladder(position)
    # Not one by one, and the same as one by one.
    assert ladder.rung == "fx"
    position.requires_grad_()
    alone = composed(layout.unflatten(position[7]))
    np.testing.assert_allclose(found[7].item(), alone.item(), rtol=1e-5)
    (right,) = torch.autograd.grad(alone, position)
    np.testing.assert_allclose(gradient[7], right[7], rtol=1e-4, atol=1e-6)
    force = Ladder(substitute_gradient(score(lambda x: -3 * x, "image"), layout))
    (found,) = force(position.detach())
    image = layout.flatten({"image": torch.full((5, 5), 3.0), "code": torch.zeros(3)}, "it")
    np.testing.assert_allclose(found, position.detach() * image, rtol=1e-6)


@pytest.mark.parametrize("layer", ["Dropout", "BatchNorm1d", "BatchNorm2d"])
def test_a_module_in_training_mode_is_refused(layer):
    """Batch norm over an image's own pixels goes through, and would learn from what is drawn."""
    torch = importorskip("torch")
    part = getattr(torch.nn, layer)(*{"Dropout": (), "BatchNorm1d": (16,)}.get(layer, (1,)))
    shape = (1, 4, 4) if layer == "BatchNorm2d" else (16,)
    net = torch.nn.Sequential(part, torch.nn.Flatten(), torch.nn.Linear(16, 1))
    potential, sites = energy(net, "image"), {"image": torch.randn(shape)}
    with pytest.raises(ValueError, match=rf"{layer} is in training mode.* network.eval\(\)"):
        potential(sites)
    net.eval()
    assert torch.isfinite(potential(sites))
    # What does the same in either mode may be in either.
    assert energy(torch.nn.Linear(16, 1).train(), "image")({"image": torch.ones(16)}).ndim == 0


def test_a_jax_function_of_images_is_a_potential_with_a_gradient():
    jax = importorskip("jax")
    weights = jax.random.normal(jax.random.key(0), (16, 3))
    joint = labelled(lambda x: x.reshape(len(x), -1) @ weights, "image", "code")
    prior = energy(lambda x: (x**2).sum((1, 2)) / 2, "image")
    composed = mixture([joint + prior, joint + 2 * prior], [1.0, 2.0])
    sites = {"image": jax.random.normal(jax.random.key(1), (300, 4, 4))}
    sites["code"] = jax.random.normal(jax.random.key(2), (300, 3))
    values, gradient = jax.jit(jax.vmap(jax.value_and_grad(composed)))(sites)
    one = jax.tree.map(lambda x: np.asarray(x[5], np.float64), sites)
    plain = labelled(lambda x: x.reshape(len(x), -1) @ np.asarray(weights), "image", "code")
    right = mixture([plain + prior, plain + 2 * prior], [1.0, 2.0])
    np.testing.assert_allclose(values[5], right(one), rtol=1e-5)
    up, down = ({**one, "code": one["code"] + step * np.eye(3)[1]} for step in (1e-5, -1e-5))
    np.testing.assert_allclose(
        gradient["code"][5, 1], (right(up) - right(down)) / 2e-5, rtol=1e-3, atol=1e-4
    )
