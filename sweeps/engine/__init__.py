"""Ray: one machine or a cluster, its settings, and Tune's loop over a stage's tasks.

Everything that knows Tune stands here, and nothing that knows which tasks there are, or how they are judged.
"""
