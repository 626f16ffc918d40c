"""What learners share: their contract, a seed's protocol, data sets, networks, augmentation, training, backbones.

Nothing here imports a learner of `trainables/`, Ray or anything of a sweep.
"""
