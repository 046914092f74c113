"""Files of rules for the tests: the issue's own, and those that break something."""

from pathlib import Path

LEAPS = '''# leaps.py
from melodylc import Melody, reward

@reward
def stepwise(melody: Melody, largest: int = 2) -> float:
    """Share of intervals of at most `largest` semitones."""
    steps = abs(melody.intervals)
    return float((steps <= largest).mean()) if len(steps) else 0.0
'''

HEAD = """import os, signal, subprocess, sys, time, warnings
import numpy as np
from melodylc import Melody, reward

"""

DISTURBED = "wrote into its connection to us, or closed it"
ANSWER = b'{"problem": 3, "row": 99, "number": 2}'
POUR = """
    for pipe in range(3, 30):
        try: os.write(pipe, {})
        except OSError: pass
    return 1"""

BAD = {  # a rule's body, and what is said of it
    "raises": ("return 1 / melody.note_count", "raised ZeroDivisionError: division by zero (line 7), on"),
    "nan": ("return float('nan')", "returned NaN: a reward is a number in [0, 1] or a bool, on"),
    "over": ("return 1.3", "returned 1.3: a reward is a number in [0, 1] or a bool, on"),
    "text": ("return 'high'", "returned text 'high': a reward is a number in [0, 1] or a bool, on"),
    "forgets": ("melody.note_count", "returned nothing (None): a reward is a number in [0, 1] or a bool, on"),
    "forever": ("while True: pass", "gave no answer for 0.5 seconds, on"),
    "sleeps": ("time.sleep(600)", "gave no answer for 0.5 seconds, on"),
    "prints": ("print('debug', 3); return 1", "printed 'debug 3': a reward returns its value and prints nothing"),
    "changes": (
        "melody.events[0] = 60; return 1",
        "tried to change what it was given: ValueError: assignment destination is read-only (line 7), on",
    ),
    "dies": ("os._exit(3)", "ended its process (exit code 3), on"),
    "killed": ("os.kill(os.getpid(), signal.SIGKILL)", "ended its process (SIGKILL), on"),
    "exits": ("sys.exit(0)", "raised SystemExit: 0"),
    "writes_to_us": (POUR.format("b'\\xff' * 64"), DISTURBED),
    "writes_zeros": (POUR.format("bytes(16)"), DISTURBED),
    "writes_much": (POUR.format("b'\\0\\0\\0\\0\\0\\x01\\0\\0' * 2"), DISTURBED),
    "writes_an_answer": (POUR.format(f"bytes([0] * 7 + [{len(ANSWER)}] + [0] * 8) + {ANSWER!r}"), DISTURBED),
    "closes_it": ("os.closerange(3, 30); return 1", DISTURBED),
    "reads": ("return len(input())", "raised EOFError: EOF when reading a line (line 7), on"),
}

GOOD = {  # what looks bad and isn't
    "forks": "os.fork(); return 1",
    "starts_threads": "import threading; threading.Thread(target=time.sleep, args=(60,)).start(); return 1",
    "writes_elsewhere": "os.write(1, b'x'); print('x', file=sys.stderr); subprocess.run(['echo', 'x']); return 1",
    "warns": "warnings.warn('odd'); np.zeros(1) / 0; return 1",
    "catches_signals": "signal.signal(signal.SIGINT, signal.SIG_DFL); return 1",
}


def write(path: Path, bodies: dict[str, str]) -> Path:
    """A file of rules, one for each body, which stands on line 7 where it is the only one."""
    functions = [f"@reward\ndef {name}(melody: Melody) -> float:\n    {body}\n\n" for name, body in bodies.items()]
    path.write_text(HEAD + "".join(functions), "utf-8")
    return path
