"""What `sbatch`, `srun`, `sacct` and `scancel` look like from outside, on this machine and without a queue."""

import sys
from pathlib import Path

SBATCH = """#!{python}
import os, re, subprocess, sys
script = open(sys.argv[1]).read()
array = re.search(r"#SBATCH --array=0-(\\d+)", script)
for task in range(int(array[1]) + 1) if array else [None]:
    place = dict(SLURM_JOB_ID="7", SLURM_NTASKS="1", SLURM_PROCID="0")
    if task is not None:
        place |= dict(SLURM_ARRAY_JOB_ID="7", SLURM_ARRAY_TASK_ID=str(task))
    quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    # not the file, as Slurm keeps a copy of its own: submitit moves it as soon as it has the number
    subprocess.Popen(["/bin/sh", "-c", script], env=os.environ | place, start_new_session=True, **quiet)
print("Submitted batch job 7")
"""

SRUN = """#!{python}
import os, sys
argv, names = sys.argv[1:], dict(j="7", A="7", t="0", a=os.environ.get("SLURM_ARRAY_TASK_ID", ""))
while argv[0].startswith("--"):
    option = argv.pop(0)
    if option in ("--output", "--error"):
        path = argv.pop(0)
        for letter, value in names.items():
            path = path.replace("%" + letter, value)
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1 if option == "--output" else 2)
os.execvp(argv[0], argv)
"""

SACCT = """#!/bin/sh
echo "JobID|State|NodeList"
"""

SCANCEL = """#!/bin/sh
echo "$@" >> {folder}/cancelled
"""


def install(folder: Path) -> None:
    """Write the commands to ``folder``."""
    folder.mkdir()
    for name, text in (("sbatch", SBATCH), ("srun", SRUN), ("sacct", SACCT), ("scancel", SCANCEL)):
        path = folder / name
        path.write_text(text.replace("{python}", sys.executable).replace("{folder}", str(folder)))
        path.chmod(0o755)
