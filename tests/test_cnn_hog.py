import numpy as np
import pytest
import torch

from trainables.cnn_ensemble import CNNEnsemble
from trainables.cnn_hog import CNNHog, CnnHogConfig, spread
from trainables.parts.learner import Support
from trainables.parts.streams import Streams
from trainables.pixel_baseline import PixelBaseline


def config(**changes):
    values = {
        "learning_rate": 1e-3,
        "weight_decay": 0.0,
        "steps": 10,
        "normalisation": "fixed",
        "augmentation": "none",
        "dropout": 0.0,
        "members": 2,
        "blocks": 4,
        "statistics_memory": 0.2,
        "plain_weight": 0.5,
        "hog_cell_px": 7,
        "svm_c": 10.0,
        "svm_gamma_factor": 1.0,
    }
    return CnnHogConfig(**{**values, **changes})


@pytest.fixture(scope="module")
def support():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (10, 28, 28), dtype=np.uint8)
    return Support(images=torch.from_numpy(images), labels=torch.tensor([0] * 5 + [1] * 5), classes=2)


@pytest.fixture(scope="module")
def others():
    return torch.from_numpy(np.random.default_rng(1).integers(0, 256, (20, 28, 28), dtype=np.uint8))


def scored(learner, chosen, support, images):
    classifier = learner.fit(chosen, support, Streams(0))
    with torch.inference_mode():
        return classifier(images).double()


def test_without_the_plain_part_it_is_the_networks(support, others):
    chosen = config(plain_weight=0.0)
    assert torch.equal(scored(CNNHog, chosen, support, others), scored(CNNEnsemble, chosen, support, others))


def test_the_plain_part_alone_is_a_multiple_of_the_svm_s_margins(support, others):
    chosen = config(plain_weight=1.0)
    ratio = scored(CNNHog, chosen, support, others) / scored(PixelBaseline, chosen.plain, support, others)
    assert ratio.numpy() == pytest.approx(np.full(20, ratio[0]))
    assert ratio[0] > 0


@pytest.mark.parametrize(("weight", "share"), [(0.25, 0.0), (0.6, 0.0), (0.75, 0.3)])
def test_both_parts_have_the_same_spread_on_the_ten_images(weight, share, support, others):
    networks, both, plain = (
        np.concatenate([scored(learner, chosen, support, images) for images in (support.images, others)])
        for learner, chosen in (
            (CNNEnsemble, config()),
            (CNNHog, config(plain_weight=weight, scattering_share=share)),
            (PixelBaseline, config(scattering_share=share).plain),
        )
    )
    plain = plain / plain[:10].std() * networks[:10].std()
    assert both == pytest.approx((1 - weight) * networks + weight * plain, abs=1e-4)


def test_the_svm_has_its_parameters():
    plain = config(hog_cell_px=4, svm_c=3.0, svm_gamma_factor=0.5).plain
    assert (plain.representation, plain.classifier) == ("hog", "svm")
    assert (plain.hog_cell_px, plain.svm_c, plain.svm_gamma_factor) == (4, 3.0, 0.5)


def test_without_a_share_of_its_own_there_is_no_scattering(support, others):
    assert config().plain.representation == config(scattering_share=0.0).plain.representation == "hog"
    both = config(scattering_share=0.4).plain
    assert (both.representation, both.scattering_share) == ("hog_scattering", 0.4)
    alone, with_scattering = (
        scored(CNNHog, config(plain_weight=1.0, scattering_share=share), support, others) for share in (0.0, 0.4)
    )
    assert not torch.allclose(alone, with_scattering)


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_images_that_are_all_alike_give_no_nan(share, others):
    labels = torch.tensor([0] * 5 + [1] * 5)
    same = Support(images=torch.full((10, 28, 28), 7, dtype=torch.uint8), labels=labels, classes=2)
    assert scored(CNNHog, config(scattering_share=share), same, others).isfinite().all()


def test_spread_of_two_logits_is_that_of_their_log_odds_but_for_a_factor():
    log_odds = torch.randn(10, dtype=torch.float64)
    common = torch.randn(10, 1, dtype=torch.float64)
    both = torch.stack([-log_odds / 2, log_odds / 2], dim=1) + common
    assert float(spread(both)) == pytest.approx(float(spread(log_odds)) / 2**0.5)


def test_of_more_classes_too_both_parts_have_the_same_spread_on_the_images(support, others):
    three = Support(images=support.images, labels=torch.tensor([0] * 2 + [1] * 3 + [2] * 5), classes=3)
    chosen = config(plain_weight=0.25)
    both, networks, plain = (
        (scored(learner, setting, three, three.images), scored(learner, setting, three, others))
        for learner, setting in ((CNNHog, chosen), (CNNEnsemble, chosen), (PixelBaseline, chosen.plain))
    )
    stretch = spread(networks[0]) / spread(plain[0])
    torch.testing.assert_close(both[1], 0.75 * networks[1] + 0.25 * stretch * plain[1])
