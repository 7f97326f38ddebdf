# fhirsynapse: `make help` lists what there is. The same commands run at the desk
# and in CI.

GO            ?= go
GO_LEAST      := 1.26
LINT_VERSION  := v2.15.0
VULN_VERSION  := v1.9.0
SBOM_TOOL     := github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
CACHE         := $(CURDIR)/.cache
LINT          := $(CACHE)/bin/golangci-lint-$(LINT_VERSION)
BICEP         := $(or $(wildcard ../shared/tools/bicep),$(shell command -v bicep 2>/dev/null))
AZURITE       := tools/azurite
AXE           := tools/axe
FUZZTIME      ?= 60s
COUNT         ?= 5

# What the programs for others say of themselves, and how they are built: the same
# commit gives the same bytes.
VERSION       ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unversioned)
BUILD_FLAGS   = -trimpath -buildvcs=false -ldflags='-s -w -buildid= -X fhirsynapse/internal/app.release=$(VERSION)'

# make demo: DATA=<folder of NDJSON>, or PATIENTS=<n> SEED=<s>; SOURCE=bulk has a
# server by the Bulk Data guide instead of Azure's; STOP=full ends after the full
# export; COHORT=former-smokers exports a cohort, which then changes.
DEMO_FLAGS    := $(if $(SOURCE),--source '$(SOURCE)') $(if $(DATA),--data '$(DATA)') $(if $(PATIENTS),--patients $(PATIENTS)) $(if $(SEED),--seed $(SEED)) $(if $(STOP),--stop $(STOP)) $(if $(COHORT),--cohort $(COHORT))

# make bench: without DATA, Synthea's patients where they lie beside the checkout,
# else those of the synthetic hospital.
BENCH_DATA    := $(or $(DATA),$(wildcard ../shared/data/synthea-ndjson/set-b-12patients))
BENCH_FLAGS   := -test.run '^$$' -test.benchtime $(or $(RUNS),5)x $(if $(BENCH_DATA),-data '$(abspath $(BENCH_DATA))') $(if $(MEGABYTES),-megabytes $(MEGABYTES))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9\/-]+:.*## / {printf "  \033[1m%-16s\033[0m %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

##### what a person runs

.PHONY: demo
demo: need-all ## everything on this machine, once: full export, changes, incremental, reconciliation
	@$(GO) run ./cmd/sandbox demo $(DEMO_FLAGS)

.PHONY: run
run: need-all ## the same, staying up, with the status page at the address that it prints
	@$(GO) build -o out/sandbox ./cmd/sandbox
	@out/sandbox run $(DEMO_FLAGS)

.PHONY: bench
bench: need-go need-cxx ## the handler's cold start, the engine beside DuckDB's reader, and a load into FHIRSYNAPSE_SQLSERVER_DSN: MEGABYTES=<n> (200), RUNS=<n> (5), DATA=<folder>
	@$(GO) run ./cmd/sandbox coldstart
	@$(GO) test -c -o out/enginebench.test ./internal/sandbox/enginebench
	@set -e; cd internal/sandbox/enginebench; for n in 1 2; do \
		$(if $(shell command -v taskset),taskset -c 0-$$((n-1))) $(CURDIR)/out/enginebench.test -test.bench 'Columns|Parquet' -test.cpu $$n $(BENCH_FLAGS); \
	done$(if $(FHIRSYNAPSE_SQLSERVER_DSN),; $(CURDIR)/out/enginebench.test -test.bench Server $(BENCH_FLAGS))

.PHONY: bench-e2e
bench-e2e: need-all ## 1 GB of NDJSON, from the first event to loaded: MEGABYTES=<n>; TELEMETRY=<n> repeats it n times without telemetry and with it
	@$(GO) run ./cmd/sandbox bench $(if $(MEGABYTES),--megabytes $(MEGABYTES)) $(if $(TELEMETRY),--telemetry $(TELEMETRY))

.PHONY: start
start: need-func need-go need-cxx need-azurite ## the local app under Azure Functions Core Tools, with Azurite and a Service Bus emulator; EMULATORS=running: those of compose.yaml
	CGO_ENABLED=1 $(GO) build -trimpath -o out/fhirsynapse ./cmd/fhirsynapse
	CGO_ENABLED=0 $(GO) run ./cmd/pack app --handler out/fhirsynapse --out dist-start --blob-trigger polling
	@test -f dist-start/local.settings.json || cp local.settings.sample.json dist-start/local.settings.json
	@$(GO) run ./cmd/sandbox start --app dist-start $(if $(filter running,$(EMULATORS)),--emulators-running)

##### packages

.PHONY: package
package: need-go ## dist/ and out/fhirsynapse.zip for Azure: the static Linux handler and its functions; EXPORTS=<file> puts your plans in
	CGO_ENABLED=0 GOOS=linux GOARCH=amd64 $(GO) build $(BUILD_FLAGS) -o out/handler ./handler
	CGO_ENABLED=0 $(GO) run ./cmd/pack app --handler out/handler --out dist --zip out/fhirsynapse.zip $(if $(EXPORTS),--exports '$(EXPORTS)')

.PHONY: publish
publish: need-app need-func package ## package, and send dist/ to the function app APP=<name>, as who has signed in with az login
	func azure functionapp publish '$(APP)' --custom --no-build --script-root dist

.PHONY: package-local
package-local: need-go need-cxx ## dist-local/ for this machine: the same functions, with DuckDB
	CGO_ENABLED=1 $(GO) build -trimpath -o out/fhirsynapse ./cmd/fhirsynapse
	CGO_ENABLED=0 $(GO) run ./cmd/pack app --handler out/fhirsynapse --out dist-local

.PHONY: release
release: need-go need-cxx ## out/release/: both programs for Linux and macOS as far as this machine can link them, bills of materials, checksums
	CGO_ENABLED=0 $(GO) run ./cmd/pack release --version '$(VERSION)' --sbom $(SBOM_TOOL) $(if $(ONLY),--only '$(ONLY)')

.PHONY: release/check
release/check: need-go need-cxx ## builds both programs for this machine twice, in two folders without a cache, and compares the bytes
	CGO_ENABLED=0 $(GO) run ./cmd/pack check --version '$(VERSION)'

.PHONY: release/sums
release/sums: need-go ## the checksums of out/release/ again, after files of other machines were added
	CGO_ENABLED=0 $(GO) run ./cmd/pack sums out/release

##### checks

.PHONY: test
test: need-all need-axe ## all tests, with the race detector and in random order
	CGO_ENABLED=1 $(GO) test -race -shuffle=on -timeout=40m $(TESTFLAGS) ./...
	$(GO) test -count=1 -v -run=Random ./internal/bulkfhir/randomserver
	$(GO) test -count=1 -v ./internal/pipeline
	GOGC=400 $(GO) test -count=1 -v ./internal/warehouse/mssql
	$(GO) test -count=1 -v -run=HostileLines ./internal/flatten

.PHONY: test/browser
test/browser: need-all need-axe ## the status page in Chromium; the pictures are in out/_artifacts
	@mkdir -p out
	$(GO) test -count=1 -v -artifacts -outputdir $(CURDIR)/out ./internal/sandbox/browsertest

.PHONY: test/quick
test/quick: need-all need-axe ## all tests, without the race detector
	CGO_ENABLED=1 $(GO) test -short ./...

.PHONY: test/race
test/race: need-all need-axe ## all tests COUNT times over, to find what fails seldom
	CGO_ENABLED=1 $(GO) test -race -shuffle=on -count=$(COUNT) ./...

.PHONY: fuzz
fuzz: need-go need-cxx ## each fuzz target for FUZZTIME
	@set -e; for pkg in $$($(GO) list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./...); do \
		dir=$$($(GO) list -f '{{.Dir}}' $$pkg); \
		for target in $$(cat $$dir/*_test.go | sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p'); do \
			echo "fuzz $$pkg $$target"; \
			$(GO) test -run='^$$' -fuzz="^$$target\$$" -fuzztime=$(FUZZTIME) -fuzzminimizetime=2s $$pkg; \
		done; \
	done

.PHONY: lint
lint: need-go need-cxx $(LINT) ## formatting, vet, linters, go.mod, Bicep, Microsoft's T-SQL grammar where it is there
	@$(GO) mod tidy -diff
	@$(GO) mod verify
	@$(GO) vet ./...
	@$(LINT) run ./...
	@if [ -n '$(BICEP)' ]; then $(GO) test -count=1 -run='^TestTheBicepFiles' ./infra; else \
		echo 'make: the Bicep compiler is missing, so infra/ was not compiled; its tests read testdata. Install bicep: az bicep install, or github.com/Azure/bicep' >&2; fi
	@if [ -x ../shared/tools/tsqlcheck ]; then $(GO) test -count=1 -run='^TestGrammar$$' ./internal/cli/tsqltest; else \
		echo "make: Microsoft's T-SQL grammar is missing (../shared/tools/tsqlcheck), so no statement was parsed by it" >&2; fi

.PHONY: vuln
vuln: need-go need-cxx ## known vulnerabilities of what is linked in; asks https://vuln.go.dev
	@$(GO) run golang.org/x/vuln/cmd/govulncheck@$(VULN_VERSION) ./...

.PHONY: fmt
fmt: need-go $(LINT) ## formats the Go files
	@$(LINT) fmt ./...

.PHONY: golden
golden: need-go need-cxx ## rewrites golden files and generated documents; look at the diff
	@set -e; for pkg in $$(grep -lr 'flag.Bool("update"' --include='*_test.go' internal cmd infra views 2>/dev/null | xargs -r -n1 dirname | sort -u); do \
		$(GO) test ./$$pkg -update; \
	done

.PHONY: clean
clean: ## removes what was built; downloads in .cache/ stay
	rm -rf dist dist-* out .demo .start

##### tools

# A program built by an older compiler cannot read newer code, hence GOTOOLCHAIN.
$(LINT): | need-go
	@echo "make: installing golangci-lint $(LINT_VERSION) (once, some minutes)" >&2
	@mkdir -p $(@D)/tmp-lint
	@GOBIN=$(@D)/tmp-lint GOFLAGS= GOTOOLCHAIN=local $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
	@mv $(@D)/tmp-lint/golangci-lint $@
	@rmdir $(@D)/tmp-lint

# npm writes this file last.
$(AZURITE)/node_modules/.package-lock.json: $(AZURITE)/package-lock.json
	@command -v npm >/dev/null || { echo "make: npm is missing: install Node.js 20 or newer; the storage stand-in, Azurite, runs on it" >&2; exit 1; }
	npm ci --prefix $(AZURITE) --ignore-scripts --no-audit --no-fund
	@touch $@

$(AXE)/node_modules/.package-lock.json: $(AXE)/package-lock.json
	@command -v npm >/dev/null || { echo "make: npm is missing: install Node.js 20 or newer; it brings the checks of accessibility, axe-core" >&2; exit 1; }
	npm ci --prefix $(AXE) --ignore-scripts --no-audit --no-fund
	@touch $@

.PHONY: need-all need-go need-cxx need-node need-azurite need-axe need-func need-app
need-all: need-go need-cxx need-azurite

need-go:
	@command -v $(GO) >/dev/null || { echo "make: go is missing: install Go $(GO_LEAST) or newer, https://go.dev/dl" >&2; exit 1; }
	@v=$$($(GO) env GOVERSION | sed 's/^go//'); [ "$$(printf '%s\n' $(GO_LEAST) $$v | sort -V | head -1)" = "$(GO_LEAST)" ] || \
		{ echo "make: go $$v is too old: install Go $(GO_LEAST) or newer, https://go.dev/dl" >&2; exit 1; }

need-cxx: need-go
	@cxx=$$($(GO) env CXX); command -v $${cxx%% *} >/dev/null || \
		{ echo "make: the C++ compiler $$cxx is missing: DuckDB is linked with it; install g++ (Debian: apt-get install g++) or set CXX" >&2; exit 1; }
	@cc=$$($(GO) env CC); command -v $${cc%% *} >/dev/null || \
		{ echo "make: the C compiler $$cc is missing: cgo needs it; install gcc (Debian: apt-get install gcc libc6-dev) or set CC" >&2; exit 1; }

need-node:
	@command -v node >/dev/null || { echo "make: node is missing: install Node.js 20 or newer; the storage stand-in, Azurite, runs on it" >&2; exit 1; }

need-azurite: need-node $(AZURITE)/node_modules/.package-lock.json

need-axe: $(AXE)/node_modules/.package-lock.json

need-func:
	@command -v func >/dev/null || { echo "make: func is missing: install Azure Functions Core Tools 4 (npm i -g azure-functions-core-tools@4)" >&2; exit 1; }

need-app:
	@[ -n '$(APP)' ] || { echo "make: name the function app: make publish APP=my-app" >&2; exit 1; }
