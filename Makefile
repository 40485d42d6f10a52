# Everything works from a fresh clone with Python >= 3.10 and access to the package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

OTHERS := docs-run exact fuzz real same storm storm-below # benchmarks with a target of their own
BENCHES := $(addprefix bench-,$(filter-out $(OTHERS),$(subst _,-,$(patsubst benchmarks/%.py,%,$(wildcard benchmarks/[a-z]*.py)))))

.PHONY: demo test docs $(BENCHES) $(OTHERS) patient clean

demo: $(INSTALLED)
	$(BIN)/suture demo

test: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

docs: $(VENV)/.docs  ## the site, in site/: open site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

$(BENCHES): bench-%: $(INSTALLED)  ## a rule for each: make looks for no pattern rule of what is phony
	$(BIN)/python benchmarks/$*.py

bench-export: $(VENV)/.export
bench-serve: $(VENV)/.serve

same: $(INSTALLED)  ## whether two trees or revisions make the same patches: make same OLD=v0.1.0 NEW=.
	$(if $(OLD),,$(error give the tree or revision to compare with: make same OLD=REVISION NEW=.))
	$(BIN)/python benchmarks/same.py $(OLD) $(or $(NEW),.)

storm: $(INSTALLED)  ## patches on disk while processes are killed and disks fail
	$(BIN)/python benchmarks/storm.py

storm-below: $(INSTALLED)  ## the same with faults below Python: failing calls, short writes, loss of power (Linux, a C compiler)
	$(BIN)/python benchmarks/storm_below.py

fuzz: $(INSTALLED)  ## hostile patches and checkpoints
	$(BIN)/python benchmarks/fuzz.py

docs-run: $(VENV)/.dev  ## every shell command of README and docs as it stands (hours); given again, it goes on. ARGS=--readme
	$(BIN)/python benchmarks/docs_run.py $(ARGS)

real: $(VENV)/.dev  ## behaviour edits of SmolLM2 by public texts (hours); given again, it goes on. ARGS="--only detox"
	$(BIN)/python benchmarks/real.py $(ARGS)

exact: $(VENV)/.dev  ## a thousand generated cases of each promise of exactness
	$(BIN)/python benchmarks/exact.py

patient: $(INSTALLED)  ## train the bundled model again (about half an hour on two cores)
	$(BIN)/python -m suture.organisms.train --out src/suture/organisms/model
	$(BIN)/python -m suture.organisms.card

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check torch -c constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[gguf]' -c constraints.txt
	touch $@

$(VENV)/.dev: $(INSTALLED)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[search,peft,gguf,serve,dev]' -c constraints.txt
	touch $@

$(VENV)/.docs: $(INSTALLED)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[search,docs]' -c constraints.txt
	touch $@

$(VENV)/.export: $(INSTALLED)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[search,peft,gguf]' -c constraints.txt
	touch $@

$(VENV)/.serve: $(INSTALLED)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[serve]' -c constraints.txt
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache runs site
