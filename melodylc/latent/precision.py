"""Short arithmetic where the processor has it."""

import torch


def autocast() -> torch.autocast:
    """Compute in bfloat16 inside the block, on a processor that has instructions for it; in float32 on others."""
    # Builds without MKL-DNN, as those for Macs, lack the question too.
    there = bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
    return torch.autocast("cpu", torch.bfloat16, enabled=there and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()))
