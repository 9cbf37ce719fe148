"""One gradient step on the evidence lower bound, and the guard around it."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from worldmodel.interface import State
from worldmodel.sequence_vae import Sequences, SequenceVAE

LOGGED_ONLY = ("kl",)


class NonFiniteLoss(RuntimeError):
    """A loss or a gradient became NaN or infinite; no parameter was changed by the update that found it."""


class Updated(NamedTuple):
    """losses: the mean over valid rows of every term, their sum ``loss``, and the gradient norm before clipping.

    states: ``[batch, time, latent]``, filtered with the parameters before the update; constants.
    """

    losses: dict[str, Tensor]
    states: State


def update(
    model: SequenceVAE,
    optimizer: torch.optim.Optimizer,
    batch: Sequences,
    noise: Tensor,
    offset: int,
    clip: float,
    seen: Tensor | None = None,
) -> Updated:
    """One update on windows ``[batch, time, ...]`` with posterior noise ``[batch, time, stoch]``.

    offset: first row from which the model predicts open loop, see `SequenceVAE.losses`. seen: what the encoder is shown
    in place of the batch's observations, see `SequenceVAE.losses_and_states`.

    Raises `NonFiniteLoss` before the parameters are touched.
    """
    terms, states = mean_losses(model, batch, noise, offset, seen)
    loss = terms.pop("loss")
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), clip)
    if not torch.isfinite(loss + norm):
        raise NonFiniteLoss(describe(terms, norm))
    optimizer.step()
    losses = {"loss": loss.detach(), **{k: v.detach() for k, v in terms.items()}, "gradient_norm": norm}
    return Updated(losses, states.map(Tensor.detach))


def mean_losses(
    model: SequenceVAE, batch: Sequences, noise: Tensor, offset: int, seen: Tensor | None = None
) -> tuple[dict[str, Tensor], State]:
    """Mean over valid rows of every term of `SequenceVAE.losses`, and ``loss``, the sum of those that are trained; and
    the filtered states.
    """
    losses, states = model.losses_and_states(batch, noise, offset, seen)
    rows = batch.valid.sum()
    terms = {name: term.sum() / rows for name, term in losses.items()}
    loss = torch.stack([term for name, term in terms.items() if name not in LOGGED_ONLY]).sum()
    return {"loss": loss, **terms}, states


def describe(terms: dict[str, Tensor], norm: Tensor) -> str:
    found: dict[str, Any] = {name: f"{value.item():.4g}" for name, value in terms.items()}
    return (
        f"Losses and gradients must be finite; got {found} and gradient norm {norm.item():.4g}. "
        "The parameters are those of the last good update. Lower the learning rate or the gradient clip, "
        "raise image_std or reward_std, and look for extreme values in the data."
    )
