"""Where a linear model of the dynamics can be trusted, which is where iLQR can be."""

from __future__ import annotations

import torch
from torch import Tensor

from worldmodel.interface import Linearization, State, WorldModel


@torch.no_grad()
def linearization_error(model: WorldModel, state: State, actions: Tensor, directions: Tensor, radii: Tensor) -> Tensor:
    """How wrong the linearised roll-out is, as a share of what it should predict: ``[radii, ..., horizon]``.

    Around ``actions [..., horizon, action]`` from ``state [..., latent]``, all actions are changed at once by
    ``radius · directions [..., horizon, action]``. With d_k the change of the state that the model then makes, and
    l_k = A_k l_{k-1} + B_k (radius · direction_k) the one that its linearisation says: ``|d_k - l_k| / |d_k|``. 0 is
    exactly linear; 1 is as good as saying that nothing changes. 0 where nothing changes and nothing was said to.
    """
    states = model.rollout(state, actions)
    local = model.linearize(departed(state, states), actions)
    linear = linear_rollout(local, directions)
    radius = radii.view(-1, *[1] * actions.dim())
    begin = state.map(lambda x: x.expand(len(radii), *x.shape))
    changed = model.rollout(begin, actions + radius * directions).vector - states.vector
    wrong = (changed - radius * linear).norm(dim=-1)
    return wrong / changed.norm(dim=-1).clamp(min=torch.finfo(wrong.dtype).tiny)


def linear_rollout(local: Linearization, directions: Tensor) -> Tensor:
    """``l_k = A_k l_{k-1} + B_k directions_k`` from ``l_0 = 0``, ``[..., horizon, latent]``."""
    pushes = (local.B @ directions[..., None]).squeeze(-1)
    l_k, found = torch.zeros_like(pushes[..., 0, :]), []
    for A, push in zip(local.A.unbind(-3), pushes.unbind(-2), strict=True):
        l_k = (A @ l_k[..., None]).squeeze(-1) + push
        found.append(l_k)
    return torch.stack(found, -2)


def departed(state: State, arrived: State) -> State:
    """States that the steps of a roll-out depart from, ``[..., horizon, latent]``: the first, then those arrived at."""
    pairs = zip(state, arrived, strict=True)
    return State(*(torch.cat([first[..., None, :], later[..., :-1, :]], -2) for first, later in pairs))


def spectrum(A: Tensor) -> Tensor:
    """Eigenvalues of ``A [..., latent, latent]``, complex, the largest in absolute value first. Beyond 1, a deviation
    grows with every step. NaN where A is not finite: some models diverge.
    """
    known = A.isfinite().all(-1).all(-1)
    values = torch.linalg.eigvals(torch.where(known[..., None, None], A, 0.0))
    values = values.gather(-1, values.abs().argsort(-1, descending=True))
    return torch.where(known[..., None], values, torch.nan)


def reach(local: Linearization) -> Tensor:
    """Singular values of the controllability matrix ``[Φ_{H,1} B_1, ..., B_H]`` along a trajectory, the largest first:
    ``[..., min(latent, horizon · action)]``.

    The i-th says how far action sequences of norm 1 push the last state in the i-th best direction; 0: not at all
    (Kalman 1960, for time-varying systems). NaN where the matrix is not finite.
    """
    back = torch.eye(local.A.shape[-1]).to(local.A).expand_as(local.A[..., 0, :, :])
    blocks = []
    for A, B in zip(reversed(local.A.unbind(-3)), reversed(local.B.unbind(-3)), strict=True):
        blocks.append(back @ B)
        back = back @ A
    whole = torch.cat(blocks, -1)
    known = whole.isfinite().all(-1).all(-1)
    singular = torch.linalg.svdvals(torch.where(known[..., None, None], whole, 0.0))
    return torch.where(known[..., None], singular, torch.nan)


def effective_rank(singular: Tensor) -> Tensor:
    """How many directions count, ``[..., values] -> [...]``: the exponential of the entropy of the shares (Roy and
    Vetterli 2007). All alike: their number; a single one: 1.
    """
    share = singular / singular.sum(-1, keepdim=True).clamp(min=torch.finfo(singular.dtype).tiny)
    return torch.special.entr(share).sum(-1).exp()
