"""The RSSM's prior over a whole horizon for all candidates at once; see README.md in this folder."""

from worldmodel.kernels.rssm_rollout.rollout import rssm_rollout
from worldmodel.kernels.rssm_rollout.weights import MIN_STD, RSSMWeights

__all__ = ["MIN_STD", "RSSMWeights", "rssm_rollout"]
