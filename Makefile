# Each target is one call of xtask. PKG="a b", AGENT_ID=name, MODE=release, VERBOSE=1 and ARGS="…" go through:
#
#     make check-fast
#     make test PKG=some-crate ARGS="--release some_test"
#     make build MODE=release
#     make run ARGS="-- --its-option"

.DEFAULT_GOAL := help
.SUFFIXES:

# xtask is started without cargo while nothing that it is made of is newer than the stamp: in a large workspace the
# resolution that `cargo run` does is most of what `cargo xtask check` takes over `cargo check`.
XTASK := target/xtask/xtask
STAMP := target/xtask/.made
# A member's manifest is among them because a change there may have to change Cargo.lock, of which lane keys are made.
# Only some projects have the folder `multilane`.
SOURCES := Cargo.toml Cargo.lock $(wildcard */Cargo.toml */*/Cargo.toml) $(wildcard rust-toolchain* .cargo/*.toml) \
	$(foreach dir,xtask/src multilane/src multilane/engine/src,$(wildcard $(dir)/*.rs $(dir)/*/*.rs $(dir)/*/*/*.rs $(dir)/*/*.sh))
FLAGS = $(foreach name,$(PKG),--package $(name)) $(ARGS)

# The stamp is as old as the start of the build, so an edit during the build counts as newer. cargo shows its progress.
$(STAMP): $(SOURCES)
	@mkdir -p $(@D) && touch $@.$$$$ && cargo build --package xtask --profile xtask --target-dir target && mv $@.$$$$ $@

# A clone may have no lockfile yet.
Cargo.lock:

build: $(STAMP) ## Build what MODE says: dev, test or release
	@$(XTASK) build $(FLAGS)

build-dev: $(STAMP) ## Build for the edit loop
	@$(XTASK) build-dev $(FLAGS)

build-test: $(STAMP) ## Build the test executables without running them
	@$(XTASK) build-test $(FLAGS)

build-release: $(STAMP) ## Build what users run
	@$(XTASK) build-release $(FLAGS)

check: $(STAMP) ## Find errors without generating code
	@$(XTASK) check $(FLAGS)

check-fast: $(STAMP) ## Check the packages that changed
	@$(XTASK) check-fast $(FLAGS)

test: $(STAMP) ## Run the tests
	@$(XTASK) test $(FLAGS)

clippy: $(STAMP) ## Lint
	@$(XTASK) clippy $(FLAGS)

fmt: $(STAMP) ## Format all packages
	@$(XTASK) fmt $(ARGS)

run: $(STAMP) ## Build a program and run it; ARGS="-- …" go to the program
	@$(XTASK) run $(FLAGS)

ci: $(STAMP) ## Formatting, lints and tests, as CI does them
	@$(XTASK) ci $(ARGS)

doctor: $(STAMP) ## Diagnose slow or broken build setups
	@$(XTASK) doctor $(ARGS)

install-tools: $(STAMP) ## Install what makes builds quicker; ARGS=--dry-run: say how
	@$(XTASK) install-tools $(ARGS)

analyze: $(STAMP) ## Find what builds spend their time on, and what to change first
	@$(XTASK) analyze $(FLAGS)

clean: $(STAMP) ## Delete this builder's lane; ARGS=--all: every lane that is not in use
	@$(XTASK) clean $(FLAGS)

help: ## Print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo 'All verbs: cargo xtask --help'

.PHONY: build build-dev build-test build-release check check-fast test clippy fmt run ci doctor install-tools analyze clean help
