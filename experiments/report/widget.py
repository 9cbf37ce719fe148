"""Elements of a page that a script brings to life: their data stands inside them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np


def widget(name: str, data: dict[str, Any]) -> str:
    """An element of that class for `show.js`. NumPy arrays become lists with three digits after the point; NaN null."""
    text = json.dumps(plain(data), separators=(",", ":"), allow_nan=False).replace("</", "<\\/")
    return f'<div class="{name}"><script type="application/json">{text}</script></div>'


def plain(value: Any) -> Any:
    """With arrays and numbers of NumPy as Python's own."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray):
        value = np.round(value.astype(np.float64), 3).tolist() if value.dtype.kind == "f" else value.tolist()
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
