"""What a worker imports at its start, before there is work for it: what trains anything."""

from trainables.parts.garbage import pause_collection, resume_collection

pause_collection()

import trainables.seed_trainable  # noqa: E402, F401

resume_collection()
