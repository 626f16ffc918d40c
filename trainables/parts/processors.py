"""The processor that numbers are made on: others may round their last digits differently."""

from __future__ import annotations

import platform

# The sets of instructions for which PyTorch and NumPy have arithmetic of their own.
VECTORS = ("avx2", "avx512_f", "avx512_bf16", "amx_bf16", "neon", "sve", "bf16")


def processor() -> str:
    """Name and vector instructions of this machine's processor, on which the last digits of numbers depend."""
    # Not at the top: its import takes a second, and addresses are checked with what uses this before anything else.
    import torch

    found = torch.cpu.get_capabilities()
    vectors = [name for name in VECTORS if found.get(name)]
    return " ".join([found.get("cpu_name") or platform.machine(), *vectors])
