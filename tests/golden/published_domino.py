"""Imports the published Domino mixture (PyPI `domino` 0.1.5, `pip download --no-deps domino==0.1.5`, unpacked) on today's libraries.

The package is of 2022: it names things that NumPy 2 and scikit-learn 1.9 no longer have, and imports packages for text and
images that its mixture never calls. They are put in their place here; the package's own files stay as they are.
"""
import importlib
import sys
import types
from pathlib import Path

import numpy as np


def load(unpacked: str):
    """The module `domino._slice.domino` of the package unpacked in this folder."""
    np.infty = np.inf
    from sklearn.mixture import GaussianMixture, _base

    _base._check_X = lambda X, *_args, **_kwargs: X
    GaussianMixture._check_n_features = lambda self, X, reset: None
    GaussianMixture._check_initial_parameters = lambda self, X: None
    GaussianMixture._print_verbose_msg_init_end = lambda self, *_args: None
    for name, path in [("meerkat", None), ("domino", Path(unpacked, "domino")), ("domino._slice", Path(unpacked, "domino", "_slice"))]:
        module = types.ModuleType(name)
        if path is not None:
            module.__path__ = [str(path)]
        sys.modules[name] = module
    sys.modules["meerkat"].DataPanel = dict
    utils = types.ModuleType("domino.utils")
    utils.unpack_args = lambda data, *args: args
    sys.modules["domino.utils"] = utils
    tqdm = types.ModuleType("tqdm.auto")
    tqdm.tqdm = lambda iterable, **_kwargs: iterable
    sys.modules["tqdm"], sys.modules["tqdm.auto"] = types.ModuleType("tqdm"), tqdm
    return importlib.import_module("domino._slice.domino")
