"""What a run learns beside its model: with it, in it, or from a planner; and the planners that use it."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from experiments import policies, run_folder
from experiments.check_config import check
from experiments.cli import main
from experiments.config import PlannerConfig
from experiments.errors import UserError
from experiments.evaluate import named_planner
from experiments.load import load_run
from experiments.metrics import read
from experiments.planning import discount_of, require_name
from experiments.policies import Policies
from experiments.presets import preset
from tests.experiments.conftest import TINY
from worldmodel.data_folder import open_folder

SMALL = ["--hidden", "16", "--horizon", "3", "--starts", "8", "--beliefs", "60"]


@pytest.fixture(scope="module")
def learned(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with an actor and a critic from imagination, and a distilled actor."""
    run = Path(shutil.copytree(tiny_run, tmp_path_factory.mktemp("learned") / "run"))
    assert main(["imagine", str(run), "--updates", "3", *SMALL]) == 0
    teacher = ["--teacher", "cem:candidates=8,iterations=1,elites=2,horizon=3"]
    assert main(["distil", str(run), *teacher, "--beliefs", "40", "--updates", "20", "--hidden", "8"]) == 0
    return run


def evaluated(run: Path, planner: str) -> int:
    return main(["evaluate", str(run), "--planner", planner, "--episodes", "1", "--processes", "1"])


@pytest.mark.parametrize("planner", ["actor", "distilled", "cem+value", "icem+policy", "mppi+policy+value"])
def test_learned_planners_are_evaluated_by_name(learned: Path, planner: str) -> None:
    assert evaluated(learned, planner) == 0


@pytest.mark.parametrize("planner", ["actor", "distilled", "cem+value:candidates=8,iterations=1,elites=2,horizon=3"])
def test_learned_planners_collect_data(learned: Path, tmp_path: Path, planner: str) -> None:
    size = ["--size", "32", "--episodes", "2", "--out", str(tmp_path / "data")]
    assert main(["collect", "pendulum", "--policy", f"{learned}:{planner}", *size]) == 0
    assert open_folder(tmp_path / "data").episodes == 2


def test_learned_planners_are_compared_with_the_others(learned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    planners = ["--planners", "cem", "cem+value", "actor"]
    assert main(["compare", str(learned), *planners, "--budget", "steps=200", "--episodes", "1"]) == 0
    out = capsys.readouterr().out
    assert "actor · steps=200: 5 model steps" in out
    assert len(list((learned / "compare").glob("cem+value-seed0-1-*.json"))) == 1


def test_an_actor_does_not_climb_the_ladder_and_that_is_said(learned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = ["--planners", "actor", "--budget", "steps=200", "--episodes", "1", "--ladder"]
    assert main(["compare", str(learned), *wanted]) == 0
    assert f"left out: {learned} does not climb the ladder" in capsys.readouterr().out


def test_an_actor_acts_from_python(learned: Path) -> None:
    agent = load_run(learned, "actor")
    action, thought = agent.act(torch.zeros(32, 32, 3, dtype=torch.uint8).numpy())
    assert action.shape == (1,)
    assert thought.plan.states.vector.shape[1] == agent.config.planner.horizon


def test_the_same_seed_learns_the_same_actor(learned: Path, tiny_run: Path, tmp_path: Path) -> None:
    again = Path(shutil.copytree(tiny_run, tmp_path / "again"))
    assert main(["imagine", str(again), "--updates", "3", *SMALL]) == 0
    assert policies.policies_digest(again) == policies.policies_digest(learned).split("-")[0]


@pytest.mark.parametrize(
    "agent", [["actor-critic"], ["slac", "--model", "slac", "--model.stoch", "8", "--model.first-level", "4"]]
)
def test_an_agent_trained_with_the_model_is_found_in_the_checkpoint(tmp_path: Path, agent: list[str]) -> None:
    run = tmp_path / "run"
    assert main([*TINY, "--agent", *agent, "--rounds", "2", "--out", str(run)]) == 0
    logged = [line for line in read(run / "metrics.jsonl") if "loss" in line][-1]
    assert {"actor_entropy", "critic_error"} <= set(logged)
    config, model = run_folder.load_model(run, torch.device("cpu"))
    found = policies.load(run, config, model.sizes, torch.device("cpu"))
    assert found.actor is not None
    assert found.discount == config.actor.discount
    assert evaluated(run, "cem+value") == 0


def test_a_soft_agent_learns_from_the_steps_of_a_finished_run(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    options = [
        "--agent",
        "slac",
        "--updates",
        "5",
        "--hidden",
        "8",
        "--starts",
        "16",
        "--steps",
        "3",
        "--discount",
        "0.9",
    ]
    assert main(["imagine", str(run), *options]) == 0
    assert "6 episodes, 600 steps" in capsys.readouterr().out
    config, model = run_folder.load_model(run, torch.device("cpu"))
    found = policies.load(run, config, model.sizes, torch.device("cpu"))
    assert found.discount == 0.9
    for planner in ("actor", "cem+value"):
        assert evaluated(run, planner) == 0
    assert main(["imagine", str(run), "--updates", "1", *SMALL]) == 0  # the last that was learned counts
    assert policies.load(run, config, model.sizes, torch.device("cpu")).discount == 0.97


def test_what_was_not_learned_is_said(tiny_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for planner, advice in (("actor", "worldmodel imagine"), ("distilled", "worldmodel distil")):
        assert evaluated(tiny_run, planner) == 2
        assert advice in capsys.readouterr().err


def test_a_policy_of_another_model_is_refused(
    learned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    assert main([*TINY, "--seed", "5", "--rounds", "1", "--out", str(other)]) == 0
    shutil.copytree(learned / policies.IMAGINED, other / policies.IMAGINED)
    assert evaluated(other, "actor") == 2
    assert "learned in the run's own model" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cem+wisdom", "value"),
        ("cam+value", "cem"),
        ("ilqr+policy", "planners that sample"),
        ("actor+policy", "sample"),
    ],
)
def test_names_that_cannot_be_are_refused(name: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        require_name(name)


def test_a_run_s_own_planner_keeps_its_numbers_with_a_value() -> None:
    own = PlannerConfig("cem", 17, candidates=33)
    assert named_planner("cem+value", own) == PlannerConfig("cem+value", 17, candidates=33)
    assert named_planner("icem+policy", own) == PlannerConfig("icem+policy", 17)


def test_a_critics_discount_is_its_planners_unless_another_is_given() -> None:
    known = Policies(discount=0.9)
    assert discount_of(PlannerConfig("cem+value"), known) == 0.9
    assert discount_of(PlannerConfig("cem+value", discount=0.8), known) == 0.8
    assert discount_of(PlannerConfig("icem+policy"), known) == 1.0


def test_how_weights_begin_is_an_option(tiny_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    most = []
    for asked in ("--orthogonal", "--no-orthogonal"):
        options = ["--agent", "slac", "--updates", "1", "--hidden", "8", "--starts", "16", "--learning-rate", "1e-6"]
        assert main(["imagine", str(run), *options, asked]) == 0
        config, model = run_folder.load_model(run, torch.device("cpu"))
        actor = policies.load(run, config, model.sizes, torch.device("cpu")).actor
        assert actor is not None
        most.append(float(actor.net[-1].weight.detach().abs().max()))
    assert most[0] > 0.1
    assert most[1] < 1e-5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--planner.name", "actor"], "learns beside its model"),
        (["--agent", "slac", "--env", "gym:CartPole-v1"], "for continuous actions"),
        (["--agent", "actor-critic", "--actor.horizon", "0"], "--actor.horizon must be at least 1"),
    ],
)
def test_agents_that_cannot_be_are_refused_before_anything_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    assert main([*TINY, *options, "--out", str(tmp_path / "run")]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_an_agents_run_may_be_evaluated_by_its_actor_as_a_rule() -> None:
    check(replace(preset("tiny"), agent="actor-critic", planner=PlannerConfig("actor", 3)))


@pytest.mark.parametrize(
    ("options", "words"),
    [(["--discount", "1.5"], "actor.discount must be in (0, 1]"), (["--updates", "0"], "--updates must be at least 1")],
)
def test_numbers_that_cannot_be_are_refused(
    tiny_run: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    assert main(["imagine", str(tiny_run), *options]) == 2
    assert words in capsys.readouterr().err
