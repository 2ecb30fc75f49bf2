"""Wrong difference jumps."""

from tests.invariance.mutants.broken import among_moving, one_way

MUTANTS = {"one way": one_way, "among moving": among_moving}
