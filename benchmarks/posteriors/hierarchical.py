"""Parameters with a scale in common."""

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist


def eight_schools(data):
    effect, error = jnp.array(data["y"], float), jnp.array(data["sigma"], float)

    def model():
        mu = numpyro.sample("mu", dist.Normal(0, 5))
        tau = numpyro.sample("tau", dist.HalfCauchy(5))
        offset = numpyro.sample("theta_trans", dist.Normal(0, 1).expand([8]).to_event(1))
        theta = numpyro.deterministic("theta", mu + tau * offset)
        numpyro.sample("y", dist.Normal(theta, error), obs=effect)

    return model


def radon(data):
    county = jnp.array(data["county"])
    covariates = ("log_u", "floor", "floor_by_county")
    design = jnp.stack([jnp.array(data[name], float) for name in covariates], 1)
    outcome = jnp.array(data["y"], float)

    def model():
        mean = numpyro.sample("county_effect_mean", dist.Normal(0, 1))
        scale = numpyro.sample("county_effect_scale", dist.Uniform(0, 100))
        effect = numpyro.sample("county_effect", dist.Normal(mean, scale).expand([85]).to_event(1))
        weight = numpyro.sample("weight", dist.Normal(0, 1).expand([3]).to_event(1))
        noise = numpyro.sample("log_radon_scale", dist.Uniform(0, 100))
        numpyro.sample("y", dist.Normal(effect[county] + design @ weight, noise), obs=outcome)

    return model


def item_response(data):
    """One parameter a student and a question (Rasch), with a free mean ability.

    `correct` [student, question] is -1 where a question was not put.
    """
    correct = jnp.array(data["correct"])
    put = correct >= 0
    students, questions = correct.shape

    def model():
        mean = numpyro.sample("mean_student_ability", dist.Normal(0.75, 1))
        ability = numpyro.sample(
            "centered_student_ability", dist.Normal(0, 1).expand([students]).to_event(1)
        )
        difficulty = numpyro.sample(
            "question_difficulty", dist.Normal(0, 1).expand([questions]).to_event(1)
        )
        logits = mean + ability[:, None] - difficulty
        observed = dist.BernoulliLogits(logits).mask(put)
        numpyro.sample("y", observed, obs=jnp.where(put, correct, 0))

    return model
