"""Sweeps over seeds: each folder is one layer, and the scripts beside them are the commands."""

from sweeps.engine import environment

# Ray reads these when it is imported, which several folders do; all others are set where Ray and Tune are started.
environment.prepare(environment.READ_AT_IMPORT)
