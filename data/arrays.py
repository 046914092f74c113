"""Names for the arrays that pass between modules."""

import numpy as np
import numpy.typing as npt

Events = npt.NDArray[np.uint8]
"""Melodies, a row each: (n, 256), each step one of the 130 events of `melodylc.data.alphabet`."""
Values = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]
"""Whole numbers, most often places in an array."""
