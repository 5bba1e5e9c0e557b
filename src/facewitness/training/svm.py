"""Detectors that are solved and not stepped towards: a linear SVM on a net's fixed features."""

import numpy as np
import torch
from numpy.typing import NDArray

from facewitness.detectors.graph import Graph
from facewitness.training.data.pairs import Pairs
from facewitness.training.initialize import unaugmented
from facewitness.types import FacewitnessError, RecipeError

FOLDS = 3
PENALTIES = np.logspace(-3, 1, 5)


@torch.no_grad()
def fit_svm(graph: Graph, pairs: Pairs) -> None:
    """Standardise the features of the training set, fit a linear SVM (C by cross-validation), fold both in.

    Raises:
        RecipeError: the net does not end in one linear unit that reads its features.
        FacewitnessError: there are too few photographs.
    """
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    last = getattr(graph.net, "classify", None)
    if not isinstance(last, torch.nn.Linear) or last.out_features != 1:
        raise RecipeError("optim.optimizer 'svm' is for nets that end in one linear unit, as steg-svm")
    graph.eval()
    features, labels = _features(graph, pairs)
    if len(labels) < 2 * FOLDS:
        raise FacewitnessError(f"{len(labels) // 2} pairs are too few for {FOLDS}-fold cross-validation: give more")
    search = GridSearchCV(make_pipeline(StandardScaler(), LinearSVC(dual=False)), {"linearsvc__C": PENALTIES}, cv=FOLDS)
    scaler, machine = search.fit(features, labels).best_estimator_
    weight = machine.coef_[0] / scaler.scale_
    last.weight.copy_(torch.from_numpy(weight)[None])
    last.bias.copy_(torch.as_tensor(machine.intercept_ - weight @ scaler.mean_))


def _features(graph: Graph, pairs: Pairs) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    features, labels = [], []
    for batch in unaugmented(pairs):
        features.append(graph.raw(batch["crops"].flatten(0, 1)).features)
        labels.append(batch["labels"].flatten())
    return torch.cat(features).double().numpy(), torch.cat(labels).numpy()
