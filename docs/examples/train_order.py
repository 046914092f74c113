"""Train the model of `hard_rules.py:in_good_order`: which melodies are in order, and which are shuffled?

python docs/examples/train_order.py            writes note_order.json beside it

The melodies are the 64 of `melodylc rewards test`, each once as it is and five times with its pitches in another order
(its rhythm kept). A logistic regression, by Newton's method with a small ridge, on standardised features.
"""

import json
from pathlib import Path

import numpy as np
from hard_rules import order_features

from melodylc import Melody
from melodylc.rewards.panel import real_melodies

rng = np.random.default_rng(0)
rows, labels = [], []
for melody in Melody.unstack(real_melodies()):
    if melody.note_count < 2:
        continue
    rows.append(order_features(melody))
    labels.append(1.0)
    for _ in range(5):
        shuffled = rng.permutation(melody.pitches)
        notes = [(int(pitch), note.start, note.end) for pitch, note in zip(shuffled, melody.notes, strict=True)]
        rows.append(order_features(Melody.from_notes(notes)))
        labels.append(0.0)
features, wanted = np.array(rows), np.array(labels)
mean, scale = features.mean(axis=0), features.std(axis=0) + 1e-6
inputs = np.column_stack([(features - mean) / scale, np.ones(len(wanted))])
balance = np.where(wanted == 1, 5.0, 1.0)
weights = np.zeros(inputs.shape[1])
for _ in range(30):
    p = 1 / (1 + np.exp(-inputs @ weights))
    slope = inputs.T @ (balance * (p - wanted)) + 0.1 * weights
    curve = (inputs * (balance * p * (1 - p))[:, None]).T @ inputs + 0.1 * np.eye(len(weights))
    weights -= np.linalg.solve(curve, slope)
right = ((inputs @ weights > 0) == (wanted == 1)).astype(float)
table = {"mean": mean, "scale": scale, "weights": weights[:-1], "bias": weights[-1]}
content = {name: np.round(value, 6).tolist() for name, value in table.items()}
Path(__file__).with_name("note_order.json").write_text(json.dumps(content) + "\n", "utf-8")
print(
    f"right on these: {right[wanted == 1].mean():.0%} of those in order, {right[wanted == 0].mean():.0%} of the others"
)
