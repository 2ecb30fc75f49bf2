"""A parameter with a flat density on its support, as Stan has it by default."""

import numpyro
import numpyro.distributions as dist


def flat(name, support, shape=()):
    return numpyro.sample(name, dist.ImproperUniform(support, (), shape))
