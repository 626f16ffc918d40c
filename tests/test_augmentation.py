import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from trainables.parts import augmentation
from trainables.parts.augmentation import AugmentationChoice
from trainables.parts.torchvision_import import torchvision

NO_AFFINE = {"rotation_deg": 0.0, "shear_x_deg": 0.0, "shear_y_deg": 0.0, "least_scale": 1.0, "reflect": False}
STRONG_AFFINE = {"rotation_deg": 90.0, "shear_x_deg": 45.0, "shear_y_deg": 60.0, "least_scale": 0.5, "reflect": True}


def of_grey(function):
    """The same function of grey images (N, H, W), which most tests are about."""
    return lambda images, *others, **options: function(images[:, None], *others, **options)[:, 0]


def of_grey_choice(function):
    return lambda choice, images, generator: function(choice, images[:, None], generator)[:, 0]


random_affine, random_elastic, random_intensity = map(
    of_grey, (augmentation.random_affine, augmentation.random_elastic, augmentation.random_intensity)
)
augmented, cirillo, satoto = map(of_grey_choice, (augmentation.augment, augmentation.cirillo, augmentation.satoto))


def intensity(images, generator, strength=1.0):
    return random_intensity(images, gain_spread=0.5 * strength, gamma_spread=0.5 * strength, generator=generator)


def elastic(images, generator, strength=1.0):
    return random_elastic(images, points=3, sigma_px=2.0 * strength, generator=generator)


def affine(images, generator, strength=1.0):
    return random_affine(images, **(STRONG_AFFINE if strength else NO_AFFINE), generator=generator)


each_augmentation = pytest.mark.parametrize("augment", [intensity, elastic, affine])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def images():
    """Smooth images without symmetry, so that every map shows and interpolation errors are small."""
    noise = np.random.default_rng(0).random((20, 28, 28))
    smooth = np.stack([ndimage.gaussian_filter(each, 2.5) for each in noise])
    low, high = smooth.min((1, 2), keepdims=True), smooth.max((1, 2), keepdims=True)
    return torch.from_numpy((smooth - low) / (high - low)).float()


@each_augmentation
def test_zero_strength_is_the_identity(augment, images):
    assert torch.allclose(augment(images, seeded(), strength=0.0), images, atol=1e-5)


@each_augmentation
def test_keeps_shape_and_type_and_leaves_its_input_alone(augment, images):
    before = images.clone()
    found = augment(images, seeded())
    assert (found.shape, found.dtype) == (images.shape, torch.float32)
    assert torch.equal(images, before)


@each_augmentation
def test_each_image_gets_its_own_draw(augment, images):
    same = images[:1].expand(10, -1, -1)
    found = augment(same, seeded())
    for a in range(10):
        for b in range(a):
            assert (found[a] - found[b]).abs().max() > 1e-3


@each_augmentation
def test_same_generator_gives_the_same_and_another_does_not(augment, images):
    assert torch.equal(augment(images, seeded(1)), augment(images, seeded(1)))
    assert not torch.equal(augment(images, seeded(1)), augment(images, seeded(2)))


@each_augmentation
def test_randomness_comes_from_the_generator_alone(augment, images):
    generator, before = seeded(), torch.get_rng_state()
    first, second = augment(images, generator), augment(images, generator)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("augment", [elastic, affine])
def test_a_warp_makes_nothing_darker_than_black_or_brighter_than_the_brightest(augment, images):
    found = augment(0.2 + 0.5 * images, seeded())
    assert found.min() >= 0
    assert found.max() <= 0.7 + 1e-5


def test_intensity_stays_between_0_and_its_greatest_gain(images):
    found = intensity(images, seeded())
    assert found.min() >= 0
    assert found.max() <= 1.5


@pytest.fixture
def greatest_draw(monkeypatch):
    """Every uniform draw gives its upper limit, so that a map is known."""
    monkeypatch.setattr(augmentation, "_uniform", lambda count, low, high, generator: torch.full((count,), float(high)))


@pytest.fixture
def least_draw(monkeypatch):
    monkeypatch.setattr(augmentation, "_uniform", lambda count, low, high, generator: torch.full((count,), float(low)))


@pytest.mark.usefixtures("greatest_draw")
def test_intensity_agrees_with_a_loop(images):
    found = random_intensity(images[:2], gain_spread=0.3, gamma_spread=0.1, generator=seeded())
    for image, result in zip(images[:2].tolist(), found.tolist(), strict=True):
        for row, result_row in zip(image, result, strict=True):
            assert result_row == pytest.approx([1.3 * math.pow(value, 1.1) for value in row], abs=1e-5)


def test_intensity_draws_gain_and_gamma_within_their_spreads():
    # Of a white image the gain is left; of a grey one, divided by its gain, the gamma.
    pair = torch.stack([torch.ones(4000), torch.full((4000,), 0.5)], dim=1)[:, None, :]
    white, grey = random_intensity(pair, gain_spread=0.2, gamma_spread=0.4, generator=seeded())[:, 0].T
    gamma = torch.log(grey / white) / math.log(0.5)
    for found, spread in ((white, 0.2), (gamma, 0.4)):
        assert 1 - spread - 1e-5 <= found.min() < 1 - 0.99 * spread
        assert 1 + spread + 1e-5 >= found.max() > 1 + 0.99 * spread
        assert found.mean() == pytest.approx(1, abs=0.02)
    assert abs(torch.corrcoef(torch.stack([white, gamma]))[0, 1]) < 0.05


def by_torchvision(images, angle=0.0, shear=(0.0, 0.0), scale=1.0):
    functional = torchvision.transforms.functional
    mode = torchvision.transforms.InterpolationMode.BILINEAR
    found = functional.affine(
        images[:, None], angle=angle, translate=[0, 0], scale=scale, shear=list(shear), interpolation=mode
    )
    return found[:, 0]


def by_scipy(images, forward_xy):
    """Bilinear, black outside, about the centre; SciPy counts rows first and wants the way back."""
    backward = np.linalg.inv(forward_xy)[::-1, ::-1]
    centre = np.array([13.5, 13.5])
    mapped = [
        ndimage.affine_transform(
            image, backward, offset=centre - backward @ centre, order=1, mode="grid-constant", cval=0.0
        )
        for image in images.numpy()
    ]
    return torch.from_numpy(np.stack(mapped))


@pytest.mark.usefixtures("greatest_draw")
@pytest.mark.parametrize("limit", [10.0, 37.0, 90.0])
def test_rotation_agrees_with_torchvision(images, limit):
    found = random_affine(images, **{**NO_AFFINE, "rotation_deg": limit}, generator=seeded())
    assert torch.allclose(found, by_torchvision(images, angle=limit), atol=1e-4)


@pytest.mark.usefixtures("greatest_draw")
def test_rotation_by_90_degrees_moves_pixels_and_changes_none(images):
    found = random_affine(images, **{**NO_AFFINE, "rotation_deg": 90.0}, generator=seeded())
    assert torch.allclose(found, torch.rot90(images, -1, (1, 2)), atol=1e-4)


@pytest.mark.usefixtures("greatest_draw")
@pytest.mark.parametrize(("name", "shear"), [("shear_x_deg", (-30.0, 0.0)), ("shear_y_deg", (0.0, -30.0))])
def test_shear_agrees_with_torchvision(images, name, shear):
    # torchvision's sign is the other one; ours is drawn from both.
    found = random_affine(images, **{**NO_AFFINE, name: 30.0}, generator=seeded())
    assert torch.allclose(found, by_torchvision(images, shear=shear), atol=1e-4)


@pytest.mark.usefixtures("least_draw")
def test_scale_shrinks_as_torchvision_does(images):
    found = random_affine(images, **{**NO_AFFINE, "least_scale": 0.6}, generator=seeded())
    assert torch.allclose(found, by_torchvision(images, scale=0.6), atol=1e-4)


@pytest.mark.usefixtures("least_draw")
def test_reflection_is_left_to_right(images):
    found = random_affine(images, **{**NO_AFFINE, "reflect": True}, generator=seeded())
    assert torch.allclose(found, images.flip(2), atol=1e-5)


@pytest.mark.usefixtures("greatest_draw")
def test_all_together_agree_with_scipy(images):
    limits = {"rotation_deg": 25.0, "shear_x_deg": 20.0, "shear_y_deg": 10.0}
    found = random_affine(images, **{**NO_AFFINE, **limits}, generator=seeded())
    turn, across, down = (math.radians(limit) for limit in limits.values())
    forward = (
        np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
        @ np.array([[1, math.tan(across)], [0, 1]])
        @ np.array([[1, 0], [math.tan(down), 1]])
    )
    assert torch.allclose(found, by_scipy(images, forward).float(), atol=1e-4)


def test_every_other_image_is_mirrored(images):
    same = images[:1].expand(2000, -1, -1)
    found = random_affine(same, **{**NO_AFFINE, "reflect": True}, generator=seeded())
    mirrored = [torch.allclose(each, images[0].flip(1), atol=1e-4) for each in found]
    upright = [torch.allclose(each, images[0], atol=1e-4) for each in found]
    assert all(a != b for a, b in zip(mirrored, upright, strict=True))
    assert 0.45 < np.mean(mirrored) < 0.55


def test_affine_turns_both_ways(images):
    # The brightness of a half-bright image falls to one side or the other as it turns.
    half = torch.zeros(400, 28, 28)
    half[:, :, 14:] = 1
    found = random_affine(half, **{**NO_AFFINE, "rotation_deg": 45.0}, generator=seeded())
    leans_down = found[:, 14:, :].sum((1, 2)) > found[:, :14, :].sum((1, 2))
    assert 0.4 < leans_down.float().mean() < 0.6


def displacements(count, side, points, sigma_px):
    """How far each pixel was fetched from, across and down: on a ramp the grey value is the place."""
    down, across = torch.meshgrid(torch.arange(side).float(), torch.arange(side).float(), indexing="ij")
    return tuple(
        random_elastic(ramp.expand(count, -1, -1), points=points, sigma_px=sigma_px, generator=seeded()) - ramp
        for ramp in (across, down)
    )


@pytest.mark.parametrize("sigma_px", [0.5, 1.0, 2.0])
def test_elastic_moves_a_control_point_by_sigma_in_both_directions(sigma_px):
    # The middle pixel of an odd image is the middle one of three points.
    across, down = (shift[:, 14, 14] for shift in displacements(2000, 29, 3, sigma_px))
    for shift in (across, down):
        assert shift.std() == pytest.approx(sigma_px, rel=0.06)
        assert shift.mean() == pytest.approx(0, abs=0.1 * sigma_px)
    assert abs(torch.corrcoef(torch.stack([across, down]))[0, 1]) < 0.08


@pytest.mark.parametrize("points", [3, 4, 5])
def test_elastic_moves_every_pixel_by_about_sigma_in_both_directions(points):
    # Away from the edge, behind which there is black.
    for shift in displacements(500, 28, points, 1.0):
        sd = shift[:, 6:-6, 6:-6].std(0)
        assert sd.min() > 0.4
        assert sd.max() < 1.2


def test_elastic_bends_smoothly():
    for shift in displacements(100, 28, 3, 1.0):
        inner = shift[:, 6:-6, 6:-6]
        assert inner.diff(dim=1).abs().max() < 1
        assert inner.diff(dim=2).abs().max() < 1


def test_elastic_agrees_with_scipy_where_the_displacement_is_known(images):
    # Only the displacement is taken from the function, by ramps; the bending is SciPy's.
    across, down = (shift[0] for shift in displacements(1, 28, 3, 1.0))
    found = random_elastic(images[:1], points=3, sigma_px=1.0, generator=seeded())[0]
    place = torch.stack(torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij"))
    expected = ndimage.map_coordinates(images[0].numpy(), (place + torch.stack([down, across])).numpy(), order=1)
    assert np.allclose(found.numpy()[6:-6, 6:-6], expected[6:-6, 6:-6], atol=1e-4)


CIRILLO = {"gain_spread": 0.3, "gamma_spread": 0.4, "elastic_sigma_px": 1.5, "elastic_points": 4}


def choice(name):
    return AugmentationChoice(augmentation=name, **CIRILLO, **STRONG_AFFINE)


def test_cirillo_is_intensity_then_elastic(images):
    generator = seeded()
    changed = random_intensity(images, gain_spread=0.3, gamma_spread=0.4, generator=generator)
    expected = random_elastic(changed, points=4, sigma_px=1.5, generator=generator)
    assert torch.equal(cirillo(choice("cirillo"), images, seeded()), expected)


def test_satoto_is_the_affine_map(images):
    expected = random_affine(images, **STRONG_AFFINE, generator=seeded())
    assert torch.equal(satoto(choice("satoto"), images, seeded()), expected)


@pytest.mark.parametrize(
    ("name", "steps"), [("none", []), ("cirillo", [cirillo]), ("satoto", [satoto]), ("both", [cirillo, satoto])]
)
def test_the_choice_is_of_these_functions_in_this_order(images, name, steps):
    generator, expected = seeded(), images
    for step in steps:
        expected = step(choice(name), expected, generator)
    found = augmented(choice(name), images, seeded())
    assert torch.equal(found, expected)
    assert torch.equal(found, images) == (name == "none")


@pytest.mark.parametrize("name", ["none", "cirillo", "satoto", "both"])
def test_no_strength_given_is_no_change(images, name):
    found = augmented(AugmentationChoice(augmentation=name), images, seeded())
    assert torch.allclose(found, images, atol=2e-5)


def test_unknown_choice_is_an_error_with_the_choices(images):
    with pytest.raises(ValueError, match="Expected an augmentation from none, cirillo, satoto, both; got 'mixup'"):
        augmented(choice("mixup"), images, seeded())


@pytest.mark.parametrize("name", ["cirillo", "satoto", "both"])
def test_all_colours_of_an_image_are_changed_alike(images, name):
    coloured = torch.stack([images, images.flip(0), images.flip(2)], dim=1)
    found = augmentation.augment(choice(name), coloured, seeded())
    assert found.shape == coloured.shape
    for colour in range(3):
        assert torch.allclose(found[:, colour], augmented(choice(name), coloured[:, colour], seeded()), atol=1e-6)
