"""Compile the Triton kernel for a GPU that is not there, and count what came out. Run as
``python -m tests.worldmodel.kernels.compile_ahead CAPABILITY PRECISION narrow|wide mean|sampled``: prints JSON.

A process of its own, because the tests' process may have Triton's interpreter switched on.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from tests.worldmodel.kernels.problems import PLANET, make_weights
from worldmodel.kernels.rssm_rollout import triton as launcher
from worldmodel.kernels.rssm_rollout.triton_kernel import rollout_kernel

FLOAT_POINTERS = ("start_deter", "start_stoch", "actions", "noise", "deters", "stochs")
FLOAT_POINTERS = (*FLOAT_POINTERS, "b_inputs", "b_gates", "b_prior", "b_stats")
OPERAND_POINTERS = ("scratch", "w_inputs", "w_ih", "w_hh", "w_prior", "w_stats")
ONES = ("deter_feature", "stoch_feature", "action_feature", "noise_feature")
# What a launch finds at this size: addresses and padded widths are multiples of 16, the other sizes are not.
MULTIPLES = (*FLOAT_POINTERS, *OPERAND_POINTERS, "inputs_p", "hidden_p", "deter_p", "prior_p")


def compiled(
    capability: int, precision: launcher.Precision, tiles: launcher.Tiles, sampled: bool
) -> triton.compiler.CompiledKernel:
    constants = {**launcher.constants(make_weights(PLANET), sampled, precision, tiles), **dict.fromkeys(ONES, 1)}
    operand = {"bf16": "*bf16", "tf32": "*fp32"}[precision]
    kinds = {**dict.fromkeys(FLOAT_POINTERS, "*fp32"), **dict.fromkeys(OPERAND_POINTERS, operand)}
    names = rollout_kernel.arg_names
    signature = {name: "constexpr" if name in constants else kinds.get(name, "i32") for name in names}
    source = ASTSource(
        rollout_kernel,
        signature,
        {(names.index(name),): value for name, value in constants.items()},
        attrs={(names.index(name),): [["tt.divisibility", 16]] for name in MULTIPLES},
    )
    options = {"num_warps": tiles.warps, "num_stages": tiles.stages}
    return triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)


def measures(kernel: triton.compiler.CompiledKernel) -> dict[str, int]:
    tools = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(kernel.asm["cubin"])
        file.flush()
        usage = output(tools / "cuobjdump", "--dump-resource-usage", file.name)
        code = output(tools / "nvdisasm", "-c", file.name)
    counts = {name: len(re.findall(rf"\b{name}\b", code)) for name in ("STL", "LDL", "HMMA", "HGMMA", "LDGSTS", "BAR")}
    counts["registers"] = int(re.search(r"REG:(\d+)", usage)[1])
    counts["stack"] = int(re.search(r"STACK:(\d+)", usage)[1])
    counts["shared"] = kernel.metadata.shared
    return counts


def output(*command: object) -> str:
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    capability, precision, width, noise = sys.argv[1:]
    tiles = {"narrow": launcher.NARROW, "wide": launcher.WIDE}[width][precision]
    print(json.dumps(measures(compiled(int(capability), precision, tiles, noise == "sampled"))))
