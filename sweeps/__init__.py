"""Sweeps over seeds: each folder is one layer, and the scripts beside them are the commands."""

from sweeps.core.environment import set_defaults, spare_loopback
from sweeps.engine.environment import READ_AT_IMPORT

# Ray reads these when it is imported, which several folders do; all others are set where Ray and Tune are started.
set_defaults(READ_AT_IMPORT)
# Everything that talks to this machine, MLflow's client in any process included, comes after it.
spare_loopback()
