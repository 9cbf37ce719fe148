"""Packed weights, made once per parameter version: a pack is stale as soon as a weight was changed in place."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from torch import Tensor

Key = tuple[tuple[int, int, tuple[int, ...], tuple[int, ...]], ...]
Pack = TypeVar("Pack")
Weights = TypeVar("Weights", bound=Iterable[Tensor])


class Packs(Generic[Weights, Pack]):
    """A few packs, the least recently used one is dropped. Holds on to the weights of each, so that no other tensor
    can come to lie at their addresses while the pack lives.

    A change is seen if PyTorch counts it: in-place operations, optimisers, `load_state_dict`. Writing through
    ``tensor.data`` is not counted.
    """

    def __init__(self, pack: Callable[[Weights], Pack], capacity: int = 4):
        self.pack, self.capacity = pack, capacity
        self.entries: OrderedDict[Key, tuple[Weights, Pack]] = OrderedDict()
        self.lock = threading.Lock()

    def get(self, weights: Weights) -> Pack:
        try:
            key = tuple([(weight.data_ptr(), weight._version, weight.shape, weight.stride()) for weight in weights])
        except RuntimeError:  # tensors made in inference mode do not count their versions
            return self.pack(weights)
        with self.lock:
            if key not in self.entries:
                self.entries[key] = (weights, self.pack(weights))
                if len(self.entries) > self.capacity:
                    self.entries.popitem(last=False)
            self.entries.move_to_end(key)
            return self.entries[key][1]
