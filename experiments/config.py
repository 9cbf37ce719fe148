"""What a training run is made of: one frozen dataclass, every field of which the command line can set."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

import tyro

from worldmodel.build import ModelConfig


@dataclass(frozen=True)
class PlannerConfig:
    """Which planner, and how hard it thinks. None takes the planner's own default."""

    name: str = "cem"
    """random-shooting, cem, icem, mppi, tdmpc, ilqr, gradient; where a run has learned them actor, distilled, and any
    planner with +value or +policy."""
    horizon: int = 15
    """Steps looked ahead."""
    iterations: int | None = None
    """Refits of the distribution, or steps of the optimiser."""
    candidates: int | None = None
    """Action sequences tried per iteration (sampling planners)."""
    elites: int | None = None
    """Candidates that the distribution is refitted to (sampling planners)."""
    colour: float | None = None
    """Exponent of coloured noise: 0 white, 2 for slow swings (sampling planners)."""
    temperature: float | None = None
    """Of the weights by score (mppi, tdmpc)."""
    std: float | None = None
    """First standard deviation of the actions (sampling planners)."""
    min_std: float | None = None
    """Lower limit of the refitted one (sampling planners)."""
    momentum: float | None = None
    """Share of the old mean and std that a refit keeps (sampling planners)."""
    starts: int | None = None
    """Initial trajectories side by side (ilqr, gradient)."""
    replan_every: int | None = None
    """Plan anew every so many decisions, follow the gains in between (ilqr)."""
    learning_rate: float | None = None
    """Of Adam on the actions (gradient)."""
    discount: float = 1.0
    """Weight of a reward one step later."""


@dataclass(frozen=True)
class ActorConfig:
    """How an actor and its critic learn: in the model's imagination, or softly from the replay (slac)."""

    hidden: int = 128
    """Width of the two hidden layers of each."""
    horizon: int = 15
    """Steps imagined (not slac)."""
    starts: int = 128
    """Filtered states per update that imagination starts from; steps of the replay (slac)."""
    discount: float = 0.97
    """Weight of a reward one step later."""
    mixing: float = 0.95
    """λ of the returns: 0 trusts the critic after one step, 1 after the last alone."""
    entropy: float = 3e-4
    """Weight of the entropy bonus, in returns per nat."""
    gradient: Literal["pathwise", "score"] = "pathwise"
    """Through the dynamics, or by the score function where latents or actions are discrete (not slac)."""
    sample_latent: bool = False
    """Imagine with sampled dynamics rather than with their mean."""
    follow: float = 0.1
    """How far the slow critic moves towards the critic per update."""
    learning_rate: float = 1e-3
    """Of actor and critic; it falls with the model's."""
    clip: float = 100.0
    """Largest gradient norm, of each."""
    target_entropy: float = -1.0
    """In nats per action dimension (slac)."""
    dropout: float = 0.0
    """Share of the critics' hidden units that an update leaves out, so that they know fewer latents by heart (slac)."""
    orthogonal: bool = True
    """Begin with orthogonal weights in all layers; else with PyTorch's, and an actor that does the same in every state
    (slac). On finger's true state they did better, in cartpole's models worse."""
    collector: Literal["policy", "planner"] = "planner"
    """Who collects: the actor itself, sampled, or the planner of --collect, which may be one that knows the actor, e.g.
    --collect.name icem+policy+value."""
    train_ratio: float = 2.0
    """Updates of the agent per update of the model, beside which it learns."""
    turn: int = 0
    """Episodes collected between two lessons of the agent (slac, with --afresh): it learns in the finished model of
    each round, from the steps of all episodes so far. 0: beside the model."""
    first_lesson: int = 4000
    """Updates of the agent in each new model but the last (in turns)."""
    last_lesson: int = 15_000
    """Updates of the agent in the last model, which is evaluated (in turns)."""
    lesson: int = 250
    """Updates of the agent per episode collected since (in turns)."""
    steps: int = 1
    """Rewards added up before the critic's value counts (slac, in a finished model)."""


@dataclass(frozen=True)
class DataSource:
    """The data folder that an offline run learns from, as it was when the run began.

    observation: (height, width, channel); action and state: number of dimensions; discrete: whether actions are one-hot
    choices. fingerprint: of the episodes, by which the data is known again; where it lies may change.
    """

    path: str = field(compare=False)
    observation: tuple[int, int, int]
    action: int
    state: int
    discrete: bool
    fingerprint: str


@dataclass(frozen=True)
class TrainConfig:
    """A training run: alternate collecting episodes and fitting the model; or fit it to a data folder alone."""

    env: str = "pendulum"
    """Environment, as listed by `worldmodel envs`, or dmc:TASK, gym:ID, module:Class; none for data
    whose environment is not known."""
    size: int = 32
    """Side of the images in pixels."""
    seed: int = 0
    """Decides everything random: weights, start states, noise, batches."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto takes CUDA where there is one."""
    threads: int = 1
    """CPU threads for the training process; the collector has a process of its own."""
    seed_episodes: int = 50
    """Episodes of random actions before the first update."""
    exploration: float = 0.9
    """Correlation in time of the random actions in the seed episodes, in [0, 1)."""
    rounds: int = 20
    """Rounds of fitting and collecting; a checkpoint after each."""
    updates: int = 100
    """Gradient steps per round."""
    episodes: int = 16
    """Episodes collected per round, side by side, with the weights of the round's start. The first round collects none,
    and the last only if it begins afresh."""
    envs: int = 1
    """Environments stepped at once while collecting, each in a process of its own; 1: all in the collecting process.
    For slow ones (dmc:, gym:, module:Class); the numbers are the same."""
    afresh: bool = False
    """Each round begins with new weights, once its episodes are collected with those of the round before: a model that
    is fitted again and again knows its first episodes best. --updates is of the last round, where --last-updates is not
    given; those before have fewer, in proportion to the episodes there are by then, but no fewer than a third."""
    last_updates: int = 0
    """Gradient steps of the last round in place of --updates, with --afresh: its model is the one that is kept, and the
    longer it learns, the more exact is its belief. 0: no other number."""
    action_noise: float = 1.0
    """Largest standard deviation of the noise added to the planner's actions while collecting: the episodes of a round
    are spread from none to this much."""
    explore: float = 0.0
    """Largest weight of surprise beside reward while collecting, in rewards per usual surprise: where rewards are rare.
    The episodes of a round are spread from none to this, and it falls to 0 over the run (Plan2Explore)."""
    batch: int = 16
    """Windows per update."""
    length: int = 32
    """Rows per window."""
    paid: float = 0.0
    """Share of the windows that hold a row that pays more than the mean, in [0, 1]: where rewards are rare."""
    shift: int = 0
    """Most pixels by which the encoder's pictures are shifted, whole windows alike, while the decoder's stay: where
    there are few frames, the encoder learns them by heart otherwise (DrQ)."""
    optimizer: Literal["adam", "muon"] = "muon"
    """Of the model. muon: each weight matrix's momentum made orthogonal (Jordan 2024), Adam for the rest. Adam alone
    wants a learning rate of 2e-3."""
    learning_rate: float = 8e-3
    final_learning_rate: float = 4e-4
    """Reached by a cosine over the whole run, or over each round that begins afresh."""
    clip: float = 1000.0
    """Largest gradient norm."""
    average: float = 0.99
    """Decay of the moving average of the weights that planners and checkpoints use; 0 for the last weights."""
    replay_gb: float = 2.0
    """Cap of the replay on disk in GB; beyond it the oldest whole episodes are dropped."""
    model: ModelConfig = field(default_factory=ModelConfig)
    collect: PlannerConfig = field(
        default_factory=lambda: PlannerConfig("icem", 15, candidates=64, iterations=3, elites=8)
    )
    """The planner that collects."""
    planner: PlannerConfig = field(default_factory=lambda: PlannerConfig("cem", 15, 4, 150, 15, colour=1.5))
    """The planner that evaluates, unless `evaluate` says otherwise."""
    agent: Literal["planner", "actor-critic", "slac"] = "planner"
    """planner: none is learned, the planner of --collect collects. Otherwise an actor learns beside the model and
    collects: in the model's imagination, or by soft actor-critic from the filtered states of the replay (SLAC; with
    --model slac as published)."""
    actor: ActorConfig = field(default_factory=ActorConfig)
    """The actor's and its critic's numbers."""
    data: Annotated[DataSource | None, tyro.conf.Suppress, tyro.conf.Fixed] = None
    """Set by --data: nothing is collected, and no environment is made."""


def planner_collects(config: TrainConfig) -> bool:
    return config.agent == "planner" or config.actor.collector == "planner"


def in_turns(config: TrainConfig) -> bool:
    """Whether the agent learns between the episodes of a round, rather than beside the model."""
    return config.agent == "slac" and config.actor.turn > 0


def turns(config: TrainConfig) -> int:
    """In how many goes the episodes of a round are collected."""
    return config.episodes // config.actor.turn if in_turns(config) else 1


def to_json(config: TrainConfig) -> dict[str, Any]:
    return asdict(config)


def from_json(data: dict[str, Any]) -> TrainConfig:
    """The inverse of `to_json`; raises ValueError for fields this version does not know."""
    values = dict(data)
    try:
        values["model"] = ModelConfig(**values["model"])
        values["collect"] = PlannerConfig(**values["collect"])
        values["planner"] = PlannerConfig(**values["planner"])
        values["actor"] = ActorConfig(**values["actor"])
        if values.get("data"):
            data = values["data"]
            values["data"] = DataSource(**data | {"observation": tuple(data["observation"])})
        return TrainConfig(**values)
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"A run's configuration must have the fields of this version; it has others ({error}). "
            "Use the version of the package that wrote it, or train again."
        ) from error
