"""Soft actor-critic: its targets by hand, its temperature at the target entropy, its policy on a bandit."""

import math

import pytest
import torch
from torch import nn

from planners.actor_critic.soft_agent import Dropout, SoftActorCritic
from planners.actor_critic.soft_update import (
    SoftOptimizers,
    SoftSettings,
    Transitions,
    soft_update,
    transitions,
    value_target,
)
from planners.actor_critic.update import NonFiniteAgent
from worldmodel.interface import State

BEST = 0.4
RATES = (1e-2, 1e-2, 3e-2)


def agent_of(seed: int = 0) -> tuple[SoftActorCritic, SoftOptimizers]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        agent = SoftActorCritic(2, 1, [32])
    parts = (agent.actor.parameters(), agent.critic.parameters(), [agent.log_temperature])
    return agent, SoftOptimizers(*(torch.optim.Adam(p, lr=rate) for p, rate in zip(parts, RATES, strict=True)))


def states(count: int, generator: torch.Generator) -> State:
    latent = torch.rand(count, 2, generator=generator) * 2 - 1
    return State(latent[:, :1], latent[:, 1:])


def bandit(count: int, generator: torch.Generator) -> Transitions:
    """Episodes of one step: the nearer the action is to `BEST`, the higher the reward."""
    action = torch.rand(count, 1, generator=generator) * 2 - 1
    reward = -10 * (action[:, 0] - BEST) ** 2
    before, after = states(count, generator), states(count, generator)
    return Transitions(before, action, reward, torch.zeros(count), after)


def test_the_temperature_reaches_its_target_entropy_and_the_policy_the_best_action() -> None:
    (agent, optimizers), generator = agent_of(), torch.Generator().manual_seed(0)
    settings, entropies = SoftSettings(target_entropy=-0.5), []
    for _ in range(600):
        found = soft_update(agent, optimizers, bandit(48, generator), generator, settings)
        entropies.append(float(found["actor_entropy"]))
    assert sum(entropies[-100:]) / 100 == pytest.approx(-0.5, abs=0.05)
    mode = agent.actor(states(50, generator)).mode
    torch.testing.assert_close(mode, torch.full_like(mode, BEST), atol=0.1, rtol=0)
    assert float(found["temperature"]) > 0


def test_weights_are_orthogonal_so_that_an_untrained_actor_does_something_else_in_every_state() -> None:
    (agent, _), generator = agent_of(), torch.Generator().manual_seed(0)
    layers = [layer for layer in agent.modules() if isinstance(layer, nn.Linear)]
    assert len(layers) == 10  # two of the actor, of both critics and of their slow copies
    for layer in layers:
        wide = layer.weight if layer.out_features <= layer.in_features else layer.weight.T
        torch.testing.assert_close(wide @ wide.T, torch.eye(len(wide)), atol=1e-5, rtol=0)
        assert not layer.bias.any()
    assert float(agent.actor(states(50, generator)).mode.detach().std()) > 0.2
    for slow, quick in zip(agent.slow.parameters(), agent.critic.parameters(), strict=True):
        torch.testing.assert_close(slow.data, quick.data, atol=0, rtol=0)


def test_with_torchs_weights_an_untrained_actor_does_nothing_anywhere() -> None:
    agent = SoftActorCritic(2, 1, [32], orthogonal=False)
    assert not agent.actor(states(50, torch.Generator().manual_seed(0))).mode.any()
    assert agent.critic.nets[0][0].bias.any()


def test_targets_by_hand_and_nothing_follows_an_end() -> None:
    (agent, _), generator = agent_of(), torch.Generator().manual_seed(0)
    steps = bandit(4, generator)._replace(carry=torch.tensor([0.0, 0.9, 0.0, 0.9]))
    noise = torch.randn(4, 1, generator=generator)
    target = value_target(agent, steps, noise, torch.tensor(0.3))
    action, raw = agent.actor(steps.after).sample(noise)
    soft = torch.minimum(*agent.slow(steps.after, action)) - 0.3 * agent.actor(steps.after).log_prob(raw)
    torch.testing.assert_close(target, steps.reward + 0.9 * soft * torch.tensor([0.0, 1.0, 0.0, 1.0]))


def test_a_step_joins_neighbouring_rows_of_one_episode() -> None:
    """Row t holds the action that led there; a row that begins an episode has nothing before it."""
    time = torch.arange(4.0)[None, :, None]
    usable = torch.tensor([[True, True, False, True]])
    terminated = torch.tensor([[False, False, False, True]])
    steps = transitions(State(time, time + 10), time, time[..., 0], terminated, usable, discount=0.9)
    assert steps.before.deter[:, 0].tolist() == [0, 2]
    assert steps.after.deter[:, 0].tolist() == [1, 3]
    assert steps.action[:, 0].tolist() == steps.reward.tolist() == [1, 3]
    torch.testing.assert_close(steps.carry, torch.tensor([0.9, 0.0]))


def test_the_value_is_the_lower_of_both_slow_critics_at_the_mode() -> None:
    (agent, _), generator = agent_of(), torch.Generator().manual_seed(0)
    state = states(5, generator)
    one, other = agent.slow(state, agent.actor(state).mode)
    torch.testing.assert_close(agent.value(state), torch.minimum(one, other))


def test_dropout_leaves_out_its_share_and_keeps_the_mean() -> None:
    dropped = Dropout(0.25, torch.Generator().manual_seed(0))(torch.ones(200, 100))
    assert (dropped == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)
    torch.testing.assert_close(dropped.unique(), torch.tensor([0.0, 1 / 0.75]))


def test_dropout_is_in_hidden_layers_alone_another_in_every_row_and_follows_the_generator() -> None:
    (agent, _), generator = agent_of(), torch.Generator().manual_seed(0)
    state, action = states(1, generator), torch.zeros(1, 1)
    many, actions = state.map(lambda x: x.expand(500, -1)), action.expand(500, -1)
    one, again = (agent.critic.least(many, actions, Dropout(0.3, torch.Generator().manual_seed(1))) for _ in range(2))
    assert torch.equal(one, again)
    assert len(one.unique()) > 400
    with torch.no_grad():
        for net in agent.critic.nets:
            assert isinstance(net[0], torch.nn.Linear)
            net[0].weight.zero_()  # then a layer gives nothing that could be left out
            net[0].bias.zero_()
    same = agent.critic.least(many, actions, Dropout(0.3, generator))
    torch.testing.assert_close(same, agent.critic.least(many, actions))


def test_critics_learn_under_dropout_from_targets_under_dropout() -> None:
    """The mean over many draws is not the value without, but near it; and an update takes its share of numbers."""
    (agent, optimizers), generator = agent_of(), torch.Generator().manual_seed(0)
    steps = bandit(2000, generator)._replace(carry=torch.ones(2000))
    noise = torch.zeros(2000, 1)
    whole = value_target(agent, steps, noise, torch.tensor(0.0))
    some = value_target(agent, steps, noise, torch.tensor(0.0), Dropout(0.1, generator))
    assert not torch.equal(some, whole)
    assert (some - whole).mean().abs() < 0.1 * whole.std()
    settings = SoftSettings(target_entropy=-0.5, dropout=0.1)
    for _ in range(600):
        soft_update(agent, optimizers, bandit(48, generator), generator, settings)
    mode = agent.actor(states(50, generator)).mode
    torch.testing.assert_close(mode, torch.full_like(mode, BEST), atol=0.2, rtol=0)  # what is left out blurs the values


def test_what_is_not_finite_changes_nothing_and_is_said() -> None:
    (agent, optimizers), generator = agent_of(), torch.Generator().manual_seed(0)
    before = {key: value.clone() for key, value in agent.state_dict().items()}
    steps = bandit(4, generator)._replace(reward=torch.full((4,), math.nan))
    with pytest.raises(NonFiniteAgent, match="must be finite"):
        soft_update(agent, optimizers, steps, generator, SoftSettings())
    assert all(torch.equal(value, before[key]) for key, value in agent.state_dict().items())
