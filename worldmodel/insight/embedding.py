"""Maps that bend: t-SNE and UMAP, where `pip install "worldmodel-planners[maps]"` has brought their packages."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

import numpy as np

Method = Literal["tsne", "umap"]
PACKAGES: dict[Method, str] = {"tsne": "sklearn", "umap": "umap"}


def embed(latents: np.ndarray, method: Method, seed: int = 0) -> np.ndarray:
    """``[rows, latent] -> [rows, 2]``: neighbours are kept, distances and densities are not.

    tsne: van der Maaten and Hinton 2008, started at the principal components. umap: McInnes 2018. The same numbers
    for the same seed. Raises ImportError, saying what to install.
    """
    require(method)
    if method == "tsne":
        from sklearn.manifold import TSNE

        perplexity = min(30.0, (len(latents) - 1) / 3)
        return TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(latents)
    from umap import UMAP

    return UMAP(random_state=seed, n_jobs=1).fit_transform(latents)


def require(method: Method) -> None:
    """Raises ImportError where the package is missing."""
    if find_spec(PACKAGES[method]) is None:
        raise ImportError(
            f"A map by {method} takes a package that is not installed ({PACKAGES[method]}). "
            'Install it with pip install "worldmodel-planners[maps]", or leave that map out.'
        )
