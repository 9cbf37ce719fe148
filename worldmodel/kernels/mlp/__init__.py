"""A multi-layer perceptron on many rows at once; see README.md in this folder."""

from worldmodel.kernels.mlp.mlp import mlp

__all__ = ["mlp"]
