"""Collecting beside training or within it: the same episodes, and what goes wrong is said."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from experiments.collector import CollectorDied, InlineCollector, ProcessCollector
from experiments.config import PlannerConfig
from experiments.environment import shapes
from experiments.learner import make_learner
from experiments.presets import preset
from worldmodel.build import build
from worldmodel.sequence_vae import SequenceVAE

CONFIG = replace(preset("tiny"), episodes=2)


@pytest.fixture(scope="module")
def beside() -> Iterator[ProcessCollector]:
    collector = ProcessCollector(CONFIG)
    yield collector
    collector.close()


def model(seed: int = 0) -> SequenceVAE:
    form = shapes(CONFIG.env, CONFIG.size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build(CONFIG.model, form.observation, form.action)


def test_another_process_collects_the_same_episodes(beside: ProcessCollector) -> None:
    within = InlineCollector(CONFIG)
    for number in (1, 2):
        for collector in (within, beside):
            collector.start(number, {"model": model(number)})
        for mine, theirs in zip(within.result(), beside.result(), strict=True):
            for field, again in zip(mine.episode, theirs.episode, strict=True):
                np.testing.assert_array_equal(field, again)


def test_rounds_and_weights_make_a_difference() -> None:
    collector = InlineCollector(CONFIG)

    def actions(number: int, weights: int) -> bytes:
        collector.start(number, {"model": model(weights)})
        return collector.result()[0].episode.action.tobytes()

    assert len({actions(1, 0), actions(2, 0), actions(1, 5)}) == 3


def test_an_agent_collects_with_the_weights_it_is_sent_sampling_its_policy() -> None:
    numbers = replace(CONFIG.actor, collector="policy")
    config = replace(CONFIG, agent="actor-critic", action_noise=0.0, actor=numbers)
    collector, learner = InlineCollector(config), make_learner(config, model().sizes, torch.device("cpu"))
    assert learner is not None

    def actions(bias: float) -> np.ndarray:
        torch.nn.init.constant_(learner.module.actor.net[-1].bias[:1], bias)
        collector.start(1, {"model": model(), "agent": learner.module})
        return collector.result()[0].episode.action[1:, 0]

    left, right = actions(-5.0), actions(5.0)
    assert left.mean() < -0.7
    assert right.mean() > 0.7
    assert left.std() > 0.01


def test_a_planner_that_knows_the_agent_may_collect_for_it() -> None:
    """Here the actor as a planner: its mode, which runs to the left, without the sampling of a policy that explores."""
    numbers = replace(CONFIG.actor, collector="planner")
    config = replace(
        CONFIG, agent="actor-critic", action_noise=0.0, actor=numbers, collect=PlannerConfig("actor", horizon=2)
    )
    collector, learner = InlineCollector(config), make_learner(config, model().sizes, torch.device("cpu"))
    assert learner is not None
    torch.nn.init.constant_(learner.module.actor.net[-1].bias[:1], -5.0)
    collector.start(1, {"model": model(), "agent": learner.module})
    actions = collector.result()[0].episode.action[1:, 0]
    np.testing.assert_allclose(actions, np.tanh(3 * np.tanh(-5 / 3)), atol=1e-6)


def test_an_error_over_there_is_raised_here(beside: ProcessCollector) -> None:
    wrong = build(replace(CONFIG.model, deter=7), (32, 32, 3), 1)
    beside.start(3, {"model": wrong})
    with pytest.raises(RuntimeError, match="size mismatch"):
        beside.result()


def test_a_process_that_died_is_said() -> None:
    collector = ProcessCollector(CONFIG)
    collector._process.kill()
    with pytest.raises(CollectorDied, match=r"exit code -9.*--resume"):
        collector.result()
    collector.close()
