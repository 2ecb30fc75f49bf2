"""Wrong renewals."""

from tests.invariance.mutants.broken import uncorrected

MUTANTS = {"uncorrected": uncorrected}
