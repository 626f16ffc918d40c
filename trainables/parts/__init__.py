"""What approaches share: their contract, a seed's protocol, data sets, networks, augmentation, training, backbones.

Nothing here imports an approach, Ray or anything of a sweep.
"""
