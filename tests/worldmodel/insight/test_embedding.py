"""Maps that bend keep clusters apart; without their packages they say what to install."""

import sys

import numpy as np
import pytest

from worldmodel.insight.embedding import Method, embed


@pytest.mark.parametrize(
    ("method", "package"), [("tsne", "sklearn"), pytest.param("umap", "umap", marks=pytest.mark.slow)]
)
@pytest.mark.filterwarnings("ignore")  # their own
def test_clusters_stay_apart(method: Method, package: str) -> None:
    pytest.importorskip(package, reason=f'{package} comes with pip install ".[maps]"')
    cluster = np.repeat([0, 1, 2], 40)
    latents = 9 * np.eye(3)[cluster] + np.random.default_rng(0).normal(size=(120, 3))
    found = embed(latents, method)
    assert found.shape == (120, 2)
    centres = np.stack([found[cluster == c].mean(0) for c in range(3)])
    nearest = np.linalg.norm(found[:, None] - centres, axis=-1).argmin(1)
    assert (nearest == cluster).mean() > 0.95


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)

    with pytest.raises(ImportError, match=r"worldmodel-planners\[maps\]"):
        embed(np.zeros((9, 3)), "tsne")
