"""The tensors of one RSSM step, in torch's own layouts, and the sizes that follow from them."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

MIN_STD = 0.1  # added to the softplus of the raw standard deviation


class RSSMWeights(NamedTuple):
    """Parameters of the prior step; linear layers are ``[out, in]`` and the gates are `torch.nn.GRUCell`'s (r, z, n).

    inputs_weight ``[hidden, stoch + action]``, inputs_bias ``[hidden]``: the layer before the GRU.
    gru_weight_ih ``[3 deter, hidden]``, gru_weight_hh ``[3 deter, deter]``, gru_bias_ih and gru_bias_hh ``[3 deter]``.
    prior_weight ``[prior, deter]``, prior_bias ``[prior]``: the hidden layer of the prior (as wide as you like).
    stats_weight ``[2 stoch, prior]``, stats_bias ``[2 stoch]``: mean, then raw standard deviation.
    """

    inputs_weight: Tensor
    inputs_bias: Tensor
    gru_weight_ih: Tensor
    gru_weight_hh: Tensor
    gru_bias_ih: Tensor
    gru_bias_hh: Tensor
    prior_weight: Tensor
    prior_bias: Tensor
    stats_weight: Tensor
    stats_bias: Tensor

    @property
    def sizes(self) -> RolloutSizes:
        """Widths of the step that these weights define."""
        stoch = self.stats_weight.shape[0] // 2
        return RolloutSizes(
            deter=self.gru_weight_hh.shape[1],
            stoch=stoch,
            action=self.inputs_weight.shape[1] - stoch,
            hidden=self.inputs_weight.shape[0],
            prior=self.prior_weight.shape[0],
        )

    def check(self) -> None:
        """ValueError where the layers do not fit each other."""
        deter, stoch, action, hidden, prior = self.sizes
        shapes = [
            (hidden, stoch + action),
            (hidden,),
            (3 * deter, hidden),
            (3 * deter, deter),
            (3 * deter,),
            (3 * deter,),
        ]
        shapes += [(prior, deter), (prior,), (2 * stoch, prior), (2 * stoch,)]
        for name, tensor, shape in zip(self._fields, self, shapes, strict=True):
            if tensor.shape != shape:
                raise ValueError(
                    f"{name} must be {list(shape)} to fit the other layers, but it is {list(tensor.shape)}"
                )


class RolloutSizes(NamedTuple):
    """``hidden`` is the layer before the GRU, ``prior`` the hidden layer after it."""

    deter: int
    stoch: int
    action: int
    hidden: int
    prior: int

    def flops(self, sampled: bool) -> int:
        """Operations (two a multiply-add) in the matrix products of one candidate's step.

        Without noise the raw standard deviation is not needed, and nobody computes it.
        """
        inputs = self.hidden * (self.stoch + self.action)
        gates = 3 * self.deter * (self.hidden + self.deter)
        prior = self.prior * self.deter + (2 if sampled else 1) * self.stoch * self.prior
        return 2 * (inputs + gates + prior)
