"""What a model has learnt, as one HTML page: it opens offline, light and dark, on wide screens and phones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments import provenance
from experiments.report.document import document, made_by
from experiments.report.show_linearity import Linear, foretelling, linear_html, linearity
from experiments.report.show_map import Mapped, map_html, map_latents, r2
from experiments.report.show_open_loop import Foresight, foresee, foresight_html, sentence
from experiments.report.show_plan import Plans, plans_html, think
from experiments.report.show_run import Seen, look
from experiments.report.show_training import History, history, history_html
from experiments.report.show_traversals import Traversed, travel, traversed_html
from worldmodel.insight.embedding import Method

STYLES = ("page.css", "show.css")
SCRIPTS = ("show.js", "show_map.js", "show_video.js", "show_plan.js")
NOSCRIPT = (
    '<noscript><p class="lead">The maps, the video and the plans need JavaScript; all else is here without it.</p>'
    "</noscript>"
)
SCOPE = "Scores hold for these episodes alone; probes are fitted on four fifths of them and judged on the rest."
DISCRETE = "<p>Actions are discrete: there is no slope for iLQR to follow.</p>"


class Shown(NamedTuple):
    """All that is told of one run. linear: None for discrete actions, which iLQR refuses."""

    seen: Seen
    mapped: Mapped
    foresight: Foresight
    plans: Plans
    traversed: Traversed
    linear: Linear | None
    history: History


class Section(NamedTuple):
    """hint: what to see in the picture, in a line. also: what to see where there is more in the picture."""

    title: str
    hint: str
    html: Callable[[Shown], str]
    also: tuple[tuple[Callable[[Shown], bool], str], ...] = ()


SECTIONS = (
    Section(
        "The latent as a map",
        "Each dot is a belief about an unseen episode. A model that has understood the task lays like states side by "
        "side: colours change smoothly. Point at a dot for the frame that was seen and what the model decodes from its "
        "belief.",
        lambda shown: map_html(shown.mapped),
        ((lambda shown: shown.seen.task is not None, "Squares are beliefs about true states that cover the space."),),
    ),
    Section(
        "What it imagines",
        "The model sees the first half and imagines the rest; move the slider. Below, how wrong it gets with every "
        "step: useful as long as it is below the dashed line, which says that nothing changes. Filtered, with open "
        "eyes, is as good as it gets.",
        lambda shown: foresight_html(shown.foresight),
    ),
    Section(
        "What planners think",
        "Thin: candidates; orange: elites and their mean.",
        lambda shown: plans_html(shown.plans),
        (
            (
                lambda shown: shown.plans.moments[0].happened is not None,
                "Dashed green: what these actions then led to. A good model lets green cover orange.",
            ),
            (
                lambda shown: shown.plans.moments[0].tube is not None,
                "Purple: iLQR, in the tube of where the filter's doubt may take the state (grey: if its feedback were "
                "left out).",
            ),
        ),
    ),
    Section(
        "Directions of the latent",
        "One direction is changed, everything else held. Below, the promise of a latent space: half way between two "
        "states lies another state, while half way between two pictures lies a double exposure.",
        lambda shown: traversed_html(shown.traversed),
    ),
    Section(
        "Where it is linear",
        "iLQR plans on a linear model of the dynamics.",
        lambda shown: linear_html(shown.linear) if shown.linear else DISCRETE,
        ((lambda shown: shown.linear is not None, "Blue: that model holds there; yellow: it does not."),),
    ),
    Section("How it was trained", "", lambda shown: history_html(shown.history)),
)


def show(
    folder: Path, episodes: int, seed: int, extra: tuple[Method, ...] = (), say: Callable[[str], None] = print
) -> Shown:
    """Everything about one run. Raises UserError, CheckpointError, ImportError."""
    say(f"{folder}: looking at {episodes} episodes that it was not trained on")
    seen = look(folder, episodes, seed)
    say("mapping the latent")
    mapped = map_latents(seen, extra, seed)
    say("imagining")
    foresight = foresee(seen, seed)
    say("planning")
    plans = think(seen, mapped.projection, seed)
    say("sweeping directions, and linearising")
    traversed = travel(seen, mapped.projection, mapped.scores.units, seed)
    linear = None if seen.model.sizes.discrete else linearity(seen, mapped.projection, seed)
    return Shown(seen, mapped, foresight, plans, traversed, linear, history(folder, seen.config))


def page(runs: Sequence[Shown]) -> str:
    """The whole document."""
    tasks = ", ".join(dict.fromkeys(shown.seen.config.env for shown in runs))
    sections = "".join(section_html(section, runs) for section in SECTIONS)
    footer = [SCOPE, made_by(provenance.commit())]
    body = NOSCRIPT + summary(runs) + sections
    return document(f"What was learnt of {tasks}", subtitle(runs), body, footer, STYLES, SCRIPTS)


def subtitle(runs: Sequence[Shown]) -> str:
    episodes = len(runs[0].seen.episodes)
    return f"From {episodes} held-out episodes of {'each run' if len(runs) > 1 else runs[0].seen.name}."


def section_html(section: Section, runs: Sequence[Shown]) -> str:
    columns = "".join(
        f'<section class="card">{run_title(shown, len(runs))}{section.html(shown)}</section>' for shown in runs
    )
    words = [section.hint, *(text for applies, text in section.also if any(map(applies, runs)))]
    hint = f'<p class="hint">{escape(" ".join(words))}</p>' if section.hint else ""
    return f'<h2>{escape(section.title)}</h2>{hint}<div class="runs n{min(len(runs), 3)}">{columns}</div>'


def run_title(shown: Shown, runs: int) -> str:
    return f"<h3>{escape(shown.seen.name)}</h3>" if runs > 1 else ""


def summary(runs: Sequence[Shown]) -> str:
    return "".join(f"{run_title(shown, len(runs))}{summary_of(shown)}" for shown in runs)


def summary_of(shown: Shown) -> str:
    return f'<ul class="lead">{"".join(f"<li>{escape(line)}</li>" for line in sentences(shown))}</ul>'


def sentences(shown: Shown) -> list[str]:
    """The page in a few lines."""
    sizes, config = shown.seen.model.sizes, shown.seen.config
    moving = shown.foresight.quantities[1]
    return [
        f"{config.env}, {config.size}×{config.size} pixels; a latent of {sizes.deter} deterministic and {sizes.stoch} "
        "stochastic dimensions.",
        *reading(shown),
        sentence(moving, shown.foresight.seconds_per_step),
        *(foretelling(shown.linear)[:1] if shown.linear and shown.seen.task else []),
    ]


def reading(shown: Shown) -> list[str]:
    """The best and the worst told variable of the true state."""
    scores = shown.mapped.scores
    known = np.isfinite(scores.linear)
    if not known.any():
        return []
    order = np.flatnonzero(known)[np.argsort(scores.linear[known])]
    worst, best = order[0], order[-1]
    return [
        f"The belief tells {scores.features[best]} best (R² {r2(scores.linear[best])} by a line) and "
        f"{scores.features[worst]} worst ({r2(scores.linear[worst])}; {r2(scores.mlp[worst])} by a small network)."
    ]
