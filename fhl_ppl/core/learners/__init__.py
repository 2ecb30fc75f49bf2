"""Learners of the warm-up, one a file; `learner` says what one has to do (section 7).

They are renewed, at the end of a window, in the order of `LEARNERS`.
"""

from collections.abc import Callable

from fhl_ppl.core.learners.archive import ArchiveLearner
from fhl_ppl.core.learners.chart import ChartLearner
from fhl_ppl.core.learners.fitted_gaussian import FittedGaussianLearner
from fhl_ppl.core.learners.learner import Learner
from fhl_ppl.core.learners.lost_proposals import LostProposals
from fhl_ppl.core.learners.metric import MetricLearner
from fhl_ppl.core.learners.moments import Moments
from fhl_ppl.core.learners.move_shares import MoveShares
from fhl_ppl.core.learners.pull import Pull
from fhl_ppl.core.learners.reference import ReferenceLearner
from fhl_ppl.core.learners.step_size import StepSize
from fhl_ppl.core.learners.trajectory_length import TrajectoryLength
from fhl_ppl.core.learners.unseen_steps import UnseenStepsLearner
from fhl_ppl.core.plan import Plan

LEARNERS: dict[str, Callable[[Plan], Learner]] = {
    "step_size": StepSize.of,
    "lost_proposals": LostProposals.of,
    "unseen_steps": UnseenStepsLearner.of,
    "archive": ArchiveLearner.of,
    "metric": MetricLearner.of,
    "reference": ReferenceLearner.of,
    "trajectory_length": TrajectoryLength.of,
    "pull": Pull.of,
    "move_shares": MoveShares.of,
    "fitted_gaussian": FittedGaussianLearner.of,
    "moments": Moments.of,
    "chart": ChartLearner.of,
}
