# The developer's interface. `make demo` and `make test` install what is missing on a fresh Debian 12 (as root), and
# need nothing special where rustup, Node and Chrome are.
SHELL := /bin/bash
.DEFAULT_GOAL := help
export TAFFRAIL_CACHE ?= $(HOME)/.cache/taffrail
run = . ./setup.sh &&

help: ## This list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

demo: ## A living simulated cluster, in the browser at http://127.0.0.1:8080
	@$(run) need build && step "building (first time: some minutes)" && frontend && cargo build --release -p backend --bin taffrail \
	  && exec "$$CARGO_TARGET_DIR/release/taffrail" demo $(ARGS)

build: ## The binary for development, with the frontend inside
	@$(run) need build && frontend && cargo build -p backend --bin taffrail

release: ## The stripped binary, for distribution
	@$(run) need build && frontend && cargo build --release -p backend --bin taffrail && ls -l "$$CARGO_TARGET_DIR/release/taffrail"

lint: ## rustfmt, clippy (warnings are errors), cargo-deny, eslint
	@$(run) need build lint && bash ./playwright/lint.sh

test: ## Everything: lint, units, the simulator, a real cluster, the browser
	@$(run) need build lint browser cluster && bash ./playwright/all.sh

bench: ## Figures beside their budgets
	@$(run) need build browser && frontend && bash ./playwright/bench/bench.sh

.PHONY: help demo build release lint test bench
