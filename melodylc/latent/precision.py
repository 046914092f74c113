"""Short arithmetic where the processor has it."""

import torch


def brief() -> torch.autocast:
    """Compute in bfloat16 inside the block, on a processor that has instructions for it; in float32 on others."""
    return torch.autocast("cpu", torch.bfloat16, enabled=bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()))
