"""Every planner on the same checkpoint, from the same start states, at the same budget.

First each planner is fitted to each budget and timed, one after the other in this process, so that none disturbs the
others' times. Then the cells are played, in any number of processes, to the same numbers. Both are kept in the runs'
folders as they come: what was interrupted goes on. Delete ``RUN/compare`` to have everything played anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from experiments import cells, run_folder
from experiments.budget import Budget, TooSmallError
from experiments.cells import Cell, Device, Outcome
from experiments.comparison import Comparison, Entry, rows_of
from experiments.data_source import shapes
from experiments.errors import UserError
from experiments.fitting import Fit, fit
from experiments.ladder import RUNGS, Floor, Ladder, climb
from experiments.ladder_models import truth_of
from experiments.planner_choice import USUAL, choose, usual
from experiments.planning import is_learned
from experiments.progress import clock
from experiments.reference import reference_for
from experiments.state_probe import replayed
from worldmodel.replay import ReplayError

Say = Callable[[str], None]
NOBODY = "Only planners that need no actor or critic can; add one."


@dataclass(frozen=True)
class Request:
    """What is to be compared. planners: as `experiments.planner_choice.choose` reads them; none for the usual ones, as
    far as they can be used. episodes: for each seed.

    ladder: whether each run's best planner climbs the error ladder (`experiments.ladder`).
    """

    runs: tuple[Path, ...]
    planners: tuple[str, ...]
    budgets: tuple[Budget, ...]
    episodes: int
    seeds: tuple[int, ...]
    ladder: bool = False
    device: Device = "cpu"


@dataclass(frozen=True)
class Contender:
    """One row to be: a planner, named as the user did, on a run at a budget."""

    run: Path
    planner: str
    budget: Budget
    fit: Fit


def compare(request: Request, pool: Executor | None = None, workers: int = 1, say: Say = print) -> Comparison:
    """All rows, played by ``workers`` in ``pool``, or here. ``say`` is told how it goes.

    Raises UserError before anything is played, for what cannot be.
    """
    check(request)
    contenders, left_out = fit_all(request, say)
    outcomes = play_all([cell for one in contenders for cell in cells_of(one, request)], pool, workers, say)
    entries = [entry_of(one, request, outcomes) for one in contenders]
    tops, grounded = climbers(request, best_of_runs(contenders, entries))
    left_out += grounded
    outcomes |= play_all([cell for one in tops for cell in ladder_cells(one, request)], pool, workers, say)
    references = {name: reference_for(name) for name in dict.fromkeys(entry.env for entry in entries)}
    return Comparison(
        rows=rows_of(entries, references),
        ladders={str(one.run): ladder_of(one, request, outcomes) for one in tops},
        left_out=tuple(left_out),
        seeds=request.seeds,
        episodes=request.episodes,
        references={env: (found.random, found.reference) if found else None for env, found in references.items()},
        commits=tuple(sorted({outcome.commit for outcome in outcomes.values() if outcome.commit})),
        device=request.device,
    )


def check(request: Request) -> None:
    """Raises UserError: no run, an unknown planner or setting, nothing to play."""
    if request.episodes < 1 or not request.seeds or min(request.seeds) < 0:
        raise UserError(
            f"--episodes must be at least 1 and --seeds at least 0; {request.episodes} and {list(request.seeds)} came."
        )
    if not (request.runs and request.budgets):
        raise UserError("A comparison needs at least one run and one budget; one of them is missing.")
    for run in request.runs:
        config = run_folder.read_config(run)
        if not run_folder.has_checkpoint(run):
            raise UserError(f"A comparison needs a trained model; {run} has no checkpoint yet. Train it first.")
        for planner in request.planners:
            choose(planner, config.planner)
        if request.ladder:
            truth_of(config.env)


def fit_all(request: Request, say: Say) -> tuple[list[Contender], list[str]]:
    """Every planner at every budget, ordered by run and budget, and a sentence for each that does not fit one.

    Raises TooSmallError for a planner that was named and fits none, or where nothing fits.
    """
    contenders, left_out, too_small = list[Contender](), list[str](), list[TooSmallError]()
    for run in dict.fromkeys(request.runs):
        planners, unusable = planners_of(request, run)
        left_out += unusable
        for planner in planners:
            fitting, failed = fit_budgets(request, run, planner, say)
            if request.planners and not fitting:
                raise failed[0]
            contenders += fitting
            too_small += failed
    if not contenders:
        raise too_small[0]
    contenders.sort(key=lambda one: (request.runs.index(one.run), request.budgets.index(one.budget)))
    return contenders, left_out + [str(error) for error in too_small]


def planners_of(request: Request, run: Path) -> tuple[tuple[str, ...], list[str]]:
    """Those named, or the usual ones; and a sentence if some of these cannot be used."""
    if request.planners:
        return tuple(dict.fromkeys(request.planners)), []
    found = usual(shapes(run_folder.read_config(run)).discrete)
    missing = [name for name in USUAL if name not in found]
    said = f"{' and '.join(missing)} on {run}: they follow slopes, and its actions are discrete."
    return found, [said] if missing else []


def fit_budgets(request: Request, run: Path, planner: str, say: Say) -> tuple[list[Contender], list[TooSmallError]]:
    """One planner at every budget that is large enough."""
    config = choose(planner, run_folder.read_config(run).planner)
    fitting, too_small = list[Contender](), list[TooSmallError]()
    for budget in dict.fromkeys(request.budgets):
        try:
            fitting.append(Contender(run, planner, budget, fit(run, config, budget, request.device)))
            say(describe(fitting[-1]))
        except TooSmallError as error:
            too_small.append(error)
    return fitting, too_small


def describe(one: Contender) -> str:
    times = one.fit.times
    return (
        f"{one.run} · {one.planner} · {one.budget}: {one.fit.model_steps} model steps, "
        f"{times.median:.1f} ms a decision (90 % within {times.p90:.1f} ms)"
    )


def cells_of(one: Contender, request: Request) -> list[Cell]:
    """One per seed."""
    cell = Cell(
        one.run,
        one.fit.config,
        request.seeds[0],
        request.episodes,
        device=request.device,
        label=f"{one.run} · {one.planner} · {one.budget}",
        model_steps=one.fit.model_steps,
    )
    return [replace(cell, seed=seed) for seed in dict.fromkeys(request.seeds)]


def ladder_cells(one: Contender, request: Request) -> list[Cell]:
    """All rungs, each with all seeds; the lowest are the cells of the comparison itself."""
    return [replace(cell, rung=rung) for rung in RUNGS for cell in cells_of(one, request)]


def entry_of(one: Contender, request: Request, outcomes: dict[Cell, Outcome]) -> Entry:
    return Entry(
        env=run_folder.read_config(one.run).env,
        model=str(one.run),
        budget=one.budget,
        planner=one.planner,
        config=one.fit.config,
        model_steps=one.fit.model_steps,
        times=one.fit.times,
        outcomes=tuple(outcomes[cell] for cell in cells_of(one, request)),
    )


def best_of_runs(contenders: Sequence[Contender], entries: Sequence[Entry]) -> list[Contender]:
    """The one with the highest return of each run: what limits the best?

    Not an actor, nor a planner that asks one or its critic: these know nothing of true states, which rungs are told.
    """
    best = dict[Path, tuple[float, Contender]]()
    for one, entry in zip(contenders, entries, strict=True):
        if is_learned(one.fit.config.name):
            continue
        mean = float(np.mean(entry.returns))
        if one.run not in best or mean > best[one.run][0]:
            best[one.run] = mean, one
    return [one for _, one in best.values()]


def climbers(request: Request, tops: Sequence[Contender]) -> tuple[list[Contender], list[str]]:
    """Those of the ``tops`` who climb the ladder, if any is to; and a sentence for each run of which none does."""
    found, grounded = list[Contender](), list[str]()
    for run in dict.fromkeys(request.runs if request.ladder else ()):
        best = [one for one in tops if one.run == run]
        if reason := NOBODY if not best else untold(run):
            grounded.append(f"{run} does not climb the ladder. {reason}")
        else:
            found += best
    return found, grounded


def untold(run: Path) -> str | None:
    """Why the ladder's probes cannot be fitted on the run's episodes; None where they can."""
    try:
        replayed(run)
    except (UserError, ReplayError) as error:
        return f"Its rungs are told the true state by probes, fitted on the run's episodes. {error}"
    return None


def ladder_of(one: Contender, request: Request, outcomes: dict[Cell, Outcome]) -> Ladder:
    played = {rung: [outcomes[replace(cell, rung=rung)] for cell in cells_of(one, request)] for rung in RUNGS}
    returns = {rung: [x for outcome in found for x in outcome.returns] for rung, found in played.items()}
    probe = {name: r2 for found in played.values() for name, r2 in found[0].probe.items()}
    reference = reference_for(run_folder.read_config(one.run).env)
    floor = Floor(reference.random, reference.reference, reference.standard_error) if reference else None
    return climb(f"{one.planner} · {one.budget}", returns, floor, probe)


def play_all(wanted: Sequence[Cell], pool: Executor | None, workers: int, say: Say) -> dict[Cell, Outcome]:
    """The outcome of every cell: read where it is stored, played otherwise, in ``pool`` or here."""
    found = {cell: cells.read(cell) for cell in dict.fromkeys(wanted)}
    todo = [cell for cell, outcome in found.items() if outcome is None]
    if len(todo) < len(found):
        say(f"{len(found) - len(todo)} of {len(found)} cells were played before")
    progress = CellProgress(todo, say)
    for cell, outcome in played(todo, pool, workers):
        found[cell] = outcome
        progress.finished(cell, outcome)
    return {cell: outcome for cell, outcome in found.items() if outcome is not None}


def played(todo: Sequence[Cell], pool: Executor | None, workers: int) -> Iterator[tuple[Cell, Outcome]]:
    """Cells as they are finished. No more are handed out than are played at once: stopping waits for no queue."""
    if pool is None:
        for cell in todo:
            yield cell, cells.play(cell)
        return
    waiting, running = list(reversed(todo)), dict[Future[Outcome], Cell]()
    while waiting or running:
        while waiting and len(running) < workers:
            cell = waiting.pop()
            running[pool.submit(cells.play, cell)] = cell
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            yield running.pop(future), future.result()


class CellProgress:
    """Says a line per finished cell, with the time that the rest should take, judged by model steps."""

    def __init__(self, todo: Sequence[Cell], say: Say) -> None:
        self._count, self._done, self._say = len(todo), 0, say
        self._left = self._total = sum(map(work, todo))
        self._started = time.monotonic()

    def finished(self, cell: Cell, outcome: Outcome) -> None:
        self._done, self._left = self._done + 1, self._left - work(cell)
        seconds = (time.monotonic() - self._started) * self._left / (self._total - self._left)
        rung = "" if cell.rung == "learned" else f" · {cell.rung}"
        self._say(
            f"cell {self._done}/{self._count} · {cell.label}{rung} · seed {cell.seed} · "
            f"return {np.mean(outcome.returns):.2f} · {clock(seconds)} left"
        )


def work(cell: Cell) -> int:
    return cell.model_steps * cell.episodes
