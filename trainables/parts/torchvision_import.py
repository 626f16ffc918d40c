"""The one place that imports torchvision.

Its ordinary wheel is linked against CUDA, so beside a CPU-only torch its operators do not load and the import itself
fails (pytorch/pytorch#122494). On exactly that error the two schemas it stumbles over are declared and it is imported
again: architectures, weights and transforms then work, and detection's `nms`, which nothing here uses, raises.
"""

from __future__ import annotations

import importlib
import sys

import torch

# Kept for the life of the process: the declarations vanish with this object.
_declared: torch.library.Library | None = None

try:
    torchvision = importlib.import_module("torchvision")
except RuntimeError as error:
    if "operator torchvision::nms does not exist" not in str(error):
        raise
    _declared = torch.library.Library("torchvision", "FRAGMENT")
    _declared.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _declared.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    for name in [name for name in sys.modules if name == "torchvision" or name.startswith("torchvision.")]:
        del sys.modules[name]
    torchvision = importlib.import_module("torchvision")
