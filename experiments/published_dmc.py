"""Published returns on the control suite from pixels, of at most 1000; frames count the action repeat."""

from __future__ import annotations

COLUMNS = (
    "CEM on the true simulator",  # horizon 12, 10 iterations, 1000 candidates, 100 elites; Hafner 2019, table 1
    "PlaNet, 1000 episodes",  # Hafner 2019, arXiv 1811.04551, table 1
    "DreamerV3, 100k frames",  # its score files (Hafner 2023, arXiv 2301.04104)
    "SLAC, 100k frames",  # its result files (Lee 2020, arXiv 1907.00953)
    "best known, 100k frames",  # EfficientZero 813 and TD-MPC 770 on cartpole; see the results page for the others
    "TD-MPC, 100k frames",  # Hansen 2022, arXiv 2203.04955
)
PUBLISHED: dict[str, tuple[int | None, ...]] = {
    "cartpole-swingup": (850, 821, 529, 317, 813, 770),
    "reacher-easy": (964, 832, 380, 343, 628, None),
    "cheetah-run": (656, 662, 304, 313, 344, None),
    "finger-spin": (825, 700, 490, 876, 1000, 943),
    "ball_in_cup-catch": (993, 930, 837, 725, 952, 933),
    "walker-walk": (994, 951, 572, 449, 612, None),
    "pendulum-swingup": (None, None, 267, None, 267, None),
}
