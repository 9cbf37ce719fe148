"""What is wrong with data or with a model, found by computing: one question a file, each a pure function."""
