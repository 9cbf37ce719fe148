"""`worldmodel benchmark NAME`: whole experiments that others have published numbers for; one module each."""

from __future__ import annotations

import importlib

from experiments.commands.leading import leading
from experiments.errors import unknown

BENCHMARKS = {  # each is a module experiments.commands.benchmark_NAME with a function run(argv)
    "dmc": "the control suite from pixels, beside PlaNet, Dreamer, SLAC and TD-MPC",
    "locally-linear": "locally linear models and iLQR to a goal image, beside PC3, PCC and SOLAR",
}


def run(argv: list[str]) -> None:
    """Raises UserError for a benchmark that there is not."""
    if argv[:1] in (["--help"], ["-h"]):
        print("usage: worldmodel benchmark NAME [options]\n")
        print("\n".join(f"  {name:<18}{what}" for name, what in BENCHMARKS.items()))
        return
    name = leading(argv, "worldmodel benchmark NAME [options]")
    if name not in BENCHMARKS:
        raise unknown("benchmark", name, BENCHMARKS)
    importlib.import_module(f"experiments.commands.benchmark_{name.replace('-', '_')}").run(argv[1:])
