"""One module per command of `worldmodel`: its arguments, a frozen dataclass that tyro reads, and ``run(argv)``."""
