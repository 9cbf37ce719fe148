"""The benchmark of locally linear models: its data, its losses, its score, its files."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import envs
from experiments import cli
from experiments.commands.benchmark_locally_linear import Line
from experiments.locally_linear import control, learn, recipes, results
from experiments.locally_linear.picture import cylinder, latent_cylinder, plane
from experiments.locally_linear.transitions import scattered
from experiments.seeds import torch_generator
from worldmodel.replay import Replay

TINY = {"samples": 60, "held_out": 10, "updates": 3, "batch": 8, "starts": 1, "iterations": 1, "horizon": 2}


@pytest.fixture
def tiny(monkeypatch):
    """Recipes that learn nothing, and two starts of a few steps each."""
    small = {
        name: replace(
            one,
            **TINY,
            settling=min(2, one.settling),
            seeing=tuple(replace(stage, updates=2) for stage in one.seeing),
            model=replace(one.model, hidden=8, width=4),
        )
        for name, one in recipes.RECIPES.items()
    }
    monkeypatch.setattr(control, "STARTS", 2)
    for name, one in small.items():
        monkeypatch.setitem(recipes.RECIPES, name, one)
    return small


@pytest.mark.parametrize("name", list(envs.goal_tasks()))
def test_distinct_frames_put_together_are_the_pictures(name):
    task = envs.goal_tasks()[name]
    data = scattered(task, 50, seed=3)
    for row in (0, 1):
        pictures = data.frames[data.shown[:, row]].movedim(1, -1).numpy()
        assert (pictures == task.draw(data.state[:, row], task.size)).all()
    after = task.step(torch.from_numpy(data.state[:, 0]), data.action.double())
    np.testing.assert_allclose(after.numpy(), data.state[:, 1], atol=1e-5)


def test_held_out_transitions_are_apart_from_those_learned_from():
    data = scattered(envs.goal_tasks()["e2c-balance"], 100, seed=0)
    train, test = data.split(10)
    assert (len(train.action), len(test.action)) == (90, 10)
    assert not set(map(tuple, train.state[:, 0].tolist())) & set(map(tuple, test.state[:, 0].tolist()))


def test_a_transition_is_an_episode_that_a_replay_takes(tmp_path):
    data = scattered(envs.goal_tasks()["e2c-balance"], 5, seed=0)
    replay = Replay.create(tmp_path / "replay", 20, (48, 48, 2), 1, 3)
    for number in range(5):
        replay.add(data.episode(number))
    batch = replay.sample(4, 2, np.random.default_rng(0))
    assert batch.is_first.tolist() == [[True, False]] * 4
    assert batch.valid.all()
    assert set(batch.action[:, 1, 0].tolist()) <= set(data.action[:, 0].tolist())


def test_encoding_each_frame_once_is_encoding_every_picture(tiny):
    data = scattered(envs.goal_tasks()["e2c-balance"], 20, seed=0)
    model = learn.begin(tiny["balance"], 0)
    terms = learn.losses(model, data, torch_generator(0, "noise"))
    window = learn.pairs(torch.stack([torch.zeros(20, 1), data.action], dim=1), learn.pictures(data))
    noise = torch.randn(20, 2, 4, generator=torch_generator(0, "noise"))
    plain = model.losses(window, noise)
    assert plain.keys() - terms.keys() == {"image", "reward", "continuation", "kl"}
    for name, term in terms.items():
        torch.testing.assert_close(term, plain[name].mean(), msg=name)


def test_learning_reaches_encoder_and_dynamics_and_the_seed_decides(tiny):
    data = scattered(envs.goal_tasks()["e2c-balance"], 60, seed=0)
    first, again, other = (learn.learn(tiny["balance"], data, seed, lambda *_: None) for seed in (0, 0, 1))
    start = learn.begin(tiny["balance"], 0)
    for part in ("encoder", "dynamics"):
        trained, begun = (dict(getattr(model, part).named_parameters()) for model in (first, start))
        assert all((trained[name] != begun[name]).any() for name in trained), part
    weights = [model.state_dict()["dynamics.net.0.weight"] for model in (first, again, other)]
    assert (weights[0] == weights[1]).all()
    assert (weights[0] != weights[2]).any()


def test_settling_moves_the_dynamics_alone_and_predicts_better(tiny):
    data = scattered(envs.goal_tasks()["e2c-balance"], 60, seed=0)
    plain = learn.learn(tiny["balance"], data, 0, lambda *_: None)
    settled = learn.learn(replace(tiny["balance"], settling=200), data, 0, lambda *_: None)
    for before, after in zip(plain.encoder.parameters(), settled.encoder.parameters(), strict=True):
        assert torch.equal(before, after)

    def error(model):
        found = learn.prediction(model, learn.encoded(model, data), data.action, 60, torch_generator(0, "rows"))
        return found["prediction"].item()

    assert error(settled) < error(plain) - 0.5


def test_starts_are_the_same_for_every_model_and_goals_are_of_the_task():
    starts, goals = control.starts_and_goals("e2c-planar")
    assert (starts == control.starts_and_goals("e2c-planar")[0]).all()
    assert ((starts >= 3) & (starts <= 7)).all()
    assert {tuple(goal) for goal in goals.tolist()} <= set(envs.goal_tasks()["e2c-planar"].goals)


def test_who_begins_in_the_goal_and_stays_there_scores_all(tiny):
    """At rest upright, latent and goal coincide: the best plan is to do nothing."""
    data = scattered(envs.goal_tasks()["e2c-balance"], 60, seed=0)
    lazy = replace(tiny["balance"], effort=1e6)
    model = learn.learn(lazy, data, 0, lambda *_: None)
    assert control.in_goal_region(lazy, model, data, 0) == pytest.approx([100, 100])
    hanging = replace(lazy, env="e2c-swingup")
    assert control.in_goal_region(hanging, model, data, 0) == [0, 0]


@pytest.mark.parametrize("distance", ["spread", "moves"])
def test_distance_to_the_goal_does_not_depend_on_the_latents_scale(distance, tiny):
    data = scattered(envs.goal_tasks()["e2c-balance"], 60, seed=0)
    model, recipe = learn.begin(tiny["balance"], 0), replace(tiny["balance"], distance=distance)
    before = control.distances(recipe, model, data)
    with torch.no_grad():
        last = model.encoder.head[-1]
        last.weight.mul_(3)
        last.bias.mul_(3)
        torch.testing.assert_close(control.distances(recipe, model, data), before / 9, rtol=1e-2, atol=1e-2)


def test_in_moves_the_slow_is_far_and_the_quick_is_near():
    """Two independent poses of variance 1, of which a decision moves the second ten times as far as the first."""
    pose, moved, change = torch.randn(3, 20_000, 2, generator=torch_generator(0, "latents"))
    moved = moved * torch.tensor([0.1, 1.0])
    latents = torch.stack([torch.cat([x, 3 * change], dim=-1) for x in (pose, pose + moved)], dim=1)
    metric = control.in_moves(latents, pose=2, rest=0.2)
    expected = torch.tensor([2 * 1e4 / (1e4 + 1), 2 / (1e4 + 1), 0.2 / 9, 0.2 / 9])
    torch.testing.assert_close(metric, expected.diag(), rtol=0.05, atol=0.02)
    same = control.whitening(latents[:, 0], pose=2, rest=0.2)
    torch.testing.assert_close(same, torch.tensor([1, 1, 0.2 / 9, 0.2 / 9]).diag(), rtol=0.05, atol=0.02)


def test_maps_are_of_free_and_of_steady_states():
    states, colours = plane()
    assert len(states) == len(colours) > 250
    assert (
        envs.goal_tasks()["e2c-planar"]
        .step(torch.from_numpy(states), torch.zeros(len(states), 2))
        .equal(torch.from_numpy(states))
    )
    states, _ = cylinder()
    np.testing.assert_allclose(states[:, 0] - states[:, 2], 0.02 * states[:, 1])


def test_change_of_pose_across_a_circle_is_the_velocity_around_it():
    angle, speed = np.meshgrid(np.linspace(0, 2 * math.pi, 30, endpoint=False), [-2.0, 1.0])
    angle, speed = angle.ravel(), speed.ravel()
    pose = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    change = np.stack([-np.sin(angle), np.cos(angle)], axis=-1) * speed[:, None]
    np.testing.assert_allclose(latent_cylinder(np.concatenate([pose, change], axis=-1))[:, 2], speed, atol=1e-9)


def test_the_command_writes_results_maps_and_table_and_goes_on_where_it_was(tiny, tmp_path, capsys, monkeypatch):
    words = ["benchmark", "locally-linear", "--tasks", "planar", "balance", "--models", "2", "--out", str(tmp_path)]
    assert cli.main(words) == 0
    said = capsys.readouterr().out
    assert "PC3" in said
    assert "left" in said
    assert (tmp_path / "balance-1.png").exists()
    table = json.loads((tmp_path / "locally-linear.json").read_text())
    assert table["planar"].keys() == {"ours", "low", "high", "models", "pc3", "pcc", "solar"}
    assert table["balance"]["pc3"] == 99.1
    monkeypatch.setattr(results, "learn", None)  # nothing may be learned again
    assert cli.main(words) == 0
    (tmp_path / "planar-1.json").write_text("{}")
    assert cli.main(words) == 1
    assert "The models of 1 seeds failed" in capsys.readouterr().err


@pytest.mark.parametrize("model", recipes.PUBLISHED)
def test_published_models_run_beside_ours(model, tiny, tmp_path):
    words = ["benchmark", "locally-linear", "--tasks", "balance", "--models", "1", "--model", model]
    assert cli.main([*words, "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / f"balance-{model}-0.json").read_text())
    assert (found["model"], found["recipe"]["model"]["objective"], found["recipe"]["model"]["stoch"]) == (
        model,
        model,
        3,
    )
    assert (tmp_path / f"{model}-locally-linear.json").exists()


def test_published_models_get_the_updates_of_all_our_stages():
    theirs = recipes.recipe("threelink", "pc3")
    assert (theirs.updates, theirs.seeing, theirs.settling, theirs.distance) == (7500, (), 0, "spread")
    assert recipes.recipe("planar", "pc3").updates == recipes.recipe("planar").updates == 2000


def test_unknown_benchmark_and_task_are_refused(capsys):
    assert cli.main(["benchmark", "locally-liner"]) == 2
    assert "Did you mean 'locally-linear'?" in capsys.readouterr().err
    assert cli.main(["benchmark", "locally-linear", "--tasks", "plenar"]) == 2
    assert "Did you mean 'planar'?" in capsys.readouterr().err
    assert cli.main(["benchmark", "locally-linear", "--launcher", "slrum"]) == 2
    assert "Did you mean 'slurm'?" in capsys.readouterr().err
    assert cli.main(["benchmark", "locally-linear", "--model", "pc4"]) == 2
    assert "There is no model of pairs 'pc4'" in capsys.readouterr().err


def test_interval_of_one_model_is_none_and_of_equal_ones_a_point():
    assert all(math.isnan(x) for x in results.interval([3.0]))
    assert results.interval([3.0, 3.0]) == (3.0, 3.0)
    assert results.rounded(math.nan) is None


def test_the_updates_of_all_stages_are_counted_as_one(capsys):
    """Three links: 2,000 and 1,500 of seeing, none of the objective, 4,000 of settling."""
    line = Line(results.Cell("threelink", None, 0))
    for update in (500, 1000, 1500, 2000, 500, 1000, 1500, *range(500, 4001, 500)):
        line(update, {"loss": 1.0})
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("threelink-0 · update 500/7500 · loss 1 · ")
    assert "update 3500/7500" in said[6]
    assert said[-1].endswith("update 7500/7500 · loss 1 · 0:00 left")
