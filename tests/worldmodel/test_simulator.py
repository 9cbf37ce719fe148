import numpy as np
import pytest
import torch

import envs
from tests.worldmodel.examples import normal
from worldmodel.interface import KnowsState, State, WorldModel
from worldmodel.simulator import Simulator

NAMES = envs.names()
COPIES, HORIZON = 3, 12
every_task = pytest.mark.parametrize("name", NAMES)


def simulator(name: str, dtype: torch.dtype = torch.float64) -> Simulator:
    return Simulator(envs.task(name), size=32, dtype=dtype)


def random_actions(task: envs.Task) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (HORIZON, COPIES, task.action_size)).astype(np.float32)


@every_task
@pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 1e-3), (torch.float64, 1e-9)])
def test_a_rollout_is_what_the_environment_does(name: str, dtype: torch.dtype, atol: float) -> None:
    """States, rewards, terminations and pictures of random actions from the same starts."""
    model, env = simulator(name, dtype), envs.make_vector(name, COPIES, 32)
    actions = random_actions(model.task)
    _, info = env.reset(seed=0)
    predicted = model.rollout(model.believe(info["state"]).state, torch.from_numpy(actions).transpose(0, 1).to(dtype))
    assert predicted.deter.dtype == dtype
    assert predicted.deter.shape == (COPIES, HORIZON, model.sizes.deter)
    assert predicted.stoch.shape == (COPIES, HORIZON, 0)
    for t in range(HORIZON):
        observation, reward, terminated, _, info = env.step(actions[t])
        arrived = predicted.map(lambda x, t=t: x[:, t])
        np.testing.assert_allclose(arrived.deter, info["state"], rtol=0, atol=atol)
        np.testing.assert_allclose(model.reward(arrived), reward, rtol=0, atol=atol)
        np.testing.assert_array_equal(model.continues(arrived), 1.0 - terminated)
        if dtype == torch.float64:
            seen = model.decode(State(torch.from_numpy(info["state"]), arrived.stoch)) * 255
            np.testing.assert_array_equal(seen.permute(0, 2, 3, 1).round(), observation)
        if terminated.any():
            break


@every_task
def test_a_rollout_is_repeated_steps(name: str) -> None:
    model = simulator(name)
    actions = normal(2, 5, HORIZON, model.sizes.action)
    state = State(0.3 * normal(2, 5, model.sizes.deter, seed=2), torch.zeros(2, 5, 0).double())
    rolled = model.rollout(state, actions)
    for t in range(HORIZON):
        state = model.step(state, actions[:, :, t])
        torch.testing.assert_close(rolled.vector[:, :, t], state.vector, rtol=0, atol=1e-12)


@every_task
def test_jacobians_are_finite_differences(name: str) -> None:
    model, width = simulator(name), 1e-6
    size = model.sizes.deter
    state, action = 0.3 * normal(4, 2, size), 0.5 * normal(4, 2, model.sizes.action, seed=2).tanh()
    found = model.linearize(State(state, state[..., :0]), action)
    inputs = torch.cat([state, action], -1)

    def arrived(x: torch.Tensor) -> torch.Tensor:
        return model.step(State(x[..., :size], x[..., :0]), x[..., size:]).deter

    moves = width * torch.eye(inputs.shape[-1], dtype=torch.float64)
    expected = torch.stack([(arrived(inputs + e) - arrived(inputs - e)) / (2 * width) for e in moves], -1)
    torch.testing.assert_close(torch.cat(found, -1), expected, rtol=1e-5, atol=1e-6)


def test_it_is_a_model_that_is_told_the_state() -> None:
    model = simulator("pendulum", torch.float32)
    assert isinstance(model, WorldModel)
    assert isinstance(model, KnowsState)
    belief = model.believe(np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert torch.equal(belief.state.deter, torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    assert belief.state.stoch.shape == (2, 0)
    assert belief.memory.shape == (2, 0)
    assert model.initial(2).state.deter.shape == (2, 2)
    assert model.sizes.latent == 2


def test_what_it_is_told_stays_as_it_is() -> None:
    model, true_state = simulator("pendulum"), np.array([[1.0, 2.0]])
    belief = model.believe(true_state)
    model.rollout(belief.state, torch.ones(1, 5, 1, dtype=torch.float64))
    true_state[:] = 7
    assert belief.state.deter.tolist() == [[1.0, 2.0]], "the belief shares memory with the environment's state"


def test_it_does_not_read_images() -> None:
    model = simulator("pendulum")
    image = torch.zeros(2, 32, 32, 3, dtype=torch.uint8)
    with pytest.raises(NotImplementedError, match=r"does not read images.*Simulator\.believe"):
        model.filter(model.initial(2), torch.zeros(2, 1), image)


def test_pictures_of_any_leading_axes() -> None:
    model = simulator("pendulum")
    states = State(normal(2, 3, 2), torch.zeros(2, 3, 0).double())
    image = model.decode(states)
    assert image.shape == (2, 3, 3, 32, 32)
    assert torch.equal(image[1, 2], model.decode(states.map(lambda x: x[1, 2])))
