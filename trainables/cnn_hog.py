"""Small networks from scratch and a plain classifier on HOG and scattering: two kinds of mistakes, averaged."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.cnn_ensemble import CNNEnsemble, CnnEnsembleConfig
from trainables.parts.learner import Classifier, Learner, Support
from trainables.parts.streams import Streams
from trainables.pixel_baseline import PixelBaseline, PixelBaselineConfig


@dataclass(frozen=True, kw_only=True)
class CnnHogConfig(CnnEnsembleConfig):
    """The networks of `cnn_ensemble`, and a support vector machine on HOG as in `pixel_baseline`.

    `plain_weight` is the weight of the machine in the sum; 0 leaves the networks alone, 1 the machine.
    `scattering_share` is the part that scattering coefficients have in the machine's squared distances between images
    (see `representation` in `pixel_baseline`); 0 is HOG alone. With a share, a `svm_gamma_factor` of 1 is what 1.75 is
    on HOG alone, where sklearn's "scale" counts the spread within the mean vector too.
    """

    plain_weight: float
    hog_cell_px: int
    svm_c: float
    svm_gamma_factor: float
    scattering_share: float = 0.0

    @property
    def plain(self) -> PixelBaselineConfig:
        """The plain classifier's hyperparameters."""
        return PixelBaselineConfig(
            representation="hog_scattering" if self.scattering_share else "hog",
            classifier="svm",
            hog_cell_px=self.hog_cell_px,
            scattering_share=self.scattering_share,
            svm_c=self.svm_c,
            svm_gamma_factor=self.svm_gamma_factor,
        )


class CNNHog(Learner):
    """Several small networks and an SVM on HOG and scattering, by a weighted sum of their log-odds and margins."""

    Config = CnnHogConfig

    @classmethod
    def gives_margins(cls, config: CnnHogConfig) -> bool:
        """A sum of log-odds and of margins that are stretched to them."""
        return config.plain_weight > 0

    @classmethod
    def fit(cls, config: CnnHogConfig, support: Support, streams: Streams) -> Classifier:
        """Train both parts, and stretch the plain classifier's margins to the networks' log-odds.

        A margin has no scale of its own. The stretch makes the `spread` over the images learned from the same for
        both, so that the sum is of the size of the networks' log-odds and depends on no image but these and its own.
        On seeds 1000 to 1039 this was as good as spreads of blends or augmented copies of the ten, and as those of the
        validation images, which are out of reach.
        """
        networks = CNNEnsemble.fit(config, support, streams)
        plain = PixelBaseline.fit(config.plain, support, streams)
        with torch.inference_mode():
            stretch = spread(networks(support.images).double()) / spread(plain(support.images)).clamp_min(1e-6)

        def classify(images: Tensor) -> Tensor:
            log_odds, margins = networks(images).double(), stretch * plain(images)
            return (1 - config.plain_weight) * log_odds + config.plain_weight * margins

        return classify


def spread(logits: Tensor) -> Tensor:
    """The standard deviation over images of log-odds (N,), or the root of its squares' sum over classes of (N, K).

    Of logits only what is above their mean over classes counts, since nothing else of them says which class it is.
    """
    if logits.ndim == 1:
        return logits.std()
    return (logits - logits.mean(1, keepdim=True)).std(0).norm()
