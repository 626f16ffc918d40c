"""A sweep's winner is kept, and classifies files: the commands, the folder, and MLflow's own commands on it."""

from __future__ import annotations

import csv
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
import types
import urllib.request
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from PIL import Image

import small_sweep
from commands import environment, run, run_here, wait_for
from sweeps.analysis.summary import read_summary
from sweeps.challenge1 import CHALLENGE
from sweeps.core.errors import BadInput
from sweeps.inputs.image_files import decoded
from sweeps.inputs.images import find_dataset
from sweeps.run import exporting, predicting, standalone
from sweeps.store.journal import Journal
from sweeps.tracking import location, model_files
from sweeps.tracking.model_files import log
from sweeps.views import model_card
from trainables.parts import exported
from trainables.parts.protocol import Protocol

pytestmark = pytest.mark.slow
MODEL = "results/small/model-starter_cnn"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a sweep, images, and the model of two seeds that a command made of it."""
    home = tmp_path_factory.mktemp("home")
    small_sweep.sweep(home)
    done = run(home, "export", "results/small", "--approach", "starter_cnn", "--seeds", "2")
    assert done.returncode == 0, done.stderr
    assert "2 times on 6 labelled images each (seeds 2000 to 2001)" in done.stdout
    assert "The same accuracies as in the journal (2 of 2 seeds are in it)." in done.stdout
    assert "Another process, without this project, gives the same probabilities." in done.stdout
    assert "MLflow  does not have it (LookupError: there is no " in done.stdout
    assert not list((home / "results/small").glob("*.tmp"))
    return home


def table(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def example(home):
    """What the model says of MLflow's example."""
    images = np.array(json.loads((home / MODEL / "serving_input_example.json").read_text())["inputs"], np.uint8)
    return images, exported.load(home / MODEL / "data" / standalone.DATA).probabilities(images)


def test_the_members_are_those_of_the_seeds_in_their_order(home):
    model = exported.load(home / MODEL / "data" / standalone.DATA)
    spec = Journal(home / "results/small", write=False).spec
    assert model.classes == small_sweep.CLASSES
    assert len(model.members) == 2
    # 12 of 16 bits of the folder's deep files are used.
    assert model.form == exported.Form(size_px=28, colours=1, are_files=True, white=4095)
    (row,) = (each for each in read_summary(home / "results/small").approaches if each.approach == "starter_cnn")
    assert row.best_trial == 0
    assert spec.protocol.support == 6


def test_it_is_loaded_anywhere_by_mlflow_without_this_project(home, tmp_path):
    images, expected = example(home)
    np.save(tmp_path / "images.npy", images)
    (tmp_path / "empty").mkdir()
    program = (
        "import sys, json, numpy, mlflow.pyfunc\n"
        "model = mlflow.pyfunc.load_model(sys.argv[1])\n"
        "found = model.predict(numpy.load(sys.argv[2]))\n"
        "import trainables\n"
        "print(json.dumps([found.to_numpy().tolist(), list(found.columns), list(trainables.__path__),"
        " 'sweeps' in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program, str(home / MODEL), str(tmp_path / "images.npy")],
        cwd=tmp_path / "empty",
        capture_output=True,
        text=True,
        check=True,
    )
    found, columns, where, has_project = json.loads(done.stdout.splitlines()[-1])
    assert np.array_equal(found, expected)
    assert tuple(columns) == small_sweep.CLASSES
    assert where == [str(home / MODEL / "code/trainables")]
    assert not has_project


def test_no_image_of_the_pool_is_in_the_folder(home):
    images, _ = example(home)
    own = {path.read_bytes() for path in (home / "images").rglob("*") if path.is_file()}
    assert not own & {path.read_bytes() for path in (home / MODEL).rglob("*") if path.is_file()}
    pool = find_dataset(str(home / "images"))[0].pool_images
    assert not any(np.array_equal(image, other) for image in images for other in pool)


def test_mlflow_s_own_command_predicts(home):
    _, expected = example(home)
    options = shlex.split(f"-m {MODEL} -i {MODEL}/serving_input_example.json -t json --env-manager local")
    done = subprocess.run(
        [sys.executable, "-m", "mlflow", "models", "predict", *options],
        cwd=home,
        env=environment(home),
        capture_output=True,
        text=True,
        check=True,
    )
    rows = json.loads(done.stdout.splitlines()[-1])["predictions"]
    np.testing.assert_allclose([[row[name] for name in small_sweep.CLASSES] for row in rows], expected, atol=1e-12)


def scripts_of(distribution):
    """The folder of a distribution's script of the same name."""
    return next(file for file in metadata.files(distribution) if file.name == distribution).locate().resolve().parent


def test_mlflow_serves_it(home):
    _, expected = example(home)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "models", "serve", "-m", MODEL, "--env-manager", "local", "-p", str(port)],
        cwd=home,
        # MLflow starts uvicorn by its name.
        env=environment(home) | {"PATH": f"{scripts_of('uvicorn')}:{os.environ['PATH']}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        answers = []

        def asked():
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/invocations",
                (home / MODEL / "serving_input_example.json").read_bytes(),
                {"Content-Type": "application/json"},
            )
            try:
                with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
                    answers.append(json.load(answer)["predictions"])
            except OSError:
                time.sleep(0.3)
            return answers

        wait_for(asked, 90)
    finally:
        os.killpg(server.pid, 9)
        server.wait()
    found = [[row[name] for name in small_sweep.CLASSES] for row in answers[0]]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_files_are_classified_as_the_sweep_read_its_own(home, tmp_path):
    place = tmp_path / "new"
    (place / "below").mkdir(parents=True)
    rng = np.random.default_rng(5)
    pixels = small_sweep.image(1, rng)
    Image.fromarray(pixels).save(place / "grey.png")
    Image.fromarray(np.repeat(pixels[..., None], 3, -1)).save(place / "below/three.bmp")
    Image.fromarray(pixels.astype(np.uint16) * 16).save(place / "deep.tif")
    np.savez(place / "some.npz", test_images=np.stack([pixels, 255 - pixels]), test_labels=[1, 0])
    Image.fromarray(pixels).save(place / "pages.tif", save_all=True, append_images=[Image.fromarray(pixels)])
    (tmp_path / "linked").mkdir()
    Image.fromarray(255 - pixels).save(tmp_path / "linked/other.png")
    (place / "class").symlink_to(tmp_path / "linked")
    (place / "below/deeper").symlink_to(tmp_path / "linked")
    (place / "torn.png").write_bytes(b"\x89PNG\r\n")
    (place / "text.dcm").write_text("no")
    (place / "notes.txt").write_text("no")
    (place / ".hidden.png").write_text("no")
    done = run(home, "predict", MODEL, place, "--to", tmp_path / "found.csv")
    assert done.returncode == 0, done.stderr
    assert "Left out, since they cannot be read (3): pages.tif (2 pages), text.dcm (" in done.stderr
    assert "torn.png (" in done.stderr
    assert "Left out, since they are no images: 1 link to a folder, 1 .txt." in done.stderr
    rows = table(tmp_path / "found.csv")
    names = [
        "below/three.bmp",
        "class/other.png",
        "deep.tif",
        "grey.png",
        "some.npz:test_images[0]",
        "some.npz:test_images[1]",
    ]
    assert sorted(row["file"] for row in rows) == names
    assert "found.csv: 6 images, of which the model calls " in done.stdout
    by_name = {row["file"]: row for row in rows}
    # The same image in whatever file has the same row.
    alike = [{**by_name[name], "file": ""} for name in names[:5] if name != "class/other.png"]
    assert all(each == alike[0] for each in alike)
    model = exported.load(home / MODEL / "data" / standalone.DATA)
    expected = model.probabilities([decoded(place / "grey.png", 28).pixels])[0]
    assert [float(alike[0][f"probability_{name}"]) for name in small_sweep.CLASSES] == pytest.approx(expected, abs=1e-6)
    assert alike[0]["predicted"] == small_sweep.CLASSES[int(expected[1] >= 0.5)]


def test_the_card_has_the_sweep_s_numbers_and_the_model_s_own(home):
    text = (home / MODEL / model_card.FILE).read_text()
    summary = read_summary(home / "results/small")
    (row,) = (each for each in summary.approaches if each.approach == "starter_cnn")
    for words in (
        "Not a medical device",
        "2 models, each on its own 6 labelled images (3 dark, 3 light one), with the seeds 2000 to 2001",
        f"fingerprint {summary.spec.dataset.fingerprint}",
        "28 x 28 pixels",
        f"Accuracy on {row.quoted.n} fresh seeds: {100 * row.quoted.mean:.1f} %",
        "Specificity (recall of dark) on validation images of these seeds: ",
        f"Balanced accuracy on the test split: {100 * row.test_accuracy.mean:.1f} %",
        "What changed images cost it was not measured.",
        "Brier score: ",
        "| probability of the predicted class | images |",
    ):
        assert words in text
    # Those that neither member has learned from, and no others.
    protocol = Protocol(**summary.spec.protocol.__dict__)
    learned = set(np.concatenate([protocol.split(seed)[0] for seed in (2000, 2001)]).tolist())
    left = [sum(row not in learned for row in range(*ends)) for ends in ((0, 13), (13, 26))]
    assert protocol.pool == (13, 13)
    assert f"({left[0]} dark, {left[1]} light one)" in text


def test_mlflow_gets_it_beside_the_sweep_s_own_artifacts(home, tmp_path):
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with pytest.raises(LookupError, match="there is no"):
        log(uri, "challenge1", "abc", home / MODEL, "model-x")
    client = MlflowClient(uri)
    place = client.create_experiment("seedsweep challenge1", artifact_location=(tmp_path / "artifacts").as_uri())
    with pytest.raises(LookupError, match="has no run"):
        log(uri, "challenge1", "abc", home / MODEL, "model-x")
    sweep = client.create_run(place, tags={"sweep.key": "abc:sweep"}).info.run_id
    log(uri, "challenge1", "abc", home / MODEL, "model-x")
    assert {each.path for each in client.list_artifacts(sweep, "model-x")} >= {
        "model-x/MLmodel",
        "model-x/MODEL_CARD.md",
    }


def test_a_model_in_another_folder_is_another_artifact(home, tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(location, "check_uri", lambda uri: None)
    monkeypatch.setattr(model_files, "log", lambda *arguments: given.append(arguments[-1]))
    monkeypatch.chdir(tmp_path)
    journal = Journal(home / "results/small", write=False)
    for folder, name in ((MODEL, "model-starter_cnn"), ("a/whole", "whole"), (".", tmp_path.name)):
        said = exporting._logged(Path(folder), journal, CHALLENGE)
        assert said.startswith(f"{name} is an artifact of the sweep's run: mlflow ui")
        assert given.pop() == name


def test_on_all_images_nothing_is_left_to_measure(home):
    options = ("results/small", "--approach", "siamese_bce", "--all-images", "--seeds", "1", "--to", "whole")
    done = run_here(home, "export", *options)
    assert done.returncode == 0, done.stderr
    assert "1 time on all 26 labelled images of the pool (seed 2000)" in done.stdout
    text = (home / "whole" / model_card.FILE).read_text()
    assert "One model, trained on all 26 labelled images of the pool (13 dark, 13 light one), with seed 2000." in text
    assert "The configuration was chosen for 6 images" in text
    assert "no labelled images left to measure it on" in text
    assert "It gives margins, which are divided by " in text


@pytest.mark.parametrize(
    ("name", "images", "more", "complaint"),
    [
        ("siamese_bce", 501, {}, "Expected at most 500 images for siamese_bce, which learns from all their pairs"),
        ("starter_cnn", 2000, {"steps": 10**7}, "as 2000 images augmented for every step they are"),
    ],
)
def test_more_images_than_an_approach_can_take_are_refused(name, images, more, complaint, phantom):
    (approach,) = CHALLENGE.named([name])
    trial = types.SimpleNamespace(params={**approach.start, **more})
    inputs = types.SimpleNamespace(dataset=phantom)
    with pytest.raises(BadInput, match=complaint):
        exporting._check_can_take(approach, trial, images, inputs)
    exporting._check_can_take(approach, types.SimpleNamespace(params=approach.start), 400, inputs)


REFUSED = [
    ("export", ["results/nothing"], "Expected the journal of a sweep at "),
    ("export", ["results/small", "--approach", "cnn"], "Expected --approach from "),
    ("export", ["results/small", "--approach", "starter_cnn"], "Expected no folder, or an empty one, at "),
    ("export", ["results/small", "--to", "images"], "Expected no folder, or an empty one, at "),
    *(
        ("export", ["results/small", "--to", to], f"Expected a folder for the model at {to}; got {why}. Give another")
        for to, why in (
            ("linked", "a link"),
            ("dangling", "a link"),
            (248 * "x", "a name that is too long"),
        )
    ),
    ("export", ["results/small", "--to", "torn/a.png/sub"], "Expected a folder for the model at torn/a.png/sub; got "),
    ("export", ["results/small", "--to", "dangling/sub"], "Expected a folder for the model at dangling/sub; got "),
    ("predict", ["results/small", "images"], "Expected the folder of a model that export.py made at "),
    ("predict", [MODEL, "results/nothing"], "Expected images (.png, "),
    ("predict", [MODEL, "empty"], "Expected images (.png, "),
    ("predict", [MODEL, "torn"], "Expected at least one image at torn that can be read. Left out, "),
    ("predict", [MODEL, "images", "--to", "missing/x.csv"], "Expected a file to write the table to, as --to; "),
    ("predict", [MODEL, "images", "--to", "torn/a.png"], "Expected a file for the table, as --to; torn/a.png is one"),
    *(
        ("predict", [MODEL, "images", "--to", to], f"Expected a file to write the table to, as --to; got {to}. ")
        for to in ("pipe", "linked.csv", "dangling")
    ),
    ("predict", ["damaged", "images"], "Expected a model that can be loaded in damaged; got "),
]


@pytest.mark.parametrize(("command", "arguments", "complaint"), REFUSED)
def test_what_cannot_be_is_refused_in_a_sentence(home, command, arguments, complaint):
    for name in ("empty", "torn"):
        (home / name).mkdir(exist_ok=True)
    (home / "torn/a.png").write_text("no")
    if not (home / "pipe").exists():
        os.mkfifo(home / "pipe")
        (home / "table.csv").write_text("mine")
        for name, to in (("linked", "empty"), ("linked.csv", "table.csv"), ("dangling", "nowhere")):
            (home / name).symlink_to(to)
    if "damaged" in arguments and not (home / "damaged").exists():
        shutil.copytree(home / MODEL, home / "damaged")
        (home / "damaged/data" / standalone.DATA / exported.MEMBERS).write_bytes(b"no")
    # Loading a model brings its code into the process.
    done = (run if "damaged" in arguments or "torn" in arguments else run_here)(home, command, *arguments)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"{command}: {complaint}")
    assert command != "export" or not done.stdout
    assert done.stderr.count("\n") == 1
    assert not (home / predicting.TABLE).exists()
    assert not (home / "nowhere").exists()
    assert (home / "table.csv").read_text() == "mine"


def test_the_folder_that_one_is_in_is_refused_before_anything_is_trained(home):
    (home / "alone").mkdir()
    done = run_here(home / "alone", "export", home / "results/small", "--to", ".")
    assert done.returncode == 2
    assert done.stderr.startswith("export: Expected a folder for the model at .; got the folder that this command runs")
    assert not done.stdout
