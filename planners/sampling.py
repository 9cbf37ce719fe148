"""Planning by sampling: random shooting, CEM, iCEM, MPPI and TD-MPC's mixture of the last two are one loop.

    repeat:  candidates = clamp(mean + std · noise)        noise white, uniform or coloured
             scores     = predicted return of each, -inf where it is not finite
             weights    = the elites alike, or by exp(score / temperature)
             mean, std  = momentum towards the weighted moments

The planners differ in numbers only; `random_shooting`, `cem`, `icem`, `mppi` and `tdmpc` below fill them in. Where the
model's actions are discrete, the mean holds the probabilities of each action, see `planners.categorical`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

import torch
from torch import Generator, Tensor

from planners.budget import largest_within
from planners.categorical import REOPENED, SMOOTHED, gumbel, one_hot, with_uniform
from planners.checks import require
from planners.cuda_graph import Recorder
from planners.interface import Objective, Plan
from planners.noise import Coloured, Noise, uniform, white
from planners.predict import predict, with_candidates
from planners.refit import best_of, elite_weights, smoothing, weighted_mean, weighted_std
from planners.search_trace import Scored, search_trace
from worldmodel.interface import State, WorldModel


class Proposals(Protocol):
    """Sequences from elsewhere that are worth a try, e.g. an actor's."""

    @property
    def count(self) -> int: ...
    def __call__(self, state: State) -> Tensor:
        """``[batch, count, horizon, action]`` from ``state [batch, latent]``; costs ``count`` roll-outs."""
        ...


@dataclass(frozen=True)
class SamplingPlanner:
    """Searches action sequences by sampling; implements `planners.interface.Planner`.

    All environments of a batch see the same noise: the plan of one does not depend on which others share its batch,
    and a batch costs one draw. (So the planner's luck is shared too: spread several seeds over an evaluation.)

    generator: the only source of randomness; numbers are drawn on its device. horizon: steps looked ahead.
    candidates: sequences per iteration; later ones have ``candidates / decay^i``, at least twice the elites.
    iterations: rounds of sampling and refitting. elites, temperature: see `planners.refit.elite_weights`.
    std: of the first iteration; every decision starts with it. min_std: lower limit of refitted ones.
    adapt_std: whether std is refitted at all. momentum: share of the old mean and std that is kept.
    noise: see `planners.noise`. keep: share of the elites tried again in the next iteration and the next decision.
    mean_last: whether the last iteration also tries the mean. smoothing: window of a Savitzky-Golay filter, 1 for none.
    return_best: execute the best sequence seen rather than the final mean. warm_start: start at the previous plan,
    shifted by one step with its last action repeated, rather than at zeros.
    record: put candidates and elites into the trace. proposals: tried among the candidates of the first iteration.
    graph: replay each decision as one CUDA graph (`planners.cuda_graph`); for a generator, a model and states on CUDA,
    and objectives that keep its rules.

    With discrete actions (``model.sizes.discrete``) candidates are one-hot; std, min_std, adapt_std, noise and
    smoothing have no meaning.
    """

    model: WorldModel
    objective: Objective
    generator: Generator
    horizon: int
    candidates: int
    iterations: int
    elites: int
    temperature: float = math.inf
    std: float = 1.0
    min_std: float = 0.0
    adapt_std: bool = True
    momentum: float = 0.0
    noise: Noise = white
    decay: float = 1.0
    keep: float = 0.0
    mean_last: bool = False
    smoothing: int = 1
    return_best: bool = False
    warm_start: bool = True
    discount: float = 1.0
    record: bool = False
    proposals: Proposals | None = None
    graph: bool = False
    recorder: Recorder = field(default_factory=Recorder, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_numbers(self)

    @property
    def populations(self) -> list[int]:
        """Number of candidates in each iteration."""
        if self.decay == 1:
            return [self.candidates] * self.iterations
        return [max(2 * self.elites, int(self.candidates * self.decay**-i)) for i in range(self.iterations)]

    @property
    def model_steps(self) -> int:
        """Prior steps per decision and environment, the two sequences predicted at the end included."""
        return self.horizon * (sum(self.populations) + 2 + self.proposed)

    @property
    def proposed(self) -> int:
        return self.proposals.count if self.proposals else 0

    def with_budget(self, model_steps: int) -> SamplingPlanner:
        """The same planner with as many candidates as fit into ``model_steps``; the share of the elites stays."""
        return largest_within(model_steps, self._resized)

    @torch.no_grad()
    def plan(self, state: State, previous: Plan | None = None) -> tuple[Tensor, Plan]:
        """See `planners.interface.Planner`. The value and the states are predicted along exactly the plan's actions.

        If the final mean has no finite value, the best sequence seen is executed instead; if none was finite, the mean
        that the search started at, and its value says so.
        """
        carried = None
        if previous is not None and self.warm_start:
            carried = _checked(previous, (state.stoch.shape[0], self.horizon, self.model.sizes.action))
        if self.graph:
            plan = self.recorder(self._decide, self.model, self.generator, state, carried)
        else:
            plan = self._decide(state, carried)
        return plan.actions[:, 0], plan

    def _decide(self, state: State, carried: Tensor | None) -> Plan:
        """All that happens on the device: static shapes, no waiting for it, no tensors elsewhere."""
        search = self._start(state, carried)
        history = list[Scored]()
        for i, noise in enumerate(self._draw(state.stoch)):
            candidates = self._candidates(search, noise, last=i == self.iterations - 1)
            _, value = self._predict(state, candidates)
            search, scored = self._refit(search, candidates, value)
            history.append(scored)
        return self._finish(state, search, history)

    @property
    def _discrete(self) -> bool:
        return self.model.sizes.discrete

    def _resized(self, candidates: int) -> SamplingPlanner:
        least = 2 if self.decay > 1 else 1
        elites = max(1, round(self.elites * candidates / self.candidates)) if self.elites > 1 else 1
        smallest = max(least * elites, elites + self.mean_last, self.proposed + 1)
        return replace(self, candidates=max(candidates, smallest), elites=elites)

    def _start(self, state: State, carried: Tensor | None) -> Search:
        batch, stoch = state.stoch.shape[0], state.stoch
        rows = (
            stoch.new_zeros(batch, 1, self.horizon, self.model.sizes.action) if carried is None else _shifted(carried)
        )
        mean, again = rows[:, 0], rows[:, 1 : 1 + self.elites]
        if self.return_best and again.shape[1] == 0:
            again = self._executable(rows)
        if self.proposals:
            again = torch.cat([again[:, : self.candidates - self.proposed], self.proposals(state)], dim=1)
        best = self._executable(mean)
        if self._discrete:
            mean = with_uniform(mean, 1.0 if carried is None else REOPENED)
        return Search(mean, torch.full_like(mean, self.std), again, best, stoch.new_full((batch,), -math.inf))

    def _executable(self, mean: Tensor) -> Tensor:
        """``[..., horizon, action]``: the most probable sequence, where the mean is no action itself."""
        return one_hot(mean) if self._discrete else mean

    def _draw(self, like: Tensor) -> tuple[Tensor, ...]:
        shape = (sum(self.populations), self.horizon, self.model.sizes.action)
        noise = gumbel if self._discrete else self.noise
        return noise(shape, self.generator, like.dtype).to(like.device).split(self.populations)

    def _candidates(self, search: Search, noise: Tensor, last: bool) -> Tensor:
        if self._discrete:
            samples = one_hot(search.mean[:, None].log() + noise)
        else:
            samples = torch.addcmul(search.mean[:, None], search.std[:, None], noise).clamp_(-1, 1)
        again = [search.again]
        if last and self.mean_last:
            again.append(self._executable(search.mean)[:, None])
        count = sum(rows.shape[1] for rows in again)
        return torch.cat([samples[:, : len(noise) - count], *again], dim=1) if count else samples

    def _predict(self, state: State, candidates: Tensor) -> tuple[State, Tensor]:
        expanded = with_candidates(state, candidates.shape[1])
        return predict(self.model, self.objective, expanded, candidates, self.discount)

    def _refit(self, search: Search, candidates: Tensor, value: Tensor) -> tuple[Search, Scored]:
        scores = value.nan_to_num(nan=-math.inf, posinf=-math.inf, neginf=-math.inf)
        elites, top = best_of(candidates, scores, self.elites)
        best, score = elites[:, 0], top[:, 0]
        mean, std = self._moved(search, elites, elite_weights(top, self.temperature))
        usable = (score > -math.inf)[:, None, None]
        better = score > search.best_score
        found = Search(
            mean=torch.where(usable, mean, search.mean),
            std=torch.where(usable, std, search.std) if self.adapt_std else search.std,
            again=elites[:, : round(self.keep * self.elites)],
            best=torch.where(better[:, None, None], best, search.best),
            best_score=torch.maximum(score, search.best_score),
        )
        return found, Scored(scores, *((candidates, elites) if self.record else (None, None)))

    def _moved(self, search: Search, elites: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and std of the elites, by momentum; the mean smoothed along the horizon, or with the uniform."""
        mean, std = weighted_mean(elites, weights), search.std
        if self.adapt_std and not self._discrete:
            std = weighted_std(elites, weights, mean).lerp(search.std, self.momentum).clamp_(min=self.min_std)
        mean = mean.lerp(search.mean, self.momentum)
        if self._discrete:
            return with_uniform(mean, SMOOTHED), std
        if self.smoothing > 1:
            mean = (smoothing(self.horizon, self.smoothing, mean.dtype, mean.device) @ mean).clamp_(-1, 1)
        return mean, std

    def _finish(self, state: State, search: Search, history: list[Scored]) -> Plan:
        choices = torch.stack([self._executable(search.mean), search.best], dim=1)
        states, value = self._predict(state, choices)
        take_best = ~torch.isfinite(value[:, 0])
        if self.return_best:
            take_best = take_best | (value[:, 1] > value[:, 0])
        actions = _choose(take_best, choices)
        states = states.map(lambda x: _choose(take_best, x))
        first = [search.mean[:, None], actions[:, None]] if self.return_best else [search.mean[:, None]]
        carried = torch.cat([*first, search.again], dim=1)
        return Plan(actions, states, _choose(take_best, value), search_trace(history), carried)


class Search(NamedTuple):
    """Where a search stands: sampling distribution ``mean, std [batch, horizon, action]``, sequences to try ``again
    [batch, rows, horizon, action]``, and the ``best`` sequence so far with its ``best_score [batch]``.
    """

    mean: Tensor
    std: Tensor
    again: Tensor
    best: Tensor
    best_score: Tensor


def _shifted(rows: Tensor) -> Tensor:
    """One step has been executed: ``[batch, rows, horizon, action]``, the last action is repeated."""
    return torch.cat([rows[:, :, 1:], rows[:, :, -1:]], dim=2)


def _choose(second: Tensor, pair: Tensor) -> Tensor:
    """``[batch, 2, ...] -> [batch, ...]``: the second of each pair where ``second [batch]`` is true."""
    return torch.where(second.view(-1, *[1] * (pair.dim() - 2)), pair[:, 1], pair[:, 0])


def _checked(previous: Plan, shape: tuple[int, int, int]) -> Tensor:
    if tuple(previous.actions.shape) != shape:
        raise ValueError(
            f"The previous plan must be for the same batch, horizon and actions {shape}; one of "
            f"{tuple(previous.actions.shape)} came. Pass None to start afresh."
        )
    return previous.actions[:, None] if previous.carried is None else previous.carried


def _check_numbers(p: SamplingPlanner) -> None:
    rules = [
        (p.horizon >= 1, f"horizon must be at least 1; got {p.horizon}"),
        (p.iterations >= 1, f"iterations must be at least 1; got {p.iterations}"),
        (p.elites >= 1, f"elites must be at least 1; got {p.elites}"),
        (
            p.candidates >= p.elites + p.mean_last,
            f"candidates must be at least elites + mean_last = {p.elites + p.mean_last}; got {p.candidates}",
        ),
        (p.decay >= 1, f"decay must be at least 1 (populations shrink by it); got {p.decay}"),
        (
            p.decay == 1 or p.candidates >= 2 * p.elites,
            f"with decay, candidates must be at least twice the {p.elites} elites; got {p.candidates}",
        ),
        (
            p.candidates > p.proposed,
            f"candidates must be more than the {p.proposed} proposals; got {p.candidates}",
        ),
        (p.temperature > 0, f"temperature must be positive; got {p.temperature}"),
        (p.std > 0, f"std must be positive; got {p.std}"),
        (0 <= p.momentum < 1, f"momentum must be in [0, 1); got {p.momentum}"),
        (0 <= p.keep <= 1, f"keep is a share of the elites, in [0, 1]; got {p.keep}"),
        (0 < p.discount <= 1, f"discount must be in (0, 1]; got {p.discount}"),
        (
            p.smoothing == 1 or (p.smoothing % 2 == 1 and 3 <= p.smoothing <= p.horizon),
            f"smoothing must be 1 or an odd window from 3 to the horizon {p.horizon}; got {p.smoothing}",
        ),
    ]
    where = p.generator.device.type
    rules.append((not p.graph or where == "cuda", f"graph records CUDA kernels, but the generator is on {where}"))
    require("SamplingPlanner", rules)


def random_shooting(model: WorldModel, objective: Objective, generator: Generator, **fields: Any) -> SamplingPlanner:
    """The best of uniformly random sequences; nothing of the last decision is used. fields: of `SamplingPlanner`."""
    numbers: dict[str, Any] = {"horizon": 12, "candidates": 1000, "iterations": 1, "elites": 1, "noise": uniform}
    habits = {"return_best": True, "warm_start": False}
    return SamplingPlanner(model, objective, generator, **numbers | habits | fields)


def cem(model: WorldModel, objective: Objective, generator: Generator, **fields: Any) -> SamplingPlanner:
    """Cross-entropy method with PlaNet's numbers (Hafner 2019, algorithm 2). fields: of `SamplingPlanner`."""
    numbers: dict[str, Any] = {"horizon": 12, "candidates": 1000, "iterations": 10, "elites": 100}
    return SamplingPlanner(model, objective, generator, **numbers | fields)


def icem(model: WorldModel, objective: Objective, generator: Generator, **fields: Any) -> SamplingPlanner:
    """Improved CEM (Pinneri 2020, arXiv 2008.06389): coloured noise, elites tried again in the next iteration and the
    next decision, shrinking populations, the mean tried last, the best executed. fields: of `SamplingPlanner`.
    """
    numbers: dict[str, Any] = {"horizon": 12, "candidates": 128, "iterations": 5, "elites": 10, "std": 0.5}
    habits = {"noise": Coloured(2.0), "momentum": 0.1, "decay": 1.25, "keep": 0.3}
    choices = {"mean_last": True, "return_best": True}
    return SamplingPlanner(model, objective, generator, **numbers | habits | choices | fields)


def mppi(model: WorldModel, objective: Objective, generator: Generator, **fields: Any) -> SamplingPlanner:
    """Model predictive path integral control (Williams 2017): all candidates count by score, the std stays, the mean is
    smoothed. ``temperature`` is in units of return. fields: of `SamplingPlanner`.
    """
    numbers: dict[str, Any] = {"horizon": 12, "candidates": 1000, "iterations": 3, "temperature": 0.1, "std": 0.5}
    window = max(1, min(5, (fields.get("horizon", numbers["horizon"]) - 1) // 2 * 2 + 1))
    habits = {"elites": fields.get("candidates", numbers["candidates"]), "adapt_std": False, "smoothing": window}
    return SamplingPlanner(model, objective, generator, **numbers | habits | fields)


def tdmpc(model: WorldModel, objective: Objective, generator: Generator, **fields: Any) -> SamplingPlanner:
    """TD-MPC's search without its policy (Hansen 2022, algorithm 1): elites count by score, mean and std are refitted.
    Its temperature 0.5 multiplies scores; ours divides. fields: of `SamplingPlanner`.
    """
    numbers: dict[str, Any] = {"horizon": 5, "candidates": 512, "iterations": 6, "elites": 64, "temperature": 2.0}
    habits = {"std": 2.0, "momentum": 0.1, "min_std": 0.05}
    return SamplingPlanner(model, objective, generator, **numbers | habits | fields)
