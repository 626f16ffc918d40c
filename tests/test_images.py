import socket
from pathlib import Path

import medmnist
import numpy as np
import pytest

from refusals import no_network, refused
from sweeps.inputs import downloads, images
from sweeps.inputs.images import MEDMNIST, check_also, check_there, find_dataset, find_other


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    """An empty home, no network: nothing is found but what a test puts there."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MEDMNIST_ROOT", raising=False)
    monkeypatch.setattr(images, "_download_dataset", no_network)


def put(good_npz, folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pneumoniamnist.npz").write_bytes(good_npz.read_bytes())
    return str((folder / "pneumoniamnist.npz").resolve())


def test_phantom_is_the_phantom_without_a_notice(phantom):
    dataset, notice = find_dataset("phantom")
    assert dataset.fingerprint == phantom.fingerprint
    assert notice is None


def test_auto_falls_back_on_the_phantom_and_says_so_loudly():
    dataset, notice = find_dataset("auto")
    assert dataset.is_phantom
    assert "SYNTHETIC" in notice
    assert "no route to host" in notice
    assert "--dataset" in notice


def test_pneumoniamnist_by_name_is_never_replaced():
    text = refused(find_dataset, "pneumoniamnist")
    assert "no route to host" in text
    assert "--dataset phantom" in text
    assert text.endswith(".")


@pytest.mark.parametrize("option", ["auto", "pneumoniamnist"])
def test_data_set_at_home_is_found(good_npz, tmp_path, option):
    here = put(good_npz, tmp_path / "home" / ".medmnist")
    dataset, notice = find_dataset(option)
    assert (dataset.source, notice) == (here, None)


def test_medmnist_root_goes_before_home(good_npz, tmp_path, monkeypatch):
    put(good_npz, tmp_path / "home" / ".medmnist")
    there = put(good_npz, tmp_path / "elsewhere")
    monkeypatch.setenv("MEDMNIST_ROOT", str(tmp_path / "elsewhere"))
    assert find_dataset("auto")[0].source == there


def test_medmnist_root_may_start_with_a_tilde_and_home_is_the_second_choice(good_npz, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDMNIST_ROOT", "~/data")
    at_home = put(good_npz, tmp_path / "home" / ".medmnist")
    assert find_dataset("auto")[0].source == at_home
    at_root = put(good_npz, tmp_path / "home" / "data")
    assert find_dataset("auto")[0].source == at_root


def test_a_broken_file_at_home_is_not_passed_over_in_silence(tmp_path):
    folder = tmp_path / "home" / ".medmnist"
    folder.mkdir(parents=True)
    (folder / "pneumoniamnist.npz").write_bytes(b"PK\x03\x04")
    assert str(folder) in refused(find_dataset, "auto")


def test_a_file_by_its_path(good_npz, monkeypatch, tmp_path):
    dataset, notice = find_dataset(str(good_npz))
    assert (dataset.source, notice) == (str(good_npz.resolve()), None)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "mine.npz").write_bytes(good_npz.read_bytes())
    assert find_dataset("~/mine.npz")[0].fingerprint == dataset.fingerprint


@pytest.mark.parametrize("option", ["nowhere.npz", "pneumonia-mnist", "PHANTOM"])
def test_a_path_where_nothing_is(option):
    assert "there is none" in refused(find_dataset, option)


@pytest.mark.parametrize(
    ("option", "near"),
    [("bloodmnst", "; near it are bloodmnist"), ("phantm", "; near it are phantom"), ("my/x-rays", ".")],
)
def test_a_name_of_no_set_is_told_what_is_near_it(option, near):
    text = refused(check_there, option)
    assert f" at {option}; there is none{near}" in text
    assert text.endswith(".")


def test_the_home_of_an_unknown_user_is_bad_input_for_images():
    refused(find_dataset, "~no-such-user/x.npz")


@pytest.fixture
def real_download(monkeypatch, nowhere):
    """The download itself, up to the point where medmnist goes to the network."""
    monkeypatch.undo()

    def prepared(home, fake):
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.delenv("MEDMNIST_ROOT", raising=False)
        monkeypatch.setattr(medmnist, "PneumoniaMNIST", fake)

    return prepared


def test_a_download_is_put_in_place_and_found_from_then_on(good_npz, tmp_path, real_download):
    asked = []

    def fake(split, root, download):
        asked.append(socket.getdefaulttimeout())
        assert download
        (Path(root) / "pneumoniamnist.npz").write_bytes(good_npz.read_bytes())

    real_download(tmp_path, fake)
    first, notice = find_dataset("auto")
    second, _ = find_dataset("pneumoniamnist")
    assert notice is None
    assert first.source == second.source == str((tmp_path / ".medmnist" / "pneumoniamnist.npz").resolve())
    assert asked == [downloads.DOWNLOAD_TIMEOUT_S]
    assert socket.getdefaulttimeout() is None


def test_half_a_download_leaves_nothing(tmp_path, real_download):
    def fake(split, root, download):
        (Path(root) / "pneumoniamnist.npz").write_bytes(b"PK")
        raise RuntimeError("a page\nof advice")

    real_download(tmp_path, fake)
    dataset, notice = find_dataset("auto")
    assert dataset.is_phantom
    assert "\n" not in notice
    assert list((tmp_path / ".medmnist").iterdir()) == []


def test_a_home_that_cannot_be_written_falls_back_too(tmp_path, real_download):
    (tmp_path / ".medmnist").write_text("a file where a folder should be")
    real_download(tmp_path, no_network)
    dataset, notice = find_dataset("auto")
    assert dataset.is_phantom
    assert "SYNTHETIC" in notice


def breasts(path):
    """Put a file of BreastMNIST's form and few images there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    labels = np.array([[0], [1], [1], [0]], np.uint8)
    np.savez(path, train_images=np.zeros((4, 28, 28), np.uint8), train_labels=labels)
    return str(path.resolve())


def find_breasts(option, beside=None, **given):
    return find_other("breastmnist", option, beside, **given)


def test_breast_phantom_is_the_phantom_without_a_notice(tmp_path):
    breasts(tmp_path / "home" / ".medmnist" / "breastmnist.npz")
    other, notice = find_breasts("phantom", tmp_path / "home" / ".medmnist")
    assert other.is_phantom
    assert other.name == "breastmnist"
    assert notice is None


def test_auto_falls_back_on_the_breast_phantom_and_says_so_loudly():
    other, notice = find_breasts("auto")
    assert other.is_phantom
    assert notice.startswith("SYNTHETIC BREASTMNIST: BreastMNIST is not on this machine")
    assert "no route to host" in notice
    assert "breastmnist.npz" in notice
    assert "--also breastmnist=" in notice


def test_breastmnist_by_name_is_never_replaced():
    text = refused(find_breasts, "breastmnist")
    assert "no route to host" in text
    assert "--also breastmnist=phantom" in text
    assert text.endswith(".")


def test_beside_the_phantom_that_was_asked_for_auto_is_the_breast_phantom_at_once(tmp_path, monkeypatch):
    def never(*arguments):
        raise AssertionError

    monkeypatch.setattr(images, "_download_dataset", never)
    breasts(tmp_path / "home" / ".medmnist" / "breastmnist.npz")
    other, notice = find_breasts("auto", with_phantom=True)
    assert other.is_phantom
    assert notice is None


def test_beside_the_phantom_a_path_and_the_name_are_still_taken_literally(tmp_path):
    mine = breasts(tmp_path / "mine.npz")
    assert find_breasts(mine, with_phantom=True)[0].source == mine
    refused(lambda: find_breasts("breastmnist", with_phantom=True))


@pytest.mark.parametrize("option", ["auto", "breastmnist"])
def test_breastmnist_is_looked_for_beside_the_main_images_then_at_root_then_at_home(tmp_path, monkeypatch, option):
    monkeypatch.setenv("MEDMNIST_ROOT", str(tmp_path / "root"))
    beside = tmp_path / "beside"
    for folder in (tmp_path / "home" / ".medmnist", tmp_path / "root", beside):
        there = breasts(folder / "breastmnist.npz")
        other, notice = find_breasts(option, beside)
        assert (other.source, notice) == (there, None)
    assert find_breasts(option)[0].source == str((tmp_path / "root" / "breastmnist.npz").resolve())


def test_a_broken_file_beside_the_main_images_is_not_passed_over_in_silence(tmp_path):
    breasts(tmp_path / "home" / ".medmnist" / "breastmnist.npz")
    (tmp_path / "breastmnist.npz").write_bytes(b"PK\x03\x04")
    assert str(tmp_path / "breastmnist.npz") in refused(find_breasts, "auto", tmp_path)


def test_other_images_by_their_path(tmp_path):
    mine = breasts(tmp_path / "home" / "mine.npz")
    assert find_breasts("~/mine.npz")[0].source == mine


@pytest.mark.parametrize("option", ["nowhere.npz", "breast-mnist", "PHANTOM"])
def test_a_path_where_no_other_images_are(option):
    assert "there is none" in refused(find_breasts, option)


def test_the_home_of_an_unknown_user_is_bad_input_for_other_images():
    refused(find_breasts, "~no-such-user/x.npz")


def test_breastmnist_is_downloaded_in_the_same_way(tmp_path, real_download, monkeypatch, capsys):
    def fake(split, root, download):
        breasts(Path(root) / "breastmnist.npz")

    real_download(tmp_path, no_network)
    monkeypatch.setattr(medmnist, "BreastMNIST", fake)
    first, notice = find_breasts("auto", tmp_path / "beside")
    second, _ = find_breasts("breastmnist")
    assert notice is None
    assert first.source == second.source == str((tmp_path / ".medmnist" / "breastmnist.npz").resolve())
    assert capsys.readouterr().err == "Fetching BreastMNIST ...\n"


def test_half_a_download_of_breastmnist_leaves_nothing(tmp_path, real_download, monkeypatch):
    def fake(split, root, download):
        (Path(root) / "breastmnist.npz").write_bytes(b"PK")
        raise RuntimeError("a page\nof advice")

    real_download(tmp_path, no_network)
    monkeypatch.setattr(medmnist, "BreastMNIST", fake)
    other, notice = find_breasts("auto")
    assert other.is_phantom
    assert "\n" not in notice
    assert list((tmp_path / ".medmnist").iterdir()) == []


def test_medmnist_s_flat_sets_of_one_label_are_known_by_name():
    assert len(MEDMNIST) == 11
    assert {"pneumoniamnist", "breastmnist", "bloodmnist", "retinamnist"} <= set(MEDMNIST)


@pytest.mark.parametrize("name", MEDMNIST)
def test_each_is_never_replaced_by_another(name):
    text = refused(find_dataset, name)
    assert f"Put {name}.npz into ~/.medmnist" in text


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("chestmnist", "ChestMNIST has 14 yes-or-no labels an image (multi-label). Save an .npz file with one of"),
        ("organmnist3d", "OrganMNIST3D has volumes of 28 x 28 x 28. Save one slice of each"),
    ],
)
def test_what_is_no_set_of_flat_images_with_one_label_is_called_by_its_kind(name, says):
    assert says in refused(find_dataset, name)
    assert says in refused(find_breasts, name)


def test_another_set_by_its_name_has_its_classes(good_npz, tmp_path):
    folder = tmp_path / "home" / ".medmnist"
    folder.mkdir(parents=True)
    (folder / "breastmnist.npz").write_bytes(good_npz.read_bytes())
    dataset, notice = find_dataset("breastmnist")
    assert dataset.protocol.classes == ("malignant", "normal, benign")
    assert notice is None


def test_grades_are_classes_like_any_others_and_that_is_said(good_arrays, tmp_path):
    folder = tmp_path / "home" / ".medmnist"
    folder.mkdir(parents=True)
    labels = {key: np.arange(len(array)) % 5 for key, array in good_arrays.items() if "labels" in key}
    np.savez(folder / "retinamnist.npz", **{**good_arrays, **labels})
    dataset, _ = find_dataset("retinamnist")
    assert dataset.protocol.classes == ("0", "1", "2", "3", "4")
    assert "grades" in dataset.notices[0]


def test_the_size_says_which_file(good_arrays, tmp_path):
    folder = tmp_path / "home" / ".medmnist"
    folder.mkdir(parents=True)
    large = {
        key: np.kron(array, np.ones((1, 8, 8), np.uint8)) if "images" in key else array
        for key, array in few(good_arrays).items()
    }
    np.savez(folder / "pneumoniamnist_224.npz", **large)
    dataset, notice = find_dataset("pneumoniamnist", size_px=224)
    assert (dataset.pool_images.shape, notice, dataset.notices) == ((40, 224, 224), None, ())
    assert dataset.protocol.classes == ("normal", "pneumonia")
    assert "pneumoniamnist_128.npz" in refused(lambda: find_dataset("pneumoniamnist", size_px=128))


def few(arrays):
    labels = arrays["train_labels"].ravel()
    rows = np.concatenate([np.flatnonzero(labels == label)[:20] for label in (0, 1)])
    return {**arrays, **{f"train_{part}": arrays[f"train_{part}"][rows] for part in ("images", "labels")}}


def test_a_size_means_nothing_to_the_phantom_and_that_is_said():
    dataset, _ = find_dataset("phantom", size_px=64)
    assert dataset.pool_images.shape == (2000, 28, 28)
    assert "the phantom has 28 pixels" in dataset.notices[0]


def test_shots_and_validation_are_the_protocol_s_of_whatever_it_is(good_npz):
    for option in ("phantom", str(good_npz)):
        protocol = find_dataset(option, shots=(2, 8), validation=10)[0].protocol
        assert (protocol.shots, protocol.validation, protocol.confirmation) == ((2, 8), 10, 992)


def test_too_few_images_are_refused_in_one_sentence(good_arrays, tmp_path):
    np.savez(tmp_path / "few.npz", **few(good_arrays))
    text = refused(lambda: find_dataset(str(tmp_path / "few.npz"), shots=(20,)))
    assert "Expected at least 21 training images of class 0" in text


def test_other_images_are_asked_for_by_name(tmp_path):
    mine = breasts(tmp_path / "mine.npz")
    needed = ["breastmnist"]
    assert check_also([], needed) == {"breastmnist": "auto"}
    assert check_also([f"breastmnist={mine}"], needed) == {"breastmnist": mine}
    assert "twice" in refused(check_also, ["breastmnist=auto", "breastmnist=phantom"], [])
    assert "there is no nowhere.npz" in refused(check_also, ["breastmnist=nowhere.npz"], needed)


def test_other_images_that_nobody_needs_may_have_moved():
    assert check_also(["breastmnist=nowhere.npz"], []) == {"breastmnist": "nowhere.npz"}
