# `make demo` and `make test` need only python3 (3.11 or later) and make: .venv is made when there is none, and is
# brought up to date when pyproject.toml changes. The demo installs the base package; everything else installs `dev`.

PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --no-input
WORKERS ?= 2
DEAL := --dist loadfile --no-loadscope-reorder# a file to one process, so that its fixtures are made once

.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo serve test test-fast check format-check format lint types layers docs bench bench-maps bench-search bench-service bench-study bench-zoo light ship ship-video results results-video results-ablation results-treatments results-faces benchmark-set zoo gpu-pack gpu-train clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

demo: $(VENV)/.base-installed ## forge a photograph, scan it and its original, write a report (base install, no torch)
	$(BIN)/python examples/demo.py $(ARGS)

test: $(VENV)/.dev-installed ## all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) $(DEAL) $(ARGS)

test-fast: $(VENV)/.dev-installed ## the tests that are not marked slow
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) $(DEAL) -m "not slow" $(ARGS)

serve: $(VENV)/.base-installed ## the page and the API, on http://127.0.0.1:8000/
	$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --no-input --editable ".[serve]"
	$(BIN)/facewitness serve --data out/service $(ARGS)

docs: $(VENV)/.dev-installed ## the documentation site, in out/site; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

check: ARGS += --cov=facewitness --cov-report=term:skip-covered --cov-fail-under=90 # a floor under what is tested
check: format-check lint types layers docs test ## format, lint, types, layers, documentation, tests

format-check: $(VENV)/.dev-installed
	$(BIN)/ruff format --check .

format: $(VENV)/.dev-installed ## rewrite every file in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(VENV)/.dev-installed ## ruff
	$(BIN)/ruff check .

types: $(VENV)/.dev-installed ## mypy, strict
	$(BIN)/mypy

layers: $(VENV)/.dev-installed ## the layer table of ARCHITECTURE.md
	$(BIN)/lint-imports

bench: $(VENV)/.dev-installed ## a folder scan, and preparing a 1080p clip, against what this machine allows
	$(BIN)/python benchmarks/scan_throughput.py $(ARGS)
	$(BIN)/python benchmarks/prepare_throughput.py

bench-maps: $(VENV)/.dev-installed ## FakeLocator's map against the default architecture's, per photograph (seconds)
	$(BIN)/python benchmarks/map_time.py $(ARGS)

bench-search: $(VENV)/.dev-installed ## a step of ADD's search, softmax against Gumbel (a minute)
	$(BIN)/python benchmarks/search_step.py $(ARGS)

bench-study: $(VENV)/.dev-installed ## causal effects of neurons, closed form against running the net (a minute)
	$(BIN)/python benchmarks/causal_effects.py $(ARGS)

bench-service: $(VENV)/.dev-installed ## the service under 50 clients for ten minutes, against a scan of the same photographs (twenty minutes): ARGS=FOLDER
	$(BIN)/python benchmarks/service_load.py $(ARGS)

bench-zoo: $(VENV)/.dev-installed ## every detector of the zoo in our runtime against plain eager torch (minutes)
	$(BIN)/python benchmarks/zoo_throughput.py $(ARGS)

LIGHT := .venv-light
light: $(VENV)/.base-installed ## the base package alone, installed as a wheel in a new environment, scans without torch
	rm -rf $(LIGHT) out/light && $(PYTHON) -m venv $(LIGHT) && mkdir -p out/light
	$(LIGHT)/bin/python -m pip install --quiet --quiet --disable-pip-version-check --no-input .
	@! $(LIGHT)/bin/python -c "import torch" 2>/dev/null || { echo "torch came with the base package" >&2; exit 1; }
	$(BIN)/python -c "from skimage import data, io; io.imsave('out/light/astronaut.png', data.astronaut())"
	cd out/light && ../../$(LIGHT)/bin/facewitness scan astronaut.png --out report $(ARGS)
	rm -rf $(LIGHT)

FORGE_CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/facewitness/forge
GENERATORS_AT_HAND := $(patsubst weights/generators/%/card.json,$(FORGE_CACHE)/%/card.json,$(wildcard weights/generators/*/card.json))
$(GENERATORS_AT_HAND): $(FORGE_CACHE)/%/card.json:
	mkdir -p $(@D) && cp weights/generators/$*/model.onnx weights/generators/$*/card.json $(@D)/

FACES ?= ../shared/faces
WILD ?= ../shared/wild
DATA := --set data.path=$(FACES)
SHIPPED := src/facewitness/detectors/shipped/default
VALIDATION := out/validation
ship: $(VENV)/.dev-installed $(GENERATORS_AT_HAND) ## put the members that were trained (runs/{blend,trace}-gpu, runs/portrait-cpu) in place of the shipped ones, and fuse them on people and clips kept aside
	mkdir -p out/members
	for run in blend-gpu trace-gpu portrait-cpu; do \
		if test -d runs/$$run; then $(BIN)/facewitness export runs/$$run out/members/$${run%-*}; \
		else cp -r $(SHIPPED)/$${run%-*} out/members/; fi || exit 1; done
	$(BIN)/facewitness forge $(FACES) --out $(VALIDATION)/set --split val --seed 3 $(foreach m,faceswap inpaint-diffusion selfblend reconstruct-fir-4,--method $(m))
	$(BIN)/facewitness data merge $(VALIDATION)/set $(WILD) --out $(VALIDATION)/manifest.parquet
	$(BIN)/facewitness fuse $(foreach m,blend trace portrait,$(m)=out/members/$(m)) --data $(VALIDATION)/manifest.parquet --name default --out $(SHIPPED)
	rm $(SHIPPED)/validation_scores.npz

CLIPS := out/video/clips
ship-video: $(VENV)/.dev-installed ## learn the thresholds for videos on real clips and put them into the card of the default detector (twenty minutes; resumes): after `make ship`
	$(BIN)/facewitness forge video $(FACES) --out $(CLIPS) --real --split val --limit 640 --seconds 2 $(foreach n,18 23 28 35 40,--crf $(n))
	$(BIN)/facewitness calibrate-video $(SHIPPED) $(CLIPS) talking_real=$(WILD)/video/real/train --out out/video/calibration

RECONSTRUCT := nearest-4 nearest-8 bilinear-4 transposed-4 transposed-8 fir-4 fir-8
PACK ?= out/pack
gpu-pack: $(VENV)/.dev-installed $(GENERATORS_AT_HAND) ## what gpu-train needs of FACES and WILD, in archives of at most 50 MiB in PACK (half an hour for the generators that are not in weights/)
	for kind in $(RECONSTRUCT); do test -f $(FORGE_CACHE)/reconstruct-$$kind/model.onnx || $(BIN)/facewitness forge train-generator reconstruct-$$kind --data $(FACES) || exit 1; done
	$(BIN)/facewitness data pack $(FACES) $(WILD) --out $(PACK) --finder mtcnn

# The machine with the GPU needs torch, timm, lightning and pydantic, not this environment: GPU_PYTHON names its Python.
GPU_PYTHON ?= $(BIN)/python
MEMBER = PYTHONPATH=src:$$PYTHONPATH $(GPU_PYTHON) -m facewitness train $(1)-gpu --quiet --out runs/$(1)-gpu --set data.path=$(PACK) $(ARGS)
gpu-train: ## on a machine with a GPU: train two members of the default detector over the unpacked PACK, side by side (nine minutes)
	mkdir -p runs; $(foreach m,blend trace,($(call MEMBER,$(m)) > runs/$(m)-gpu.log 2>&1; tail -n 3 runs/$(m)-gpu.log) &) wait

GENERATORS := deepfake neuraltextures attribute-transposed attribute-nearest attribute-bilinear inpaint-conv synthesis

RESULTS := out/results
SEEN := faceswap inpaint-diffusion selfblend
KEPT_OUT := reconstruct-shuffle-8 reconstruct-quantised-4
TRAINED_ON := $(SEEN) deepfacelab-swap flux1-schnell sdxl stylegan2
PREVIOUS := $(RESULTS)/previous-detector
$(PREVIOUS)/card.json:
	mkdir -p $(PREVIOUS) && for file in model.onnx card.json; do git show 5995d64:$(SHIPPED)/$$file > $(PREVIOUS)/$$file || exit 1; done

$(RESULTS)/manifest.parquet: | $(VENV)/.dev-installed $(GENERATORS_AT_HAND)
	$(BIN)/facewitness forge $(FACES) --out $(RESULTS)/set --split test --seed 1 $(foreach m,$(SEEN) $(KEPT_OUT),--method $(m))
	$(BIN)/facewitness data merge $(RESULTS)/set $(WILD) --out $@

results: $(RESULTS)/manifest.parquet $(PREVIOUS)/card.json ## forge the test identities of FACES, judge these and WILD with the shipped detector and the previous one, write the reports
	$(BIN)/facewitness evaluate $(RESULTS)/manifest.parquet --out $(RESULTS)/default --report docs/results/default.md --readme README.md $(foreach m,$(TRAINED_ON),--trained-on $(m)) $(ARGS)
	$(BIN)/facewitness evaluate $(RESULTS)/manifest.parquet --out $(RESULTS)/previous --detector $(PREVIOUS) --report docs/results/previous.md $(foreach m,$(SEEN),--trained-on $(m)) $(ARGS)

results-ablation: $(RESULTS)/manifest.parquet $(PREVIOUS)/card.json ## small detectors that differ in one choice, or never saw a family, beside the default detector on the same photographs (two hours; resumes)
	$(BIN)/facewitness data merge $(FACES) $(WILD) --out out/ablation/manifest.parquet
	$(BIN)/facewitness experiment run experiments/ablation $(ARGS)
	$(BIN)/facewitness experiment report experiments/ablation --report docs/results/ablation.md

results-treatments: $(RESULTS)/manifest.parquet ## verdicts of the default detector under filters, messengers, screenshots and the like (hours of one core; resumes)
	$(BIN)/facewitness evaluate treatments $(RESULTS)/manifest.parquet --out $(RESULTS)/treatments --report docs/results/treatments.md $(foreach m,faceswap selfblend stylegan2,--method $(m)) --limit 400 $(ARGS)

YUNET ?= $(wildcard ../shared/reference/yunet/face_detection_yunet_2023mar.onnx)
results-faces: $(VENV)/.dev-installed ## what the face finders find, on the photographs of FACES and WILD and on made scenes
	PYTHONPATH=. OMP_NUM_THREADS=1 $(BIN)/python benchmarks/face_finders.py $(FACES)/faces.csv $(WILD)/wild.csv $(YUNET:%=--yunet %) --report docs/results/faces.md $(ARGS)

VIDEO := out/video/results
results-video: $(VENV)/.dev-installed ## clips of WILD and forged clips of the test identities of FACES judged by the default detector: the report (half an hour; resumes)
	PYTHONPATH=. $(BIN)/python benchmarks/videos.py $(FACES) $(WILD)/video --out $(VIDEO) --report docs/results/video.md $(ARGS)

BENCHMARK := out/benchmark
benchmark-set: $(VENV)/.dev-installed ## train the generators that are not trained yet, build the benchmark set over FACES, audit it (hours)
	for method in $(GENERATORS); do test -f $(FORGE_CACHE)/$$method/model.onnx || $(BIN)/facewitness forge train-generator $$method --data $(FACES) || exit 1; done
	$(BIN)/facewitness forge build forge/benchmark --out $(BENCHMARK) --report docs/results/forge.md $(DATA)
	$(BIN)/facewitness data audit $(BENCHMARK) --report docs/results/forge-audit.md
	$(BIN)/facewitness evaluate $(BENCHMARK) --out $(BENCHMARK)/default --report docs/results/benchmark.md $(foreach m,$(SEEN),--trained-on $(m))

zoo: $(VENV)/.dev-installed ## train every detector on one family of the benchmark set, evaluate them all, write the report (hours; resumes)
	$(BIN)/facewitness experiment run experiments/zoo $(ARGS)
	$(BIN)/facewitness experiment report experiments/zoo --report docs/results/zoo.md --cards docs/detectors

clean: ## remove .venv and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "facewitness needs Python 3.11 or later: install it, or say make PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.base-installed: pyproject.toml | $(BIN)/python
	@echo "installing facewitness[demo] into $(VENV) ..."
	$(PIP) --editable ".[demo]"
	@touch $@

$(VENV)/.dev-installed: pyproject.toml | $(BIN)/python
	@echo "installing facewitness[dev] into $(VENV), torch included: some minutes ..."
	$(PIP) --editable ".[dev]"
	@touch $@ $(VENV)/.base-installed
