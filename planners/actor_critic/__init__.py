"""A policy and its value, learned inside the model's imagination (Dreamer: Hafner 2020, 2021, 2023)."""
