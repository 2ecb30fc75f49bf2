"""A plugin for pytest: with `-p tests.toys.registered` the toys are on the lists of core."""

import os
import sys

from fhl_ppl.core.learners import LEARNERS
from fhl_ppl.core.moves import JUMPS
from tests.invariance.mutants.broken import Broken
from tests.toys import mirror_mutants
from tests.toys.leads import Leads
from tests.toys.mirror import Mirror

JUMPS["mirror"] = Mirror()
LEARNERS["leads"] = Leads.of
sys.modules["tests.invariance.mutants.mirror"] = mirror_mutants

if os.environ.get("FHL_TOY") == "broken":
    JUMPS["mirror"] = Broken(Mirror(), mirror_mutants.stretched)
    Leads.renew = lambda self, own, seen, before, renewed: own[:1]
