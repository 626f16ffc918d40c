"""The study's systems of Challenge 1, which are trained from scratch.

What the study does not give is chosen here, as each note says. Approaches that are not the study's have a setting to
start from and no number.
"""

from __future__ import annotations

from search_spaces.published.settings import Published, Variant, ours
from search_spaces.published.shared import (
    STUDY_CIRILLO,
    STUDY_CLASSIFIER,
    STUDY_CUSTOM,
    STUDY_NORMED_CLASSIFIER,
    STUDY_SIAMESE,
    STUDY_STATISTICS,
)

# Chosen by `benchmarks/surrogate_benchmark.py`, greedily, among 150 settings on every other seed of 10000 to 10399;
# rounded. What they gain on the others, and on other images, is in docs/evidence.md.
PIXEL_PORTFOLIO = (
    {"representation": "hog", "classifier": "svm", "hog_cell_px": 4, "svm_c": 616.0, "svm_gamma_factor": 1.56},
    {"representation": "scattering", "classifier": "ridge", "ridge_alpha": 180.0},
    {"representation": "hog", "classifier": "svm", "hog_cell_px": 4, "svm_c": 0.126, "svm_gamma_factor": 3.11},
    {"representation": "scattering", "classifier": "svm", "svm_c": 12.3, "svm_gamma_factor": 3.64},
    {"representation": "scattering", "classifier": "logistic", "logistic_c": 0.11},
    {"representation": "autocontrast", "classifier": "ridge", "ridge_alpha": 30.9},
)

PUBLISHED = {
    "pixel_baseline": ours(
        params={"representation": "zscore", "classifier": "centroid"},
        note="the plain baseline that the study lacks; on the real images it gives 82.5 +- 3.9 on seeds 0 to 49",
        portfolio=PIXEL_PORTFOLIO,
    ),
    "starter_cnn": Published(
        params={**STUDY_CLASSIFIER},
        mean_percent=79.83,
        sd_percent=5.72,
        seeds=50,
        note="the study's own starting point",
    ),
    "cnn": Published(
        params={**STUDY_NORMED_CLASSIFIER, **STUDY_CUSTOM},
        mean_percent=None,
        sd_percent=None,
        seeds=None,
        note="the base of the study's augmented networks; it gives no number for it alone",
    ),
    "cnn_satoto": Published(
        params={
            **STUDY_NORMED_CLASSIFIER,
            "normalisation": "autocontrast",
            "learning_rate": 3e-4,
            **STUDY_CUSTOM,
            "rotation_deg": 90.0,
            "shear_x_deg": 45.0,
            "shear_y_deg": 60.0,
            "least_scale": 1.0,
            "reflect": False,
        },
        mean_percent=65.27,
        sd_percent=6.40,
        seeds=50,
        note="as in the authors' notebook, which neither scales nor mirrors; validation images were changed too",
        fault="its random augmentation changed validation images too",
    ),
    "cnn_cirillo": Published(
        params={
            **STUDY_NORMED_CLASSIFIER,
            **STUDY_CUSTOM,
            **STUDY_CIRILLO,
        },
        mean_percent=82.75,
        sd_percent=3.63,
        seeds=50,
        note="in the study its random changes met validation images too and bent images in one direction only",
        fault="its random augmentation changed validation images too, and bent images in one direction only",
    ),
    "cnn_attention": Published(
        params={
            **STUDY_CLASSIFIER,
            "dropout": 0.0,
            "augmentation": "none",
            "network": "starter",
            "batch_norm": False,
            "position": "beginning",
            "modules": 1,
            "kind": "self",
            "residual": False,
            "layer_norm": False,
            "heads": 2,
            "positional": "learned",
        },
        mean_percent=71.78,
        sd_percent=16.01,
        seeds=None,
        note="its bar chart: with BatchNorm 75.3, in the middle 52.3, at the end 50.0; with augmentation worse than "
        "either, without a number. There the images of a batch attended to each other, with channels as tokens and the "
        "positions' encoding added to pixels, and each seed went on training the network of the seed before; here "
        "positions attend to positions. It had neither a residual path nor LayerNorm, as the variant `residual` has "
        "them. Chosen here: training, that of `starter_cnn`",
        fault="the images of a batch attended to each other (scored alone they are at chance), channels were tokens, "
        "one network was trained on through five seeds",
        variants={
            "residual": Variant(
                params={"residual": True, "layer_norm": True}, mean_percent=None, sd_percent=None, seeds=None
            ),
            "augmented": Variant(
                params={"augmentation": "cirillo", **STUDY_CIRILLO}, mean_percent=None, sd_percent=None, seeds=None
            ),
            "batch_norm": Variant(
                params={"batch_norm": True, **STUDY_STATISTICS}, mean_percent=75.3, sd_percent=9.0, seeds=None
            ),
            "middle": Variant(params={"position": "middle"}, mean_percent=52.3, sd_percent=10.2, seeds=None),
            "end": Variant(params={"position": "end"}, mean_percent=50.0, sd_percent=0.4, seeds=None),
        },
    ),
    "resnet18": Published(
        params={
            **STUDY_NORMED_CLASSIFIER,
            "augmentation": "none",
            "shape": "7x7-64",
        },
        mean_percent=69.8,
        sd_percent=6.4,
        seeds=None,
        note="read off its bar chart to about 0.1. Chosen here: training, that of `starter_cnn`; the stem's weights",
    ),
    "resnet18_attention": Published(
        params={
            **STUDY_NORMED_CLASSIFIER,
            "augmentation": "none",
            "shape": "7x7-64",
            "position": "every",
            "kind": "self",
            "residual": False,
            "layer_norm": False,
            "heads": 2,
            "positional": "learned",
        },
        mean_percent=60.7,
        sd_percent=9.7,
        seeds=None,
        note="read off its bar chart to about 0.1: in every block 60.7, at the beginning 54.4, in the middle 51.5, at "
        "the end 68.3. There the images of a batch attended to each other, and each seed went on training the network "
        "of the seed before. It had neither a residual path nor LayerNorm, which the variant `residual` has. Chosen "
        "here: training, that of the starter network",
        fault="the images of a batch attended to each other (scored one at a time they are at chance), and one network "
        "was trained on through five seeds",
        # The last map has a single position, with nothing to attend to, so our "end" is the last map with more.
        variants={
            "residual": Variant(
                params={"residual": True, "layer_norm": True}, mean_percent=None, sd_percent=None, seeds=None
            ),
            "beginning": Variant(params={"position": "beginning"}, mean_percent=54.4, sd_percent=23.3, seeds=None),
            "middle": Variant(params={"position": "middle"}, mean_percent=51.5, sd_percent=10.0, seeds=None),
            "end": Variant(params={"position": "end"}, mean_percent=68.3, sd_percent=6.3, seeds=None),
        },
    ),
    "cnn_resnet18_ensemble": Published(
        params={
            **STUDY_NORMED_CLASSIFIER,
            **STUDY_CUSTOM,
            "augmentation": "none",
            "shape": "7x7-64",
            "combination": "joint",
        },
        mean_percent=58.94,
        sd_percent=10.45,
        seeds=None,
        note="joint features, from the authors' notebook. Chosen here: training, that of the custom network",
    ),
    "siamese_bce": Published(
        params={
            **STUDY_SIAMESE,
            "comparison": "cosine",
            "hidden_layers": 2,
            "hidden_width": 64,
        },
        mean_percent=49.89,
        sd_percent=1.49,
        seeds=25,
        note="its number is the accuracy on pairs (same class or not), which cannot be compared with ours; there the "
        "layers after the cosine were drawn anew at each pass, and its learning rate leaves a network as it was "
        "initialised. The only augmentation is mirroring. Chosen here: steps, those layers, channels",
        fault="it scores pairs (same class or not), never the class; its comparing layers were drawn anew at each "
        "pass; its pairs came from all images",
        is_class_accuracy=False,
    ),
    "siamese_contrastive": Published(
        params={
            **STUDY_SIAMESE,
            "margin": 1.0,
            "unit_length": False,
        },
        mean_percent=None,
        sd_percent=None,
        seeds=None,
        note="the study gives no number; its 49.89 % on pairs is of the one with cross-entropy, whose training this "
        "one has here. The only augmentation is mirroring. Chosen here: margin, steps, channels",
    ),
    "cnn_ensemble": ours(
        params={
            **STUDY_NORMED_CLASSIFIER,
            **STUDY_CUSTOM,
            "augmentation": "both",
            **STUDY_CIRILLO,
            "rotation_deg": 10.0,
            "shear_x_deg": 10.0,
            "shear_y_deg": 10.0,
            "least_scale": 0.9,
            "reflect": True,
            "members": 5,
        },
        note="not in the study; five of its networks with both augmentations, chosen by hand on seeds 3000 to 3029",
    ),
    "cnn_hog": ours(
        params={
            **STUDY_NORMED_CLASSIFIER,
            **STUDY_CUSTOM,
            "augmentation": "cirillo",
            **STUDY_CIRILLO,
            "members": 5,
            "plain_weight": 0.75,
            "hog_cell_px": 4,
            "scattering_share": 0.3,
            "svm_c": 10.0,
            "svm_gamma_factor": 1.0,
        },
        note="not in the study; its best network five times and an SVM on HOG and scattering, chosen by hand on seeds "
        "1000 to 1039; on 1040 to 1139 it gives 89.6 +- 2.9 on the real images and the networks alone 87.5 +- 3.9",
    ),
}
