"""Parameters that several spaces have in common."""

from __future__ import annotations

from optuna import Trial


def suggest_scratch_network(trial: Trial, *, least_learning_rate: float = 1e-4, most_steps: int = 100) -> None:
    """Parameters of every network from scratch.

    The least weight decay is as good as none: AdamW multiplies it by the learning rate.
    """
    trial.suggest_categorical("normalisation", ["none", "fixed", "zscore", "autocontrast"])  # Scientific.
    trial.suggest_float("learning_rate", least_learning_rate, 3e-2, log=True)  # Nuisance.
    trial.suggest_float("weight_decay", 1e-6, 1.0, log=True)  # Nuisance.
    # Nuisance. Below about 30 steps BatchNorm's running statistics still hold part of their start; twice the study's 50
    # steps at its learning rate gave four points less.
    trial.suggest_int("steps", 30, most_steps, log=True)
    # Scientific: 0 is the last step's weights. With .95 BatchNorm's statistics lag so far behind that `cnn_cirillo` at
    # the study's setting is at chance.
    trial.suggest_categorical("averaging", [0.0, 0.8])


def suggest_loss(trial: Trial) -> None:
    """The loss of a network from scratch with one decision for each image."""
    trial.suggest_categorical("loss", ["cross_entropy", "cosine", "cosine_cross_entropy"])  # Scientific.


def suggest_statistics_memory(trial: Trial) -> None:
    """Over which part of training BatchNorm's running statistics are averaged; at 50 steps .2 is torch's momentum."""
    trial.suggest_float("statistics_memory", 0.05, 0.4, log=True)  # Nuisance.


def suggest_cnn(trial: Trial, *, most_steps: int = 100) -> None:
    """Parameters of the study's custom network, which has four blocks."""
    suggest_scratch_network(trial, most_steps=most_steps)
    suggest_loss(trial)
    suggest_statistics_memory(trial)
    trial.suggest_categorical("blocks", [2, 3, 4])  # Scientific.
    trial.suggest_float("dropout", 0.0, 0.6)  # Nuisance.


def suggest_cirillo(trial: Trial) -> None:
    """How far Cirillo's augmentation changes grey values and shapes.

    Normalisation of each image by itself comes after it and takes any gain back.
    """
    if trial.params["normalisation"] in ("none", "fixed"):
        trial.suggest_float("gain_spread", 0.0, 0.6)  # Scientific.
    trial.suggest_float("gamma_spread", 0.0, 0.6)  # Scientific.
    trial.suggest_float("elastic_sigma_px", 0.0, 3.0)  # Scientific.
    trial.suggest_categorical("elastic_points", [3, 4, 5])  # Scientific.


def suggest_satoto(trial: Trial) -> None:
    """How far Satoto's augmentation turns, shears and shrinks, and whether it mirrors."""
    trial.suggest_float("rotation_deg", 0.0, 90.0)  # Scientific.
    trial.suggest_float("shear_x_deg", 0.0, 45.0)  # Scientific.
    trial.suggest_float("shear_y_deg", 0.0, 60.0)  # Scientific.
    trial.suggest_float("least_scale", 0.5, 1.0)  # Scientific.
    trial.suggest_categorical("reflect", [False, True])  # Scientific.


def suggest_augmentation(trial: Trial) -> None:
    """One of the augmentations, both or none, and how far it goes."""
    augmentation = trial.suggest_categorical("augmentation", ["none", "cirillo", "satoto", "both"])  # Scientific.
    if augmentation in ("cirillo", "both"):
        suggest_cirillo(trial)
    if augmentation in ("satoto", "both"):
        suggest_satoto(trial)


def suggest_attention(trial: Trial) -> None:
    """The kind of attention and what is around it."""
    kind = trial.suggest_categorical("kind", ["self", "channel", "spatial", "dual"])  # Scientific.
    trial.suggest_categorical("residual", [False, True])  # Scientific.
    trial.suggest_categorical("layer_norm", [False, True])  # Scientific.
    if kind == "self":
        trial.suggest_categorical("heads", [1, 2, 4])  # Scientific.
    if kind != "channel":  # Which sees no positions.
        trial.suggest_categorical("positional", ["none", "learned", "sinusoidal"])  # Scientific.


# A step of a ResNet18 takes up to ten times as long as one of the small networks.
MOST_RESNET18_STEPS = 80


def suggest_resnet18(trial: Trial) -> None:
    """The shape of a ResNet18, its stem and channels in one choice: the study's, and narrow ones.

    The 3 x 3 stem keeps four times as many positions: with 64 channels a seed takes 8 s instead of 3, with 32 channels
    over 2 s. Sweeps of those would take most of the time of a whole study.
    """
    trial.suggest_categorical("shape", ["7x7-64", "7x7-16", "7x7-8", "3x3-8", "3x3-4"])  # Scientific.


def suggest_siamese(trial: Trial) -> None:
    """The embedding of a Siamese network, its training, augmentation, and how an image is compared with a class."""
    # The study's learning rate leaves the network as it was initialised, which is a baseline of its own.
    suggest_scratch_network(trial, least_learning_rate=1e-6)
    suggest_statistics_memory(trial)
    trial.suggest_float("dropout", 0.0, 0.6)  # Nuisance.
    suggest_augmentation(trial)
    trial.suggest_int("embedding_size", 8, 128, log=True)  # Scientific.
    trial.suggest_categorical("references", ["mean", "nearest"])  # Scientific.


def suggest_frozen_features(trial: Trial, *, pooling: bool = True) -> None:
    """What goes into a frozen backbone, what comes out, and its scale.

    A table at 224 pixels takes minutes to compute, so ImageNet's normalisation is offered at 128 pixels only.
    """
    if trial.suggest_categorical("size_px", [224, 128]) == 128:  # Scientific.
        trial.suggest_categorical("input_normalisation", ["half", "imagenet"])  # Nuisance.
    if pooling:
        trial.suggest_categorical("pooling", ["full", "mean"])  # Scientific.
    trial.suggest_categorical("scaling", ["none", "length", "standardise"])  # Nuisance.


def suggest_head(trial: Trial, *, pooling: bool = True, most_steps: int = 200) -> None:
    """Parameters of every head on a frozen backbone; on weight decay see `suggest_scratch_network`."""
    suggest_frozen_features(trial, pooling=pooling)
    trial.suggest_float("learning_rate", 1e-5, 1e-1, log=True)  # Nuisance.
    trial.suggest_float("weight_decay", 1e-6, 1.0, log=True)  # Nuisance.
    trial.suggest_int("steps", 10, most_steps, log=True)  # Nuisance.


def suggest_focal(trial: Trial) -> None:
    """Focal loss: how little an easy image counts (0 is cross-entropy), and the weight of pneumonia (.5 is neutral)."""
    trial.suggest_float("gamma", 0.0, 5.0)  # Scientific.
    trial.suggest_float("alpha", 0.25, 0.75)  # Scientific.


def suggest_recurrent(trial: Trial, *, most_hidden: int, most_layers: int) -> None:
    """The size of a recurrent network, and how it is read out."""
    trial.suggest_int("hidden_size", 8, most_hidden, log=True)  # Scientific.
    trial.suggest_int("layers", 1, most_layers)  # Scientific.
    trial.suggest_categorical("readout", ["last", "mean"])  # Scientific.
    trial.suggest_float("dropout", 0.0, 0.6)  # Nuisance.


def suggest_recurrent_head(trial: Trial) -> None:
    """Parameters of a recurrent head on a feature map.

    With 128 units in two layers and twice the study's steps a seed takes over four seconds, so these are the most.
    """
    suggest_head(trial, pooling=False, most_steps=60)
    trial.suggest_categorical("sequence", ["positions", "pieces"])  # Scientific.
    suggest_recurrent(trial, most_hidden=128, most_layers=2)


def suggest_pixel_sequence(trial: Trial) -> None:
    """Parameters of a recurrent network over pixels."""
    suggest_scratch_network(trial)
    trial.suggest_categorical("sequence", ["rows", "patches"])  # Scientific.
    suggest_recurrent(trial, most_hidden=256, most_layers=3)


def suggest_features_and_pixels(trial: Trial) -> None:
    """Parameters of a recurrent network over pixels that starts from frozen features."""
    suggest_frozen_features(trial, pooling=False)
    suggest_pixel_sequence(trial)


def suggest_two_backbones(trial: Trial) -> None:
    """The training of linear heads on two backbones, and how these become one answer."""
    suggest_head(trial)
    trial.suggest_categorical("combination", ["joint", "average"])  # Scientific.
