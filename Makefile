# What a person needs. `make` alone lists it.
#
# Test control plane and awscli are kept in ~/.cache/cooper (COOPER_CACHE moves
# it); Cargo's output is in target/ (CARGO_TARGET_DIR moves it).

.DEFAULT_GOAL := help
.PHONY: help demo up down test proof e2e website node clients monitoring upgrade bench lint crds docs build image notes

help: ## list these
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

demo: ## the whole story on this machine: control plane, emulated cloud, operator, samples, S3
	@demo/demo.sh

up: ## the same setup, left running for you; prints how to reach it
	@demo/up.sh

down: ## end what `make up` started
	@demo/down.sh

# Programs and tests in one build: apart, their dependencies would be built twice.
# Tests wait more than they compute, so two at a time on two cores would be idle.
test: ## all tests, against a real API server and the emulated clouds
	@tests/cluster/build.sh >/dev/null
	cargo build --workspace --bins --tests
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-4} cargo test --workspace

# Where the node cannot run, that is said, and with COOPER_TEST_ALL a failure.
e2e: website ## a website in a browser, and the image by its chart on a real node
	@if tests/node/check.sh; then tests/e2e/node.sh; else [ -z "$$COOPER_TEST_ALL" ] && echo "not tested: the real node" >&2; fi

website: ## a website in headless Chromium; prints where the screenshots are
	@tests/e2e/website.sh

node: ## the image, by its chart, on a real node of Kubernetes; needs root and containerd, and says what else
	@tests/e2e/node.sh

clients: ## boto3, awscli and rclone against the emulated S3 and STS
	@emulator/tests/clients.sh

monitoring: ## alerts and dashboard against a real Prometheus that scrapes a real run
	cargo build --workspace --bins
	@deploy/monitoring/check.sh

upgrade: ## from an earlier chart (0.1.0-pre), with what it had in its care
	cargo build --workspace --bins
	@charts/upgrade.sh

# In parts: PART is schedules, storms, hostile, manifests, canary, orders or model; SHARE=3/10 is the third tenth of the first four. STATES bounds each
# setting of the model: one with more is reported as such. More variables are in tests/it/proof/mod.rs.
proof_tests = $(if $(filter orders,$(PART)),orders::,proof::$(if $(PART),$(PART)::, orders::))
proof: ## everything that may go wrong: every crash, storms, a cloud that lies, manifests of all sorts; the key protocol, searched; takes hours. PART=storms one part
	@tests/cluster/build.sh >/dev/null
ifneq ($(PART),model)
	cargo build --workspace --bins --tests
	COOPER_PROOF=full COOPER_SHARE=$(SHARE) cargo test --workspace --test it -- --nocapture $(proof_tests)
endif
ifeq ($(filter-out model,$(PART)),)
	COOPER_PROOF=$${STATES:-100000000} cargo test --package cooper-key-model --test key_model -- proof:: --nocapture
endif

# BENCH=quick is a smoke test: a tenth of everything, with the debug build that `make test` has made anyway.
bench_profile = $(if $(filter quick,$(BENCH)),debug,release)
bench: ## what cooper costs against a bare client, in about 20 minutes; BENCH=quick in a few
	@tests/cluster/build.sh >/dev/null
	cargo build --workspace --bins $(if $(filter release,$(bench_profile)),--release)
	"$${CARGO_TARGET_DIR:-target}/$(bench_profile)/cooper-bench" --out "$${CARGO_TARGET_DIR:-target}/bench" $(if $(filter quick,$(BENCH)),--quick)

lint: ## formatting, clippy, scripts, links; nothing may be said
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	@test -z "$$(gofmt -l tests/cluster tests/node)" || { gofmt -d tests/cluster tests/node; exit 1; }
	@for script in deploy/monitoring/*.sh demo/*.sh docs/site/*.sh tests/cluster/*.sh tests/node/*.sh tests/e2e/*.sh image/*.sh charts/*.sh emulator/tests/*.sh .ci/run; do bash -n $$script || exit 1; done
	@charts/test.sh
	@image/lint.sh
	@docs/site/build.sh

crds: ## write crds/, docs/reference/ and what else is generated anew
	cargo run --quiet --package cooper -- crds --dir crds
	cargo run --quiet --package cooper -- reference --dir docs/reference
	deploy/monitoring/rule.sh
	@"$$(charts/schemas.sh)" charts/values.py write

docs: ## the documentation as a site, in target/site; fails on a link that leads nowhere
	@docs/site/build.sh

build: ## the release binaries, in target/release
	cargo build --release --workspace --bins

image: ## the operator's image as an OCI archive, with its SBOM; no daemon needed
	@image/build.sh $(ARCH)

notes: ## what is new in the version that Cargo.toml names, from the changelog
	@python3 image/notes.py
