# `make help` lists the targets.
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "%-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ---- the testbed: a real Kubernetes with real Cassandra images --------------
# NODES=3 gives three nodes, CLUSTERS=3 three linked clusters, CASSANDRA_VERSIONS="5.0 4.1 4.0" more images,
# CASSKOP_CACHE another folder to keep everything in. More: testbed/README.md

.PHONY: cluster clean env images images-all distclean
cluster: ## start the testbed (or tell that it runs)
	@testbed/up.sh

clean: ## end the testbed and remove all its traces; keeps the cache
	@testbed/down.sh

env: ## print how to use it: eval "$$(make -s env)"; $$IN kubectl get nodes
	@testbed/env.sh

images: ## build the images that are missing and bring them into the testbed
	@testbed/images.sh

images-all: ## the same for every Cassandra version there is an image of
	@CASSANDRA_VERSIONS="5.0 4.1 4.0" testbed/images.sh

distclean: clean ## clean, and remove the cache too
	@testbed/down.sh --cache

# ---- the operator: build, demo, test, bench ---------------------------------

.PHONY: demo test test-all test-unit test-e2e test-krew test-helm test-alerts test-dashboard test-backup crds docs fixtures krew operator-image bench bench-scale
demo: ## the main job: a real ring, and a cleanup by plugin and by annotation
	@testbed/demo.sh

test: ## the tests that a pull request must pass; ends the testbed if it was not running before
	@testbed/test.sh

test-all: ## everything, which takes longer: every version of Cassandra, new random histories
	@testbed/test.sh all

test-unit: ## formatting, lints, unit, property and snapshot tests
	@testbed/test.sh unit

test-e2e: ## the end-to-end tests on the testbed; FILES="plugin rebuild" runs some files of e2e/tests, or jobs by a test
	@testbed/test.sh e2e $(FILES)

crds: ## write manifests/crds and the words of manifests/admission from the API types
	@UPDATE_CRDS=1 cargo test --quiet -p casskop-common --test crds --test admission

krew: ## pack the plugin as krew installs it, with a manifest, into target/krew
	@krew/local.sh "$$(testbed/binaries.sh)"

test-krew: ## the real krew installs that, and kubectl runs it
	@testbed/krew.sh

test-helm: ## the real helm lints, packs and renders the chart
	@testbed/helm.sh

test-alerts: ## the real promtool checks and tests the alerts
	@testbed/alerts.sh

test-dashboard: ## a real Chromium opens the page of the plugin; SCREENSHOTS=1 writes the pictures of docs/dashboard.md
	@testbed/dashboard.sh

test-backup: ## casskop-backup against real S3 servers: what is sent, kills, purges, restores, memory
	@testbed/backup.sh

docs: fixtures ## write docs/reference from the commands and the words of the API, the values of the chart, and the screens in docs
	@UPDATE_DOCS=1 cargo test --quiet -p casskop-common --test reference --test chart --test argocd
	@UPDATE_DOCS=1 cargo test --quiet -p casskop-operator committed_reference
	@UPDATE_DOCS=1 cargo test --quiet -p kubectl-casskop --test cli committed

fixtures: ## write the clusters of the plugin's tests from the simulation
	@UPDATE_FIXTURES=1 cargo test --quiet -p kubectl-casskop --test cli committed_fixtures

operator-image: ## build the operator and the program of backups, and bring their image into the testbed
	@testbed/load.sh operator "$$(testbed/binaries.sh)/casskop-operator"

bench: ## print the figures: times, memory, sizes, writes at rest
	@testbed/bench.sh

bench-scale: ## print the figures of many clusters, on a real control plane and simulated nodes: SCALE="0 1 50 200 500"
	@testbed/scale.sh
