"""Published systems by name: every one learns and plans, any field can be another, nonsense is refused."""

from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from experiments.cli import main
from experiments.commands.leading import without
from experiments.commands.train import parse
from experiments.model_presets import MODELS, as_published
from experiments.planning import make_planner
from experiments.presets import preset
from planners.objective import LearnedReward
from tests.experiments.conftest import TINY
from tests.worldmodel.examples import normal, windows
from worldmodel.build import ModelConfig, build
from worldmodel.fit import update

every_model = pytest.mark.parametrize("name", MODELS)


@every_model
def test_it_learns_and_plans(name: str) -> None:
    """One update with finite losses that reaches every part, and a plan by sampling and by iLQR."""
    model = build(as_published(name, preset("tiny").model), (16, 16, 3), 2)
    batch = windows(3, 6, dtype=torch.float32)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    noise = normal(3, 6, model.sizes.stoch, dtype=torch.float32)
    losses = update(model, optimizer, batch, noise, 1, 100.0).losses
    assert all(value.isfinite() for value in losses.values())
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())
    belief = model.filter(model.initial(2), batch.action[:2, 0], batch.observation[:2, 0])
    for planner in (preset("tiny").planner, preset("tiny").planner.__class__("ilqr", 5, iterations=1)):
        chosen = make_planner(planner, model, LearnedReward(model), torch.Generator().manual_seed(0))
        action, _ = chosen.plan(belief.state)
        assert action.shape == (2, 2)
        assert action.isfinite().all()


def test_a_linear_roll_out_that_explodes_is_dear() -> None:
    """Nothing but its images holds one matrix back. A decoder that begins with sines paints any latent alike."""
    model = build(as_published("linear", preset("pendulum").model), (16, 16, 3), 1)
    far = torch.randn(20, model.sizes.stoch, generator=torch.Generator().manual_seed(0))
    near, exploded = (model.image_nll(scale * far, torch.full((20, 3, 16, 16), 0.5)).mean() for scale in (1, 400))
    assert exploded > 1e4 * near.abs()


def test_planet_is_the_default() -> None:
    assert as_published("planet", ModelConfig()) == ModelConfig()


def test_the_name_gives_the_parts_and_options_change_them() -> None:
    found = parse(["pendulum", "--model", "slac", "--model.encoder", "recurrent", "--batch", "4"]).config
    expected = as_published("slac", preset("pendulum").model)
    assert asdict(found.model) == asdict(expected) | {"encoder": "recurrent"}
    assert found.batch == 4
    assert parse(["pendulum", "--model.encoder=frame", "--model=e2c"]).config.model == as_published(
        "e2c", preset("pendulum").model
    )


def test_sizes_of_the_task_s_preset_stay() -> None:
    found = parse(["tiny", "--model", "dreamer"]).config.model
    assert (found.hidden, found.deter, found.dynamics) == (16, 16, "categorical")


def test_a_name_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "tiny", "--model", "planett"]) == 2
    assert "There is no model 'planett'. Did you mean 'planet'?" in capsys.readouterr().err
    assert main(["train", "tiny", "--model"]) == 2
    assert "--model takes the name of a published system; none came" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--model", "e2c", "--model.encoder", "state", "--model.stack", "1"], "must not see the latent before it"),
        (["--model", "e2c", "--model.dynamics", "ssm"], "pushes a whole normal through locally linear dynamics"),
        (["--model", "pcc", "--model.dynamics", "rssm"], "know transitions of a normal latent alone"),
        (["--model", "linear", "--model.encoder", "transformer"], "Only the frame and the pose encoder see a stack"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(
    options: list[str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*TINY, "--out", str(tmp_path / "run"), *options]) == 2
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_resumed_run_keeps_its_model(tiny_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "tiny", "--resume", "--out", str(tiny_run), "--model", "slac"]) == 2
    assert "--model.dynamics two-level (stored: rssm)" in capsys.readouterr().err


def test_they_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in MODELS)


def test_an_option_is_taken_out_with_its_value() -> None:
    assert without(["a", "--model", "x", "--model.deter", "3"], "--model") == ["a", "--model.deter", "3"]
    assert without(["a", "--model=x", "--models", "y"], "--model") == ["a", "--models", "y"]
