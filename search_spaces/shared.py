"""Parameters that several spaces have in common."""

from __future__ import annotations

from collections.abc import Sequence

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
    """Parameters of the custom network; the study's has four blocks."""
    suggest_scratch_network(trial, most_steps=most_steps)
    suggest_loss(trial)
    suggest_statistics_memory(trial)
    trial.suggest_categorical("blocks", [2, 3, 4])  # Scientific.
    trial.suggest_float("dropout", 0.0, 0.6)  # Nuisance.


def suggest_cirillo(trial: Trial) -> None:
    """How far Cirillo's augmentation changes grey values and shapes.

    Z-scores take any gain back. Contrast is stretched before it, and gain was no better there (on 40 seeds of
    `cnn_cirillo` 83.4 % without, 82.6 with .2 and with .4), so neither has it.
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

    The 3 x 3 stem keeps four times as many positions: with 64 channels a seed takes 5 to 8 s instead of 2, with 32
    channels over 2 s. Sweeps of those would take most of the time of a whole study.
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


# Where networks of five blocks are tapped, and those of three, and two of the first side by side: after which block, on
# images of which size. The study looked at the last block on 224 pixels. One choice, since each pair is a table.
FIVE_BLOCKS = ("5@224", "5@128", "4@128", "4@96", "3@64")
THREE_BLOCKS = ("3@224", "3@128", "2@128", "2@96", "1@64")
TWICE_FIVE_BLOCKS = ("5+5@224", "5+5@128", "4+4@128", "4+4@96", "3+3@64")
FIVE_AND_THREE_BLOCKS = ("5+3@224", "5+3@128", "4+2@128", "4+2@96", "3+1@64")
# Of heads that take a map of 7 x 7 positions.
MAP_TAPS = ("5@224", "5@128", "4@128", "3@64")
LITE0_TAPS = ("2@64", "2@80", "5@96", "6@140", "8@140")
# Early layers and later ones, which err on other images.
LITE0_PAIRS = ("2@80&5@96", "2@64&6@140", "2@80&6@140")


def suggest_frozen_features(trial: Trial, taps: Sequence[str] = FIVE_BLOCKS, *, pooling: bool = True) -> None:
    """Where a frozen backbone is tapped, how many positions are kept, and the features' scale."""
    trial.suggest_categorical("tap", taps)  # Scientific.
    if pooling:
        trial.suggest_categorical("pooling", ["full", "mean"])  # Scientific.
    suggest_scaling(trial)


def suggest_scaling(trial: Trial) -> None:
    """How features come to a common scale."""
    trial.suggest_categorical("scaling", ["none", "length", "standardise", "damped"])  # Nuisance.


def suggest_head(
    trial: Trial, taps: Sequence[str] = FIVE_BLOCKS, *, pooling: bool = True, most_steps: int = 200
) -> None:
    """Parameters of every head on a frozen backbone; on weight decay see `suggest_scratch_network`."""
    suggest_frozen_features(trial, taps, pooling=pooling)
    trial.suggest_float("learning_rate", 1e-5, 1e-1, log=True)  # Nuisance.
    trial.suggest_float("weight_decay", 1e-6, 1.0, log=True)  # Nuisance.
    trial.suggest_int("steps", 10, most_steps, log=True)  # Nuisance.


def suggest_head_on_lite0(trial: Trial) -> None:
    """Parameters of every trained head on EfficientNet-Lite0, whose tables have 7 x 7 positions."""
    suggest_head(trial, LITE0_TAPS, pooling=False)
    suggest_border_and_mirror(trial)


def suggest_border_and_mirror(trial: Trial) -> None:
    """Whether the border of the map, which has seen the padding, is cut off, and mirror images are learned from."""
    trial.suggest_categorical("cut", [0, 1])  # Nuisance.
    trial.suggest_categorical("mirror", [False, True])  # Scientific.


def suggest_dense_layers(trial: Trial, *, least: int, most_width: int) -> None:
    """Hidden layers behind the features: `least` to two, of 32 to `most_width` units."""
    if trial.suggest_int("depth", least, 2):  # Scientific.
        trial.suggest_int("width", 32, most_width, log=True)  # Scientific.
        trial.suggest_float("dropout", 0.0, 0.8)  # Nuisance.


def suggest_focal(trial: Trial) -> None:
    """Focal loss: how little an easy image counts (0 is cross-entropy), and the weight of class 1 (.5 is neutral)."""
    trial.suggest_float("gamma", 0.0, 5.0)  # Scientific.
    trial.suggest_float("alpha", 0.25, 0.75)  # Scientific.


def suggest_triplet(trial: Trial) -> None:
    """The embedding, the triplets it learns from, and how it then decides."""
    trial.suggest_int("embedding_size", 8, 128, log=True)  # Scientific.
    trial.suggest_categorical("unit_length", [False, True])  # Scientific.
    trial.suggest_float("dropout", 0.0, 0.8)  # Nuisance.
    trial.suggest_float("margin", 0.05, 1.0, log=True)  # Scientific.
    trial.suggest_categorical("mining", ["all", "semi-hard", "hard"])  # Scientific.
    if trial.suggest_categorical("inference", ["centroid", "neighbours", "logistic"]) == "neighbours":  # Scientific.
        trial.suggest_int("neighbours", 1, 5)  # Nuisance.


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
    suggest_head(trial, MAP_TAPS, pooling=False, most_steps=60)
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


def suggest_two_backbones(trial: Trial, taps: Sequence[str] = TWICE_FIVE_BLOCKS) -> None:
    """The training of linear heads on two backbones, and how these become one answer."""
    suggest_head(trial, taps)
    trial.suggest_categorical("combination", ["joint", "average"])  # Scientific.


def suggest_hog(trial: Trial) -> None:
    """The cells of HOG."""
    trial.suggest_categorical("hog_cell_px", [4, 7])  # Nuisance: 7 x 7 or 4 x 4 cells.


def suggest_svm(trial: Trial) -> None:
    """A support vector machine with Gaussian kernel."""
    trial.suggest_float("svm_c", 1e-1, 1e3, log=True)  # Nuisance.
    trial.suggest_float("svm_gamma_factor", 1e-2, 1e1, log=True)  # Nuisance: 1 is sklearn's "scale".


def suggest_tapped_head(trial: Trial, taps: Sequence[str]) -> None:
    """A head without training on an inner layer: where, the features' scale, and what the chosen head has."""
    # Scientific: behind which block or how deep, on images of which size. One choice, since each pair is a table.
    trial.suggest_categorical("tap", taps)
    suggest_border_and_mirror(trial)
    trial.suggest_float("shrink", 0.0, 1.0)  # Nuisance.
    head = trial.suggest_categorical("head", ["centroid", "ridge", "svm", "logistic", "lda"])  # Scientific.
    if head == "ridge":
        trial.suggest_float("ridge_alpha", 1e-3, 1e2, log=True)  # Nuisance.
    if head == "svm":
        trial.suggest_float("svm_c", 1e-2, 1e3, log=True)  # Nuisance.
    if head == "logistic":
        trial.suggest_float("logistic_c", 1e-2, 1e3, log=True)  # Nuisance.
    if head == "lda":
        trial.suggest_float("lda_shrinkage", 1e-2, 1.0, log=True)  # Nuisance.
