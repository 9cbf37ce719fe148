"""The actor as a planner, as a source of candidates, and as the copy of another planner."""

import pytest
import torch

from planners.actor_critic.actor import Actor
from planners.actor_critic.distil import decisions, imitate, mismatch
from planners.actor_critic.policy import ActorPlanner
from planners.actor_critic.proposals import ActorProposals
from planners.objective import LearnedReward, WithTail
from planners.predict import predict
from planners.sampling import SamplingPlanner, cem, icem, mppi, random_shooting
from tests.planners import toys
from worldmodel.interface import State


def runner(bias: float) -> Actor:
    """An actor that always pushes to the same side."""
    with torch.random.fork_rng(devices=[]):
        actor = Actor(2, 1, []).double()
    torch.nn.init.zeros_(actor.net[0].weight)
    torch.nn.init.constant_(actor.net[0].bias[:1], bias)
    return actor


def planner_of(toy: toys.Toy, actor: Actor, **numbers: object) -> ActorPlanner:
    return ActorPlanner(toy, LearnedReward(toy), torch.Generator().manual_seed(0), actor, **numbers)


def test_a_sampled_policy_explores_and_each_environment_for_itself() -> None:
    toy, state = toys.point_mass(), toys.latents((0.3, 0.0), (0.3, 0.0))
    actions = planner_of(toy, runner(0.0), sample=True).plan(state)[1].actions
    assert not torch.equal(actions[0], actions[1])
    assert torch.equal(planner_of(toy, runner(0.0)).plan(state)[1].actions, torch.zeros(2, 15, 1))


def test_a_policy_costs_its_horizon_and_no_budget_makes_it_search() -> None:
    one = planner_of(toys.point_mass(), runner(0.0), horizon=7)
    assert one.model_steps == one.with_budget(10_000).model_steps == 7
    with pytest.raises(ValueError, match="6 model steps are too few for horizon 7"):
        one.with_budget(6)
    with pytest.raises(ValueError, match="horizon must be at least 1"):
        planner_of(toys.point_mass(), runner(0.0), horizon=0)


def test_proposals_begin_with_the_mode_and_vary_from_there() -> None:
    toy, state = toys.point_mass(), toys.latents((0.3, 0.0), (-0.2, 0.1))
    proposed = ActorProposals(toy, runner(1.0), torch.Generator().manual_seed(0), 5, count=4)(state)
    assert proposed.shape == (2, 4, 5, 1)
    mode = planner_of(toy, runner(1.0), horizon=5).plan(state)[1].actions
    torch.testing.assert_close(proposed[:, 0], mode)
    assert (proposed[:, 1:] != proposed[:, :1]).any(-1).any(-1).all()


def test_a_search_finds_the_basin_that_its_actor_knows() -> None:
    """Six narrow candidates around zero stay in the worse basin; the actor runs to the better one."""
    toy, state = toys.two_basins(), toys.latents((0.0, 0.0))
    numbers = {"horizon": 8, "candidates": 12, "elites": 2, "std": 0.05}
    proposals = ActorProposals(toy, runner(-0.55), torch.Generator(), 8, count=2)
    alone = icem(toy, LearnedReward(toy), torch.Generator().manual_seed(0), **numbers).plan(state)[1]
    helped = icem(toy, LearnedReward(toy), torch.Generator().manual_seed(0), **numbers, proposals=proposals).plan(state)
    assert alone.states.deter[0, -1] > 0
    assert helped[1].states.deter[0, -1] < -0.5
    assert helped[1].value > alone.value + 5


@pytest.mark.parametrize("make", [random_shooting, cem, icem, mppi])
def test_proposals_count_as_model_steps_and_leave_room(make: object) -> None:
    toy = toys.point_mass()
    proposals = ActorProposals(toy, runner(0.0), torch.Generator(), 3)
    planner: SamplingPlanner = make(toy, LearnedReward(toy), torch.Generator(), horizon=3, proposals=proposals)
    plain = make(toy, LearnedReward(toy), torch.Generator(), horizon=3)
    assert planner.model_steps == plain.model_steps + 3 * 8
    small = planner.with_budget(400)
    assert small.model_steps <= 400
    small.plan(toys.latents((0.1, 0.0)))
    with pytest.raises(ValueError, match="more than the 8 proposals; got 8"):
        SamplingPlanner(toy, LearnedReward(toy), torch.Generator(), 3, 8, 1, 1, proposals=proposals)


def test_a_tail_is_what_comes_after_the_horizon() -> None:
    toy, state = toys.point_mass(), toys.latents((0.3, 0.0))
    actions = torch.zeros(1, 4, 1, dtype=torch.float64)
    plain = predict(toy, LearnedReward(toy), state, actions, 0.9)[1]
    tailed = predict(toy, WithTail(LearnedReward(toy), lambda s: 7 + 0 * s.deter[..., 0]), state, actions, 0.9)[1]
    torch.testing.assert_close(tailed, plain + 0.9**4 * 7)


def test_a_copy_decides_as_its_teacher_does() -> None:
    """The teacher is linear in the state; so are its decisions, and after training the copy's."""
    toy, generator = toys.point_mass(), torch.Generator().manual_seed(0)
    teacher = runner(0.0)
    teacher.net[0].weight.data[0] = torch.tensor([-1.0, 0.5])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        copy = Actor(2, 1, [32]).double()
    latent = torch.rand(500, 2, generator=generator, dtype=torch.float64) * 2 - 1
    states = State(latent[:, :1], latent[:, 1:])
    actions = decisions(planner_of(toy, teacher), states, batch=64)
    torch.testing.assert_close(actions, teacher(states).mode)
    optimizer = torch.optim.Adam(copy.parameters(), lr=1e-2)
    before = mismatch(copy, states, actions)
    for _ in range(200):
        imitate(copy, optimizer, states, actions, clip=100.0)
    assert mismatch(copy, states, actions) < 0.01 * before
