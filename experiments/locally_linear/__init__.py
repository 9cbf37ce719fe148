"""The published benchmark of locally linear models: transitions, a model, iLQR to a goal image, the table."""
