# `make setup`, then `make check`; .ci/run is both on a fresh machine. PYTHON is the one in .venv, or the active environment's.
PYTHON ?= $(if $(VIRTUAL_ENV),$(VIRTUAL_ENV)/bin/python,.venv/bin/python)

.PHONY: check setup lint format typed typecheck editor test docs clean

check: lint typecheck test

setup:
	test -x $(PYTHON) || python3 -m venv .venv
	$(PYTHON) -m pip install -e '.[dev,oracles,e2e]'

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

format:
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

# mypy can't follow an editable install whose folders lie elsewhere, so it gets one tree of links.
typed:
	rm -rf build/typed && mkdir -p build/typed/melodylc
	ln -s $(addprefix $(CURDIR)/,$(wildcard melodylc/*) cli data rewards) build/typed/melodylc/

typecheck: typed
	$(PYTHON) -m mypy

# What editors see: pyright on the same tree.
editor: typed
	$(PYTHON) -m pyright --pythonpath $(PYTHON)

test:
	$(PYTHON) -m pytest

# The site, in site/; nothing is fetched but the extra's packages.
docs: typed
	$(PYTHON) -m pip install --quiet -e '.[docs]'
	$(PYTHON) tools/cli_reference.py
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict

clean:
	rm -rf build dist site *.egg-info

# Kills, pairs, damaged files, full disks, hostile rules: long, and it goes on where it was.
TRIES ?= 5
.PHONY: harden
harden:
	$(PYTHON) tools/harden.py --tries $(TRIES)

# The real melodies that `melodylc rewards test` tries rules on, from a corpus.
CORPUS ?= runs/corpus
.PHONY: panel
panel:
	$(PYTHON) tools/panel.py $(CORPUS)

# What melodylc/pretrained/ holds, from MIDI archives on: the model, its prior, the critic, what mustn't be copied, the bank, the actor, the realism critic. Minutes of training on a CPU core.
MIDI ?= midi
MINUTES ?= 3,80
MORE ?= 93
LAST ?= 105
PRIOR ?= 75
.PHONY: pretrained
pretrained:
	$(PYTHON) -m melodylc data build $(wildcard $(MIDI)/*) -o runs/corpus --windows every-bar
	$(PYTHON) -m melodylc train vae runs/corpus -o runs/first --config base --minutes $(MINUTES)
	$(PYTHON) -m melodylc train vae runs/corpus -o runs/base --start runs/first/model.safetensors --minutes $(MORE) --seed 1
	$(PYTHON) -m melodylc train vae runs/corpus -o runs/longer --start runs/base/model.safetensors --minutes $(LAST) --seed 2
	$(PYTHON) -m melodylc train prior runs/corpus -o runs/prior --model runs/longer/model.safetensors --minutes $(PRIOR)
	cp runs/prior/model.safetensors melodylc/pretrained/base.safetensors
	$(PYTHON) -m melodylc train critic runs/corpus -o runs/critic
	cp runs/critic/model.safetensors melodylc/pretrained/critic.safetensors
	$(PYTHON) tools/runs.py runs/corpus
	$(PYTHON) tools/bank.py
	$(PYTHON) tools/actor.py
	$(MAKE) realism CORPUS=runs/corpus

# The language model that writes by default, what tells real melodies from its own, and what mustn't be copied of its corpus: an hour of a core.
WRITER ?= 38
.PHONY: pretrained-writer
pretrained-writer:
	$(PYTHON) -m melodylc data build $(wildcard $(MIDI)/*) -o runs/phrases --windows phrases
	$(PYTHON) -m melodylc train prior runs/phrases -o runs/writer --minutes $(WRITER)
	$(PYTHON) tools/writer.py runs/writer/model.safetensors 0.95
	$(PYTHON) tools/runs.py runs/phrases
	$(PYTHON) tools/discriminator.py runs/phrases

# The realism critic alone, which is shown what the actors that ship make.
.PHONY: realism
realism:
	$(PYTHON) -m melodylc train realism $(CORPUS) -o melodylc/pretrained/realism.safetensors

# The pictures' part of it, from MNIST's four files on: four minutes of a quiet core.
MNIST ?= mnist
.PHONY: pretrained-mnist
pretrained-mnist:
	$(PYTHON) -m melodylc image train --dataset mnist --data $(MNIST) -o runs/mnist
	cp runs/mnist/vae/model.safetensors melodylc/pretrained/mnist-vae.safetensors
	cp runs/mnist/actor-0.1/model.safetensors melodylc/pretrained/mnist-actor-0.1.safetensors
	cp runs/mnist/classifier/model.safetensors melodylc/pretrained/mnist-classifier.safetensors
