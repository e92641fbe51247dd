# Everything here works from a fresh checkout on a Debian machine with Go; what else a target needs it installs (e2e/install.sh).
# Made for two cores: nothing here runs more than JOBS things at a time.

JOBS     ?= 2
E2E_LIMIT ?= 30m
FUZZTIME ?= 10s
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo development)
BIN      ?= bin/galley

# With schedtrace set the runtime's sysmon thread never goes into the deep sleep from which the next system call has to wake it: that costs a lightly
# loaded proxy half of its CPU. The number is as large as it can be, so that nothing is traced (milliseconds: one line in 23 days).
LDFLAGS  := -s -w -X=runtime.godebugDefault=schedtrace=2000000000 -X main.buildVersion=$(VERSION)

GOLANGCI_VERSION := 2.15.0
TOOLS            ?= $(CURDIR)/.cache/bin
PEBBLE_VERSION   := v2.10.1
H2SPEC_VERSION   := v2.2.1+incompatible
GOLANGCI         := $(TOOLS)/golangci-lint-$(GOLANGCI_VERSION)

# WordPress as the demo and the tests of the web tier use it.
WORDPRESS ?= $(CURDIR)/.cache/wordpress

REPORT := $(CURDIR)/.cache/e2e-report.txt

export GOFLAGS += -p=$(JOBS)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help build demo test unit race e2e e2e-all torture browser acme h2spec mtr drivers differential bench fuzz lint tools docs clean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build bin/galley, a static binary
	CGO_ENABLED=0 go build -trimpath -ldflags "$(LDFLAGS)" -o $(BIN) ./cmd/galley

demo: ## Try it: a real three-node cluster on this machine, galley and a workload (DEMO_ARGS="--script failover")
	./e2e/install.sh demo
	./e2e/wordpress.sh $(WORDPRESS)
	$(MAKE) --no-print-directory build
	$(BIN) demo --wordpress $(WORDPRESS) $(DEMO_ARGS)

test: build unit e2e ## Vet, unit tests, and the end-to-end tests on a real cluster; 25 minutes on two cores
	@echo "make test: all passed"

unit: ## Vet and the tests that need no server
	go vet -tags e2e ./...
	E2E_GALLEY="$(CURDIR)/$(BIN)" go test -timeout 10m ./...

e2e: build ## The end-to-end tests only
	./e2e/install.sh e2e
	./e2e/wordpress.sh $(WORDPRESS)
	@mkdir -p $(dir $(REPORT)) && rm -f $(REPORT)
	@packages=$$(grep -rl --include='*_test.go' '^//go:build .*e2e' . | xargs -n1 dirname | sort -u); \
	echo "go test -tags e2e" $$packages; \
	E2E_GALLEY="$(CURDIR)/$(BIN)" E2E_REPORT=$(REPORT) WORDPRESS="$(WORDPRESS)" timeout -k 60 $(E2E_LIMIT) go test -p 1 -count 1 -tags e2e -timeout $(E2E_LIMIT) $$packages; \
	code=$$?; \
	if [ -s $(REPORT) ]; then echo; echo "What clients saw:"; cat $(REPORT); fi; \
	exit $$code

e2e-all: ## The end-to-end tests with all events and sizes; an hour
	E2E_ALL=1 $(MAKE) --no-print-directory e2e E2E_LIMIT=80m

torture: build ## Break a cluster of its own at random, under two galleys, and check what their clients saw (TORTURE_ARGS="--time 10m --seed 1")
	./e2e/install.sh e2e
	go run ./cmd/galley-torture --galley $(BIN) $(TORTURE_ARGS)

differential: build ## Random sessions on a node and through galley, side by side, for E2E_DIFFERENTIAL seconds (300) from E2E_SEED (random); E2E_NARROW=1: CI's grammar
	./e2e/install.sh e2e
	E2E_GALLEY="$(CURDIR)/$(BIN)" E2E_DIFFERENTIAL="$${E2E_DIFFERENTIAL:-300}" go test -tags e2e -count 1 -timeout 60m -v -run '^TestDifferential$$' ./e2e

browser: build ## Write, publish, comment and search in a WordPress behind galley with a real browser (chromium), and come by HTTP/3; pictures in .cache/browser
	./e2e/install.sh browser
	./e2e/wordpress.sh $(WORDPRESS)
	E2E_GALLEY="$(CURDIR)/$(BIN)" WORDPRESS=$(WORDPRESS) E2E_BROWSER="$(CURDIR)/.cache/browser" go test -tags e2e -count 1 -timeout 15m -v -run '^TestBrowser$$' ./e2e/web
	E2E_GALLEY="$(CURDIR)/$(BIN)" E2E_BROWSER="$(CURDIR)/.cache/browser" go test -tags e2e -count 1 -timeout 5m -v -run '^TestBrowserHTTP3$$' ./e2e/webonly

acme: build ## Certificates from a real ACME server on this machine (Pebble), by HTTP and by TLS, bound to an external account too
	GOBIN=$(TOOLS) go install github.com/letsencrypt/pebble/v2/cmd/pebble@$(PEBBLE_VERSION) github.com/letsencrypt/pebble/v2/cmd/pebble-challtestsrv@$(PEBBLE_VERSION)
	E2E_GALLEY="$(CURDIR)/$(BIN)" E2E_PEBBLE="$(TOOLS)/pebble" go test -tags e2e -count 1 -timeout 10m -v -run '^TestACME' ./e2e/webonly

h2spec: build ## The conformance tests of HTTP/2 (h2spec)
	GOBIN=$(TOOLS) go install github.com/summerwind/h2spec/cmd/h2spec@$(H2SPEC_VERSION)
	E2E_GALLEY="$(CURDIR)/$(BIN)" E2E_H2SPEC="$(TOOLS)/h2spec" go test -tags e2e -count 1 -timeout 10m -v -run '^TestH2spec$$' ./e2e/webonly

mtr: build ## All of MariaDB's own tests in e2e/mtr.list, plain and by both binary protocols, on a node and through galley
	./e2e/install.sh e2e
	E2E_GALLEY="$(CURDIR)/$(BIN)" E2E_MTR=all go test -tags e2e -count 1 -timeout 60m -v -run '^TestMariaDBTestSuite$$' ./e2e

drivers: build ## The test suites of Go's two MySQL libraries, on a node and through galley
	./e2e/install.sh e2e
	E2E_GALLEY="$(CURDIR)/$(BIN)" ./e2e/drivers.sh

race: ## The unit tests under the race detector (needs a C compiler)
	CGO_ENABLED=1 go test -race -timeout 15m ./...

bench: build ## Measure galley beside HAProxy, a node without a proxy, nginx and Caddy (BENCH_ARGS=-quick)
	BENCH_GALLEY="$(CURDIR)/$(BIN)" WORDPRESS="$(WORDPRESS)" ./e2e/bench.sh $(BENCH_ARGS)

fuzz: ## Run every fuzz target for FUZZTIME (10s)
	@targets=$$(grep -rho --include='*_test.go' -H '^func Fuzz[A-Za-z0-9_]*' . | sed 's/^\(.*\)\/[^/]*:func \(.*\)$$/\1 \2/' | sort -u); \
	[ -n "$$targets" ] || { echo "no fuzz targets found"; exit 1; }; \
	failed=; for target in $$(echo "$$targets" | tr ' ' :); do \
		dir=$${target%:*}; name=$${target#*:}; \
		echo "$$dir $$name"; \
		go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x -parallel $(JOBS) "$$dir" || failed="$$failed $$name"; \
	done; \
	[ -z "$$failed" ] || { echo "make fuzz: failed:$$failed"; exit 1; }

lint: tools ## Run the linters
	GOMAXPROCS=$(JOBS) $(GOLANGCI) run ./...

tools: $(GOLANGCI)

# A golangci-lint of the right version that is there already is as good as one built here, which takes minutes.
$(GOLANGCI):
	@mkdir -p $(TOOLS)
	@for have in "$$(command -v golangci-lint)" "$$(go env GOPATH)/bin/golangci-lint"; do \
		if [ -x "$$have" ] && [ "$$("$$have" version --short 2>/dev/null)" = "$(GOLANGCI_VERSION)" ]; then ln -sf "$$have" $@ && exit 0; fi; \
	done; \
	echo "building golangci-lint $(GOLANGCI_VERSION)"; \
	GOBIN=$(TOOLS) GOFLAGS=-p=$(JOBS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v$(GOLANGCI_VERSION) && \
	mv $(TOOLS)/golangci-lint $@

docs: ## Renew docs/settings.md
	@mkdir -p docs
	@{ echo "# Settings"; echo; go run ./cmd/galley config; } > docs/settings.md

clean: ## Remove what was built
	rm -rf bin .cache
