"""Everything that learns from pixels, on more classes than two, on colours, and on other numbers of shots than five."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from trainables.cnn_attention import CNNAttention, CnnAttentionConfig
from trainables.cnn_ensemble import CNNEnsemble, CnnEnsembleConfig
from trainables.cnn_hog import CNNHog, CnnHogConfig
from trainables.cnn_resnet18_ensemble import CNNResNet18Ensemble, EnsembleConfig
from trainables.parts.learner import Support
from trainables.parts.scratch import ScratchConfig
from trainables.parts.streams import Streams
from trainables.pixel_baseline import PixelBaseline, PixelBaselineConfig
from trainables.pixel_sequences import (
    FeaturesAndPixelsConfig,
    PixelLSTM,
    PixelRNN,
    PixelSequenceConfig,
    VGG11LSTMHidden,
    VGG11RNNHidden,
    VGG11RNNHidden1000,
)
from trainables.resnet18 import ResNet18, ResNet18Attention, ResNet18AttentionConfig, ResNet18Config
from trainables.siamese import BceConfig, ContrastiveConfig, SiameseBCE, SiameseContrastive
from trainables.small_cnn import CNN, CirilloConfig, CNNCirillo, CnnConfig, CNNSatoto, SatotoConfig, StarterCNN

TRAINING = {"learning_rate": 1e-3, "weight_decay": 0.0, "steps": 12, "normalisation": "fixed"}
AUGMENTED = {**TRAINING, "augmentation": "both", "gain_spread": 0.1, "elastic_sigma_px": 0.5, "rotation_deg": 5.0}
ATTENTION = {"kind": "self", "residual": True, "layer_norm": True}
SIAMESE = {**AUGMENTED, "embedding_size": 8, "dropout": 0.0}
SEVERAL = {**AUGMENTED, "members": 2, "blocks": 3, "dropout": 0.0, "statistics_memory": 0.2}
SEQUENCE = {**TRAINING, "hidden_size": 6, "layers": 2, "readout": "mean", "dropout": 0.0}
STARTED = {**SEQUENCE, "tap": "5@128", "scaling": "standardise"}
D = 6

NETWORKS = {
    "starter": (StarterCNN, ScratchConfig(**TRAINING)),
    "study": (CNN, CnnConfig(**TRAINING, dropout=0.2)),
    "satoto, cosine": (CNNSatoto, SatotoConfig(**TRAINING, dropout=0.0, rotation_deg=5.0, loss="cosine")),
    "cirillo, both losses": (
        CNNCirillo,
        CirilloConfig(**TRAINING, dropout=0.0, gain_spread=0.1, elastic_sigma_px=0.5, loss="cosine_cross_entropy"),
    ),
    "attention": (
        CNNAttention,
        CnnAttentionConfig(
            **AUGMENTED, **ATTENTION, network="starter", batch_norm=True, dropout=0.0, position="end", modules=1
        ),
    ),
    "resnet18": (ResNet18, ResNet18Config(**AUGMENTED, shape="3x3-4")),
    "resnet18, attention": (
        ResNet18Attention,
        ResNet18AttentionConfig(**AUGMENTED, **ATTENTION, shape="7x7-8", position="beginning"),
    ),
    "several": (CNNEnsemble, CnnEnsembleConfig(**SEVERAL)),
    "joint": (CNNResNet18Ensemble, EnsembleConfig(**AUGMENTED, combination="joint", dropout=0.0, shape="3x3-4")),
    "average": (CNNResNet18Ensemble, EnsembleConfig(**AUGMENTED, combination="average", dropout=0.0, shape="3x3-4")),
    "siamese": (
        SiameseBCE,
        BceConfig(**SIAMESE, references="mean", comparison="difference", hidden_layers=1, hidden_width=8),
    ),
    "siamese, cosine": (SiameseBCE, BceConfig(**SIAMESE, references="nearest", comparison="cosine", hidden_layers=0)),
    "siamese, contrastive": (
        SiameseContrastive,
        ContrastiveConfig(**SIAMESE, references="nearest", margin=1.0, unit_length=True),
    ),
    "rows": (PixelRNN, PixelSequenceConfig(**SEQUENCE, sequence="rows")),
    "patches": (PixelLSTM, PixelSequenceConfig(**SEQUENCE, sequence="patches")),
    "started": (VGG11RNNHidden, FeaturesAndPixelsConfig(**STARTED, sequence="rows")),
    "started, lstm": (VGG11LSTMHidden, FeaturesAndPixelsConfig(**STARTED, sequence="patches")),
    "outputs as state": (
        VGG11RNNHidden1000,
        FeaturesAndPixelsConfig(**{**STARTED, "steps": 2, "hidden_size": D}, sequence="pieces"),
    ),
    "with hog": (
        CNNHog,
        CnnHogConfig(**SEVERAL, plain_weight=0.5, hog_cell_px=7, svm_c=10.0, svm_gamma_factor=1.0),
    ),
}
CLASSIFIERS = {
    "centroid": {},
    "1nn": {},
    "ridge": {"ridge_alpha": 1.0},
    "logistic": {"logistic_c": 1000.0},
    "svm": {"svm_c": 10.0, "svm_gamma_factor": 1.0},
}
PLAIN = {
    f"{classifier} on {representation}": (
        PixelBaseline,
        PixelBaselineConfig(
            representation=representation,
            classifier=classifier,
            hog_cell_px=7 if representation == "hog" else None,
            **parameters,
        ),
    )
    for classifier, parameters in CLASSIFIERS.items()
    for representation in ("hog", "zscore", *(["scattering"] if classifier == "ridge" else []))
}
EACH = {**NETWORKS, **PLAIN}
# Shots of each class, and colours.
KINDS = {
    "three classes": ((5, 5, 5), 1),
    "colours": ((5, 5), 3),
    "uneven": ((2, 8), 1),
    "one shot": ((1, 1), 1),
    "one shot of three classes": ((1, 1, 1), 1),
    "uneven, four classes, colours": ((1, 2, 3, 4), 3),
}
each_approach = pytest.mark.parametrize(("approach", "config"), EACH.values(), ids=EACH)


def easy(counts, colours, seed):
    """Images class by class, the class a bright stripe; of colours also a tint. Features that know as much."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    images = rng.integers(40, 90, (len(labels), colours, 28, 28), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:, 2:-2, 3 + 6 * label : 7 + 6 * label] += 120
        image[label % colours, :, :] += 20 if colours > 1 else 0
    features = np.eye(D, dtype=np.float32)[labels] + 0.1 * rng.standard_normal((len(labels), D), dtype=np.float32)
    return (torch.from_numpy(each) for each in (images if colours > 1 else images[:, 0], features, labels))


def views_of(approach, images, features):
    return (features, images) if issubclass(approach, VGG11RNNHidden) else (images,)


def fitted(approach, config, shots, colours):
    images, features, labels = easy(shots, colours, 0)
    first, *more = views_of(approach, images, features)
    support = Support(images=first, labels=labels, classes=len(shots), more=tuple(more))
    return approach.fit(config, support, Streams(0))


@pytest.mark.parametrize(("shots", "colours"), KINDS.values(), ids=KINDS)
@each_approach
def test_every_kind_of_pixels_is_learned_from(approach, config, shots, colours):
    classifier = fitted(approach, config, shots, colours)
    images, features, _ = easy([3] * len(shots), colours, 1)
    views = views_of(approach, images, features)
    with torch.inference_mode():
        found = classifier(*views)
        alone = torch.cat([classifier(*(view[row : row + 1] for view in views)) for row in range(len(images))])
    assert found.shape == ((len(images),) if len(shots) == 2 else (len(images), len(shots)))
    assert found.isfinite().all()
    torch.testing.assert_close(found.float(), alone.float(), rtol=1e-3, atol=1e-3)


def accuracy(approach, config, shots, colours):
    images, features, labels = easy([8] * len(shots), colours, 1)
    classifier = fitted(approach, config, shots, colours)
    with torch.inference_mode():
        found = classifier(*views_of(approach, images, features))
    decided = (found >= 0).long() if len(shots) == 2 else found.argmax(1)
    return float((decided == labels).float().mean())


# What learns stripes in thirty steps or none.
QUICK = {
    **{
        name: (each[0], replace(each[1], steps=30, learning_rate=5e-3))
        for name, each in NETWORKS.items()
        if name in ("satoto, cosine", "several", "siamese, cosine", "siamese, contrastive")
    },
    **PLAIN,
}


@pytest.mark.parametrize(("shots", "colours"), [((5, 5, 5), 1), ((5, 5), 3), ((2, 8), 1), ((3, 4, 5, 6), 3)])
@pytest.mark.parametrize(("approach", "config"), QUICK.values(), ids=QUICK)
def test_a_stripe_is_learned(approach, config, shots, colours):
    assert accuracy(approach, config, shots, colours) > 0.9


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_one_shot_of_a_class_teaches_a_plain_classifier(classifier):
    for shots in ((1, 1), (1, 1, 1)):
        assert accuracy(*PLAIN[f"{classifier} on hog"], shots, 1) > 0.9
