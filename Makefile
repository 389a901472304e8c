# Wharf. What a person runs and what CI runs is one and the same.

SHELL := bash
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo test bench bench-loop lint wharf guests languages bindings fmt clippy docs deny unit

WHARF := target/debug/wharf
GUESTS := $(patsubst %/Cargo.toml,%,$(wildcard components/examples/*/Cargo.toml components/bench/*/Cargo.toml components/contract/*/rust*/Cargo.toml))

# Guests in other languages, and what `wharf build` needs for them: target/tools, filled by .config/languages.
TOOLS := $(CURDIR)/target/tools
# A comma, for the arguments of functions.
, := ,
# Folders of contract guests in a language: LANGUAGE, LANGUAGE-02, and what lies in a folder of it.
guests-in = $(foreach language,$(1),$(patsubst %/wharf.toml,%,$(wildcard components/contract/*/$(language)/wharf.toml \
  components/contract/*/$(language)-*/wharf.toml components/contract/*/$(language)/*/wharf.toml)))
export PATH := $(TOOLS)/node_modules/.bin:$(TOOLS)/python/bin:$(PATH)

help: ## say what there is to make
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' Makefile | while IFS='|' read -r name what; do printf '%-15s %s\n' "$$name" "$$what"; done

setup: ## install what is missing (apt, as root), or say what to run
	@.config/setup

demo: setup wharf ## run both examples on a private PostgreSQL and ask them
	@.config/demo

test: setup fmt guests bindings unit clippy docs ## everything that CI checks
	@echo 'make test: passed'

bench: ## compare with native axum; prints a table, writes target/bench/summary.json
	@.config/setup wrk
	@.config/bench

bench-loop: ## build, change, test and ship a service, against a native one; writes target/bench/loop.json
	@.config/setup
	@.config/bench-loop

lint: setup fmt clippy docs deny ## formatting, clippy, documentation, dependencies

wharf: # the command itself; the whole workspace, so that the tests find every dependency compiled as they want it
	cargo build --workspace

guests: wharf # all components: examples, bench services, contract guests
	$(WHARF) build $(GUESTS)
	@$(MAKE) languages
	@for example in composed links; do \
	if ! command -v npm >/dev/null; then echo "SKIPPED: npm is not installed, components/examples/$$example was not built"; \
	else WHARF=$(CURDIR)/$(WHARF) components/examples/$$example/build.sh || { [ $$? -eq 75 ] && \
	echo "SKIPPED: its npm packages could not be had, components/examples/$$example was not built"; } || exit 1; fi; done

languages: # guests in other languages; a guest whose tools could not be had is counted as absent
	@.config/languages
	@if [ -f $(TOOLS)/package.json.installed ]; then $(WHARF) build $(call guests-in,quickjs starlingmonkey); fi
	@if [ -f $(TOOLS)/requirements.txt.installed ]; then $(WHARF) build $(call guests-in,python); fi
	@if [ -f $(TOOLS)/clang.installed ]; then $(WHARF) build $(call guests-in,c); fi
	@if [ -f $(TOOLS)/requirements.txt.installed ]; then $(WHARF) build $(call guests-in,go); fi

# In CI nothing is skipped: what cannot be had ends the run.
skipped = { echo 'SKIPPED: $(1)'; [ -z "$${CI:-}" ]; }

bindings: wharf # what is generated from wit/ is what it would be, and the bindings of other languages do what they say
	@if [ -f $(TOOLS)/package.json.installed ] && [ -f $(TOOLS)/requirements.txt.installed ]; then WHARF=$(CURDIR)/$(WHARF) guest-bindings/generate --check; \
	else $(call skipped,the tools of other languages are not installed$(,) generated bindings were not checked); fi
	@if command -v node >/dev/null; then node --test guest-bindings/javascript/tests/*.test.js; \
	else $(call skipped,node is not installed$(,) the bindings for JavaScript were not tested); fi
	@if [ -f $(TOOLS)/requirements.txt.installed ]; then \
	$(TOOLS)/python/bin/python3 -m unittest discover -t guest-bindings/python -s guest-bindings/python/tests; \
	else $(call skipped,componentize-py is not installed$(,) the bindings for Python were not tested); fi

fmt: # formatting of all workspaces
	cargo fmt --all --check
	cd components && cargo fmt --all --check
	cd host/benches/guestbook && cargo fmt --check

clippy: # lints of both workspaces
	cargo clippy --workspace --all-targets -- -D warnings
	cd components && cargo clippy --workspace --all-targets -- -D warnings

docs: # documentation without warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps
	cd components && RUSTDOCFLAGS='-D warnings' cargo doc --no-deps -p wharf-guest

deny: # licences, sources and duplicates of dependencies
	@if cargo deny --version >/dev/null 2>&1; then \
	  cargo deny --config .deny.toml check licenses bans sources; \
	else \
	  echo 'SKIPPED: cargo-deny is not installed, dependencies were not checked'; \
	fi

unit: # unit and integration tests of all workspaces
	cargo test --workspace
	cd components && cargo test --workspace
	cd host/benches/guestbook && cargo test --locked
