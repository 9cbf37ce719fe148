"""Lessons: an agent learns in the finished model of a round, from the filtered steps of all episodes so far.

Nothing moves under it then, an update looks at no picture, and what the agent does well or badly is known to it a few
episodes later. In turns: while some episodes are played, it learns from all those before.
"""

from __future__ import annotations

from experiments.beliefs import filtered_episodes
from experiments.collector import Collector
from experiments.config import turns
from experiments.learner import SoftLearner, set_rate
from experiments.schedule import falling
from experiments.training import Progress, Training, add_episodes
from planners.actor_critic.filtered_episodes import FilteredEpisodes, join
from planners.episode import Run

TOLD_EVERY = 500  # updates


def first_lesson(training: Training, progress: Progress) -> None:
    """What the agent can learn from the episodes so far, in a new model; in the last one it is given more time."""
    episodes, config = filtered_episodes(training.model, training.replay.episodes("train")), training.config
    last = training.round == config.rounds - 1
    updates = config.actor.last_lesson if last else config.actor.first_lesson
    numbers = teach(training, episodes, updates, progress, falls=True)
    training.log(**{f"lesson_{name}": value for name, value in numbers.items()})


def collect_in_turns(training: Training, collector: Collector, progress: Progress) -> list[Run]:
    """A round's episodes, of which each turn is played with the agent as it was when the turn began."""
    config, runs, played = training.config, list[Run](), list[Run]()
    episodes = filtered_episodes(training.model, training.replay.episodes("train"))
    for turn in range(turns(config)):
        collector.start(training.round, {"model": training.model, **training.beside}, turn)
        if played:
            episodes = join([episodes, filtered_episodes(training.model, [run.episode for run in played])])
            teach(training, episodes, len(played) * config.actor.lesson, progress)
        played = collector.result()
        add_episodes(training, played, progress)
        runs += played
    return runs


def teach(
    training: Training, episodes: FilteredEpisodes, updates: int, progress: Progress, falls: bool = False
) -> dict[str, float]:
    """Returns numbers of the last update, for the log. falls: whether the learning rate does."""
    learner = training.learner
    assert isinstance(learner, SoftLearner)
    numbers = dict[str, float]()
    for done in range(1, updates + 1):
        set_rate(learner, falling((done - 1) / updates) if falls else 1.0)
        found = learner.teach(episodes)
        if done % TOLD_EVERY == 0 or done == updates:
            numbers = {name: float(value) for name, value in found.items()}
            progress.taught(done, updates, numbers)
    return numbers
