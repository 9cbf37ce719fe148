"""Which device and how many threads a run takes, and the line that says so."""

from __future__ import annotations

import os
import platform

import torch

from experiments.errors import UserError


def choose(device: str) -> torch.device:
    """``auto`` prefers CUDA. Raises UserError if CUDA is asked for and there is none."""
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError(
            f"--device cuda needs a CUDA device and a CUDA build of torch; torch {torch.__version__} sees none. "
            "Use --device cpu or auto, or install torch with CUDA."
        )
    return torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")


def describe(device: torch.device) -> str:
    """E.g. ``device: cpu (1 of 2 cores, passive waiting), torch 2.13.0``."""
    if device.type == "cuda":
        return f"device: cuda ({torch.cuda.get_device_name(device)}), torch {torch.__version__}"
    waiting = os.environ.get("OMP_WAIT_POLICY", "default").lower()
    threads = torch.get_num_threads()
    return (
        f"device: cpu ({platform.machine()}, {threads} thread{'s' * (threads > 1)} of {os.cpu_count()} cores, "
        f"{waiting} waiting), torch {torch.__version__}"
    )
