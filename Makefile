# make run     build pinlab and replay the embedded corpus
# make test    everything CI checks
# make lint    vet, staticcheck, gofumpt and the import arrows
# make e2e     a set of scenarios on a real kubelet in the lab, compared with the simulator
# make e2e-lab all scenarios on machines of four shapes
# make bench   the speed claims, each as a ratio in one run
# make fuzz    every fuzz target for FUZZTIME
# make goldens write the golden files anew

GO        ?= go
BIN       := bin
FUZZTIME  ?= 2s
RACEFLAGS ?= -race

STATICCHECK_VERSION := v0.8.2
GOFUMPT_VERSION     := v0.12.0
STATICCHECK := $(BIN)/staticcheck-$(STATICCHECK_VERSION)
GOFUMPT     := $(BIN)/gofumpt-$(GOFUMPT_VERSION)

.PHONY: build run test unit race lint fmt bench fuzz goldens clean e2e e2e-lab lab-deps

build:
	$(GO) build -o $(BIN)/pinlab ./cmd/pinlab

run: build
	$(BIN)/pinlab run

test: lint build unit race fuzz
	$(BIN)/pinlab run >/dev/null

# What the lab needs is installed where that is possible. Where it is not, the
# scenarios are not run and that is said; with REQUIRE_LAB=1 it is a failure.
LAB_PROFILE   ?= generic-2s4c-smt2
LAB_SCENARIOS ?= first-pin two-numa-nodes init-none unable-to-freeze-clears restart-policy-changed
REQUIRE_LAB   ?= 0

lab-deps:
	@command -v qemu-system-x86_64 >/dev/null && command -v qemu-img >/dev/null && apt-cache show runc >/dev/null 2>&1 || \
		{ [ "$$(id -u)" = 0 ] && apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends qemu-system-x86 qemu-utils e2fsprogs; } || true

e2e: build lab-deps
	@if command -v qemu-system-x86_64 >/dev/null && command -v qemu-img >/dev/null; then \
		$(BIN)/pinlab fidelity --profile $(LAB_PROFILE) $(LAB_SCENARIOS); \
	else \
		echo "======================================================================"; \
		echo "NOT RUN: the scenarios on a real kubelet ($(LAB_SCENARIOS))"; \
		echo "because QEMU is not installed and could not be: apt-get install qemu-system-x86 qemu-utils"; \
		echo "======================================================================"; \
		[ "$(REQUIRE_LAB)" != 1 ]; \
	fi

LAB_SHAPES ?= generic-2s4c-smt2 generic-1s8c

e2e-lab: build lab-deps
	$(BIN)/pinlab fidelity $(addprefix --profile ,$(LAB_SHAPES))

unit:
	$(GO) test ./...

# The race detector needs the kubelet's packages compiled a second time, so it
# runs over the packages in which anything is concurrent.
race:
	$(GO) test $(RACEFLAGS) -short ./sim/... ./scenarios/...

lint: $(STATICCHECK) $(GOFUMPT)
	$(GO) vet ./...
	$(STATICCHECK) ./...
	@unformatted=$$($(GOFUMPT) -l .); if [ -n "$$unformatted" ]; then \
		echo "gofumpt: these files are not formatted (make fmt):"; echo "$$unformatted"; exit 1; fi
	$(GO) test -run Arrows ./cmd/pinlab

fmt: $(GOFUMPT)
	$(GOFUMPT) -w .

$(STATICCHECK):
	GOBIN=$(CURDIR)/$(BIN) $(GO) install honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK_VERSION)
	mv $(BIN)/staticcheck $@

$(GOFUMPT):
	GOBIN=$(CURDIR)/$(BIN) $(GO) install mvdan.cc/gofumpt@$(GOFUMPT_VERSION)
	mv $(BIN)/gofumpt $@

bench:
	$(GO) test -run '^$$' -bench . -benchmem ./sim/... ./scenarios/... ./hwprofiles/... ./bench/...

fuzz:
	@set -e; for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "fuzz $$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg; \
		done; \
	done

goldens:
	$(GO) test ./hwprofiles ./scenarios ./scenarios/report ./sim ./sim/invariant ./sim/explain ./e2e/fidelity ./e2e/lab/machine -update

clean:
	rm -rf $(BIN)
