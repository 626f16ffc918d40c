"""What one would write without this project: plain Optuna and scikit-learn on a folder with a sub-folder a class.

python benchmarks/plain_optuna.py FOLDER HELD [--trials 50] [--repeats 3] [--seed 0]

Each trial is a configuration of scaling, PCA and a support vector machine, on pixels or on HOG. Its objective is the
mean balanced accuracy of a stratified five-fold cross-validation, repeated, always on the same folds. The winner
learns from all images of FOLDER, and is scored on those of HELD, which no trial has seen.

- seconds: from the first image read to the winner fitted; imports are not in it.
- says: the winner's mean in the search, in per cent, with the standard error of its folds.
- holds: balanced accuracy on HELD, in per cent.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
from PIL import Image
from skimage.feature import hog
from sklearn.decomposition import PCA
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

SIZE_PX = 28
FOLDS = 5


def main() -> None:
    """Search, fit the winner, and print what it says of itself beside what holds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("folder", type=Path, help="a sub-folder a class; learned from")
    parser.add_argument("held", type=Path, help="a sub-folder a class; held back")
    parser.add_argument("--trials", type=int, default=50, help="configurations")
    parser.add_argument("--repeats", type=int, default=3, help="repeats of the five folds")
    parser.add_argument("--seed", type=int, default=0, help="of the sampler and the folds")
    asked = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    begin = time.perf_counter()
    images, labels = read(asked.folder)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=asked.seed))
    study.optimize(objective(images, labels, asked.repeats, asked.seed), n_trials=asked.trials)
    winner = pipeline(study.best_trial)
    winner.fit(features(study.best_trial, images), labels)
    seconds = time.perf_counter() - begin
    held_images, held_labels = read(asked.held)
    predicted = winner.predict(features(study.best_trial, held_images))
    holds = balanced_accuracy_score(held_labels, predicted)
    error = study.best_trial.user_attrs["standard_error"]
    print(f"winner  {study.best_trial.params}")
    print(f"seconds {seconds:.1f}")
    print(f"says    {100 * study.best_value:.1f} +- {100 * error:.1f}")
    print(f"holds   {100 * holds:.1f}")


def read(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Grey images (N, 28, 28) from 0 to 1, and their classes (N,) in the order of the alphabet."""
    files = sorted(folder.glob("*/*.png"))
    if not files:
        raise SystemExit(f"Expected PNG files in a sub-folder a class; found none in {folder}.")
    names = sorted({file.parent.name for file in files})
    images_NHW = np.stack([np.asarray(Image.open(file).convert("L").resize((SIZE_PX, SIZE_PX))) for file in files])
    return images_NHW / 255, np.array([names.index(file.parent.name) for file in files])


def objective(
    images_NHW: np.ndarray, labels_N: np.ndarray, repeats: int, seed: int
) -> Callable[[optuna.trial.Trial], float]:
    """The mean balanced accuracy of a trial over all folds of all repeats."""
    folds = RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=repeats, random_state=seed)

    def score(trial: optuna.trial.Trial) -> float:
        trial.suggest_categorical("features", ["pixels", "hog"])
        trial.suggest_categorical("hog_cell_px", [4, 7])
        trial.suggest_int("components", 2, 40, log=True)
        trial.suggest_float("c", 1e-2, 1e3, log=True)
        trial.suggest_categorical("kernel", ["linear", "rbf"])
        trial.suggest_float("gamma_factor", 0.1, 10.0, log=True)
        scores = cross_val_score(
            pipeline(trial), features(trial, images_NHW), labels_N, cv=folds, scoring="balanced_accuracy"
        )
        trial.set_user_attr("standard_error", float(scores.std(ddof=1) / len(scores) ** 0.5))
        return float(scores.mean())

    return score


def features(trial: optuna.trial.BaseTrial, images_NHW: np.ndarray) -> np.ndarray:
    """Pixels or HOG of each image, (N, D); nothing is learned here."""
    if trial.params["features"] == "pixels":
        return images_NHW.reshape(len(images_NHW), -1)
    cell = (trial.params["hog_cell_px"],) * 2
    return np.stack([hog(image, pixels_per_cell=cell, cells_per_block=(2, 2)) for image in images_NHW])


def pipeline(trial: optuna.trial.BaseTrial) -> Pipeline:
    """Scaling, PCA and SVM of the trial; all of it learns from the training folds alone."""
    gamma = trial.params["gamma_factor"] / trial.params["components"]
    machine = SVC(C=trial.params["c"], kernel=trial.params["kernel"], gamma=gamma)
    return make_pipeline(StandardScaler(), PCA(trial.params["components"], random_state=0), machine)


if __name__ == "__main__":
    main()
