"""Watches a kernel in Triton's interpreter: every access inside a tensor, every value written before it is read, and a
barrier between two accesses of one address of which one is a write. The interpreter itself checks none of these.

An *epoch* is what one program does between two barriers; there, any of its threads may run ahead of any other. Programs
are never ordered: what one wrote, no other may touch.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from torch import Tensor

NEVER, GUARD = -1, 1 << 20


def bytes_of(storage: torch.UntypedStorage) -> Tensor:
    return torch.empty(0, dtype=torch.uint8).set_(storage)


@dataclass
class Region:
    """One tensor argument; its arrays have an entry for each element of the storage."""

    name: str
    begin: int
    itemsize: int
    size: int
    fresh: bool  # uninitialised: reading before writing is an error
    read: np.ndarray = field(init=False)
    written: np.ndarray = field(init=False)
    owner: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.read, self.written, self.owner = (np.full(self.size, NEVER) for _ in range(3))


class Checker:
    def __init__(self, fresh: tuple[str, ...]):
        self.fresh, self.epoch, self.program = fresh, 0, 0
        self.regions: list[Region] = []
        self.copies: dict[int, tuple[torch.UntypedStorage, Tensor]] = {}
        self.reports: set[str] = set()

    def guarded(self, names: list[str], values: list[object]) -> list[object]:
        """The arguments with each storage copied to where nothing else is near, so that no access past its end can
        happen to hit another tensor."""
        self.regions, self.copies = [], {}
        named = zip(names, values, strict=False)  # the names of constants follow
        return [self.moved(name, value) if isinstance(value, Tensor) else value for name, value in named]

    def moved(self, name: str, tensor: Tensor) -> Tensor:
        storage, itemsize = tensor.untyped_storage(), tensor.element_size()
        if storage.data_ptr() not in self.copies:
            room = torch.empty(storage.nbytes() + 2 * GUARD, dtype=torch.uint8)
            inside = room[GUARD:-GUARD]
            inside.copy_(bytes_of(storage))
            self.copies[storage.data_ptr()] = (storage, inside)
            size = storage.nbytes() // itemsize
            self.regions.append(Region(name, inside.data_ptr(), itemsize, size, name in self.fresh))
        room = self.copies[storage.data_ptr()][1].untyped_storage()
        offset = GUARD // itemsize + tensor.storage_offset()
        return tensor.new_empty(0).set_(room, offset, tensor.shape, tensor.stride())

    def restore(self) -> None:
        for storage, inside in self.copies.values():
            bytes_of(storage).copy_(inside)

    def start_program(self, index: int) -> None:
        self.program = index
        self.epoch += 1

    def barrier(self) -> None:
        self.epoch += 1

    def load(self, addresses: np.ndarray) -> np.ndarray:
        """Checks, and says which of the addresses lie inside a tensor."""
        hits, inside = self.located(addresses, "load")
        for region, at in hits:
            self.report((region.written[at] == self.epoch), f"load of {region.name} with no barrier after its store")
            self.report(self.foreign(region, at), f"load of {region.name} that another program wrote")
            self.report(region.fresh & (region.written[at] == NEVER), f"load of {region.name} before any store")
            region.read[at] = self.epoch
        return inside

    def store(self, addresses: np.ndarray) -> np.ndarray:
        hits, inside = self.located(addresses, "store")
        for region, at in hits:
            self.report(np.bincount(at).max(initial=0) > 1, f"one store to {region.name} hits an address twice")
            self.report(region.written[at] == self.epoch, f"two stores to {region.name} with no barrier between")
            self.report(region.read[at] == self.epoch, f"store to {region.name} with no barrier after its load")
            self.report(self.foreign(region, at), f"store to {region.name} that another program wrote")
            region.written[at], region.owner[at] = self.epoch, self.program
        return inside

    def foreign(self, region: Region, at: np.ndarray) -> np.ndarray:
        return (region.owner[at] != NEVER) & (region.owner[at] != self.program)

    def located(self, addresses: np.ndarray, access: str) -> tuple[list[tuple[Region, np.ndarray]], np.ndarray]:
        addresses, known, hits = addresses.astype(np.int64), np.zeros(addresses.shape, bool), []
        for region in self.regions:
            at = (addresses - region.begin) // region.itemsize
            inside = (at >= 0) & (at < region.size) & ~known
            known |= inside
            if inside.any():
                hits.append((region, at[inside]))
        self.report(~known, f"{access} out of bounds")
        return hits, known

    def report(self, wrong: np.ndarray, message: str) -> None:
        if np.any(wrong):
            self.reports.add(message)


@contextlib.contextmanager
def checked(fresh: tuple[str, ...]) -> Iterator[Checker]:
    """Within it, kernels in the interpreter report to the Checker; ``fresh`` names their uninitialised arguments."""
    from triton.runtime import interpreter

    checker, builder, executor = Checker(fresh), interpreter.InterpreterBuilder, interpreter.GridExecutor
    load, store, set_program = builder.create_masked_load, builder.create_masked_store, builder.set_grid_idx

    def narrowed(ptrs, mask, check):
        """What is out of bounds is reported, and not done: it would hit the test's own memory."""
        wanted = mask.data.astype(bool)  # it may hold integers
        wanted[wanted] = check(ptrs.data[wanted])
        return interpreter.TensorHandle(wanted, mask.dtype)

    def watched_load(self, ptrs, mask, *rest):
        return load(self, ptrs, narrowed(ptrs, mask, checker.load), *rest)

    def watched_store(self, ptrs, value, mask, *rest):
        return store(self, ptrs, value, narrowed(ptrs, mask, checker.store), *rest)

    def watched_program(self, x, y, z):
        checker.start_program(x)
        return set_program(self, x, y, z)

    def watched_arguments(self, arguments, keywords):
        return checker.guarded(self.arg_names, arguments), keywords

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builder, "create_masked_load", watched_load)
        patch.setattr(builder, "create_masked_store", watched_store)
        patch.setattr(builder, "create_barrier", lambda self: checker.barrier())
        patch.setattr(builder, "set_grid_idx", watched_program)
        patch.setattr(executor, "_init_args_hst", watched_arguments)
        patch.setattr(executor, "_restore_args_dev", lambda *_: checker.restore())
        yield checker
