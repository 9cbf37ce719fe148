"""Updates in imagination: whose gradient goes where, what is logged, what is refused; and a problem with an answer."""

import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from planners.actor_critic.agent import ActorCritic
from planners.actor_critic.imagination import imagine
from planners.actor_critic.update import NonFiniteAgent, Optimizers, Settings, judge, update
from planners.interface import Objective
from planners.objective import ControlPenalty, LearnedReward, Sum
from tests.planners import toys
from tests.worldmodel.examples import CONFIGS
from worldmodel.build import build
from worldmodel.interface import Sizes, State, WorldModel

GRADIENTS = ("pathwise", "score")


@dataclass
class Learner:
    """An agent with its optimisers on one model."""

    model: WorldModel
    objective: Objective
    agent: ActorCritic
    optimizers: Optimizers
    generator: torch.Generator

    def update(self, start: State, settings: Settings) -> dict[str, Tensor]:
        return update(self.agent, self.optimizers, self.model, self.objective, start, self.generator, settings)


def learner(model: WorldModel, objective: Objective | None = None, rate: float = 1e-2, min_std: float = 0.1) -> Learner:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        sizes = model.sizes
        agent = ActorCritic(sizes.latent, sizes.action, [64, 64], min_std, sizes.discrete)
    optimizers = Optimizers(*(torch.optim.Adam(part.parameters(), lr=rate) for part in (agent.actor, agent.critic)))
    return Learner(model, objective or LearnedReward(model), agent, optimizers, torch.Generator().manual_seed(0))


def starts(count: int, generator: torch.Generator) -> State:
    latent = 2 * torch.rand(count, 2, generator=generator) - 1
    return State(latent[:, :1], latent[:, 1:])


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("name", CONFIGS)
def test_no_gradient_reaches_the_world_model(name: str, gradient: str) -> None:
    model = build(CONFIGS[name], (32, 32, 3), 1)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    one = learner(model)
    state = model.initial(3).state
    found = one.update(state.map(lambda x: x + 0.1), Settings(horizon=3, gradient=gradient))
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert found["actor_gradient_norm"] > 0
    assert found["critic_gradient_norm"] > 0


def test_the_gradient_of_the_return_comes_through_the_dynamics() -> None:
    """One step of a policy with a mean of zero: d return / d bias by hand."""
    one = learner(toys.Toy(lambda z, a: z + torch.cat([a, 0 * a], -1), lambda z: -((z[..., 0] - 1) ** 2)))
    judged = judge(one.agent, one.model, one.objective, starts(4, one.generator), one.generator, Settings(horizon=1))
    (slope,) = torch.autograd.grad(judged.returns.sum(), [one.agent.actor.net[-1].bias])
    by_action = -2 * (judged.imagined.after.deter - 1)
    squashed = 1 - judged.imagined.actions**2
    assert slope[0].item() == pytest.approx((by_action * squashed).sum().item())


def test_the_gradient_counts_how_the_actor_answers_to_where_it_went() -> None:
    """On a system that doubles each error, against central differences of the return of five steps."""
    one = learner(toys.Toy(lambda z, a: 2 * z + torch.cat([a, 0 * a], -1), lambda z: -(z[..., 0] ** 2)))
    actor, start = one.agent.actor.double(), starts(8, one.generator).map(lambda x: 0.1 * x.double())
    noise = torch.randn(8, 5, 1, generator=one.generator, dtype=torch.float64)
    with torch.no_grad():
        actor.net[-1].weight.copy_(torch.randn(2, 64, generator=one.generator) / 8)

    def total() -> Tensor:
        imagined = imagine(one.model, actor, start, noise)
        return one.objective.reward(imagined.after, imagined.actions).sum()

    weight = actor.net[0].weight
    (slope,) = torch.autograd.grad(total(), [weight])
    for row, column in ((0, 0), (3, 0), (7, 1)):
        with torch.no_grad():
            weight[row, column] += 1e-6
            up = total()
            weight[row, column] -= 2e-6
            down = total()
            weight[row, column] += 1e-6
        assert slope[row, column].item() == pytest.approx((up - down).item() / 2e-6, rel=1e-4)


def test_imagined_states_follow_the_models_steps() -> None:
    toy, generator = toys.point_mass(), torch.Generator().manual_seed(0)
    one, start = learner(toy), starts(5, generator)
    noise, latent = torch.randn(5, 4, 1, generator=generator), torch.randn(5, 4, 1, generator=generator)
    imagined = imagine(toy, one.agent.actor, start, noise, latent)
    torch.testing.assert_close(imagined.after.vector, toy.rollout(start, imagined.actions, latent).vector)
    torch.testing.assert_close(imagined.before.vector[:, 0], start.vector)
    torch.testing.assert_close(torch.tanh(imagined.raw), imagined.actions)


def test_the_slow_critic_follows_slowly() -> None:
    one = learner(toys.point_mass())
    before = [p.clone() for p in one.agent.slow.parameters()]
    one.update(starts(8, one.generator), Settings(horizon=2, follow=0.25))
    for old, slow, fast in zip(before, one.agent.slow.parameters(), one.agent.critic.parameters(), strict=True):
        torch.testing.assert_close(slow, old + 0.25 * (fast - old))


def test_returns_are_scaled_by_their_spread_but_never_up() -> None:
    agent = ActorCritic(2, 1, [8])
    assert agent.scale(torch.linspace(0, 0.1, 100)) == 1
    for _ in range(1000):
        scale = agent.scale(torch.linspace(0, 100, 101))
    assert scale.item() == pytest.approx(90, rel=1e-3)


def test_the_entropy_bonus_keeps_the_policy_wide() -> None:
    wide, narrow = (learner(toys.point_mass(), penalised(toys.point_mass())) for _ in range(2))
    for _ in range(60):
        many = wide.update(starts(32, wide.generator), Settings(horizon=3, entropy=1.0))
        few = narrow.update(starts(32, narrow.generator), Settings(horizon=3, entropy=0.0))
    assert many["actor_entropy"] > few["actor_entropy"] + 0.5


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_what_is_not_finite_changes_nothing_and_is_said(gradient: str) -> None:
    one = learner(toys.all_poisoned())
    before = {key: value.clone() for key, value in one.agent.state_dict().items() if key != "spread"}
    with pytest.raises(NonFiniteAgent, match="must be finite"):
        one.update(starts(4, one.generator), Settings(horizon=2, gradient=gradient))
    after = one.agent.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())


def test_the_same_seed_gives_the_same_agent() -> None:
    one, other = (learner(toys.point_mass()) for _ in range(2))
    for _ in range(2):
        for each in (one, other):
            each.update(starts(8, each.generator), Settings(horizon=3))
    pairs = zip(one.agent.state_dict().values(), other.agent.state_dict().values(), strict=True)
    assert all(torch.equal(mine, theirs) for mine, theirs in pairs)


class Steps(toys.Toy):
    """A walker that steps left, stays, or steps right."""

    @property
    def sizes(self) -> Sizes:
        return super().sizes._replace(action=3, discrete=True)


def test_discrete_actions_are_learned_by_the_score_function() -> None:
    """The reward is highest at 0.5: right of it the policy steps left, left of it right."""
    toy = Steps(
        lambda z, a: z + torch.cat([(a[..., 2:] - a[..., :1]) / 4, 0 * z[..., 1:]], -1),
        lambda z: -((z[..., 0] - 0.5) ** 2),
    )
    one = learner(toy)
    for _ in range(80):
        found = one.update(starts(64, one.generator), Settings(horizon=3, discount=0.9))
    choice = one.agent.actor(State(torch.tensor([[-1.0], [1.0]]), torch.zeros(2, 1))).mode
    assert choice.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert 0 <= found["actor_entropy"] <= math.log(3)


# --- the point mass with a quadratic reward: the best policy is linear, its value a quadratic form --------------------

PUSH, PENALTY, DISCOUNT = 4.0, 16 * toys.POINT_PENALTY, 0.9  # states within 1 keep the best actions within 1


def penalised(model: nn.Module | WorldModel) -> Objective:
    return Sum((LearnedReward(model), ControlPenalty(PENALTY)), (1.0, 1.0))


def strong_point_mass() -> toys.Toy:
    """`toys.point_mass` with a stronger push, so that latents are of the size of one."""
    plain = toys.point_mass()
    return toys.Toy(lambda latent, action: plain.transition(latent, PUSH * action), plain.reward_of)


def riccati() -> tuple[Tensor, Tensor]:
    """Gain ``K [1, 2]`` and ``P [2, 2]``: a = -K z, value = -z' P z (discounted, rewards paid on arrival)."""
    a, b, q = toys.POINT_A, PUSH * toys.POINT_B, toys.POINT_Q
    p = torch.zeros_like(q)
    for _ in range(500):
        m = q + DISCOUNT * p
        gain = torch.linalg.solve(PENALTY + b.T @ m @ b, b.T @ m @ a)
        closed = a - b @ gain
        p = closed.T @ m @ closed + PENALTY * gain.T @ gain
    return gain.float(), p.float()


@pytest.mark.slow
def test_a_linear_quadratic_problem_is_solved_to_five_percent() -> None:
    toy, updates = strong_point_mass(), 1500
    one = learner(toy, penalised(toy), min_std=0.02)
    settings = Settings(horizon=10, discount=DISCOUNT, entropy=0.0, follow=0.1)
    schedules = [torch.optim.lr_scheduler.CosineAnnealingLR(each, updates) for each in one.optimizers]
    for _ in range(updates):
        one.update(starts(64, one.generator), settings)
        for schedule in schedules:
            schedule.step()
    gain, p = riccati()
    state = starts(1000, one.generator)
    with torch.no_grad():
        action, value = one.agent.actor(state).mode, one.agent.critic(state)
    learned = -torch.linalg.lstsq(state.vector, action).solution.T
    true = -((state.vector @ p) * state.vector).sum(-1)
    torch.testing.assert_close(learned, gain, rtol=0.05, atol=0)
    assert (value - true).abs().mean() < 0.05 * true.abs().mean()
