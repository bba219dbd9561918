# Two commands do everything: `make demo` and `make test`. Both make their own environment in .venv first.
PYTHON ?= python3
OUT ?= out
BIN := .venv/bin
export PYTHONUTF8 := 1

.PHONY: demo test test-all test-minimum lint bench accuracy robustness people audit notebooks readme docs clean

demo: .venv/.runtime
	$(BIN)/mexca-video demo --outdir $(OUT)

test: .venv/.dev
	$(BIN)/python tools/run.py

# How the notebooks are written, measured, and ruff; a part of `make test`.
lint: .venv/.dev
	$(BIN)/python tools/lint.py

# What takes longer than `make test` may: slow tests, and numbers as other processors compute them.
test-all: .venv/.dev .venv/.docs
	$(BIN)/python tools/run.py long

# Speed, on a GPU too where there is one, deviations of the fast engine, memory by length, identification by number, the first frame, and a film of two hours in 4K (a few GB on disk for a while); writes tables and a figure to OUT.
bench: .venv/.bench
	$(BIN)/python tools/benchmarks/bench.py --outdir $(OUT)
	$(BIN)/python tools/benchmarks/cold.py --outdir $(OUT)
	$(BIN)/python tools/benchmarks/film.py --outdir $(OUT)
	$(BIN)/python tools/benchmarks/gpu.py --outdir $(OUT)

# Action units against photographs of known expressions, and the same faces in other pictures; FACES is a folder with an index.csv. Each writes its tables to OUT.
FACES ?= ../shared/faces/london
accuracy: .venv/.dev
	$(BIN)/python tools/benchmarks/accuracy.py --faces $(FACES) --outdir $(OUT)

robustness: .venv/.dev
	$(BIN)/python tools/benchmarks/robustness.py --faces $(FACES) --outdir $(OUT)

# Who is who on real clips with a truth, and what detect_every loses; CLIPS is a folder of NAME.mp4 beside NAME.csv. Writes people.csv to OUT.
CLIPS ?= ../shared/people
people: .venv/.dev
	$(BIN)/python tools/benchmarks/people.py --clips $(CLIPS) --outdir $(OUT)

# The tests with the lowest versions that settings.ini claims: an environment of its own, about 3 GB to download. CI has no time for it.
test-minimum:
	$(PYTHON) tools/minimum.py

# Packages, licences, and what is known against them, if PyPI answers.
audit: .venv/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check pip-audit
	$(BIN)/python tools/audit.py

# Execute every notebook, so that the outputs it keeps are those of the code it shows; then tidy, export and write the README.
notebooks: .venv/.dev
	for notebook in $$(find nbs -name "*.ipynb" -not -path "*/.*" | sort); do \
	  $(BIN)/jupyter nbconvert --to notebook --execute --inplace --ExecutePreprocessor.timeout=600 --ExecutePreprocessor.store_widget_state=False $$notebook || exit 1; done
	$(BIN)/nbdev_clean
	$(BIN)/python tools/tidy.py
	$(BIN)/nbdev_export
	$(MAKE) readme

readme: .venv/.dev
	$(BIN)/python tools/readme.py --write
	$(BIN)/python tools/stub.py --write

# The site, as static files in _docs: from the notebooks as they are, nothing is executed. Open _docs/index.html.
docs: .venv/.docs
	$(BIN)/python tools/docs.py

clean:
	rm -rf .venv _docs out build dist *.egg-info tests/artefacts

.venv/.runtime: settings.ini setup.py
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

.venv/.dev: .venv/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $@

.venv/.bench: .venv/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev,bench]"
	touch $@

.venv/.docs: .venv/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev,docs]"
	touch $@
