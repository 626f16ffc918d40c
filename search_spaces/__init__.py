"""What is searched: one file an approach, each with `suggest(trial)` and `REPORTED`."""
