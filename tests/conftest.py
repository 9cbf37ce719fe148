"""One thread per test process, waiting passively: small tensors on two threads of a busy machine take many times the
time of one thread. Set before torch is imported.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ["MUJOCO_GL"] = "disable"  # MuJoCo's pictures by ray casting: the same on every machine
