# make run     build pinlab and replay the embedded corpus
# make test    everything CI checks
# make lint    vet, staticcheck, gofumpt and the import arrows
# make e2e     a set of scenarios on a real kubelet in the lab, compared with the simulator
# make e2e-lab all scenarios on machines of four shapes, some with cgroup v1, and those that only the lab can do
# make e2e-kind scenarios on a kind cluster of this machine, and on one in the lab
# make agree   'pinlab bench' against 'go test -bench', as a ratio; real slowdowns found
# make boots   a machine of the lab booted 20 times, counted
# make bench   the speed claims, each as a ratio in one run
# make fuzz    every fuzz target for FUZZTIME; fuzz-quick without those that import the kubelet
# make goldens write the golden files anew

GO        ?= go
BIN       := bin
# Inputs, not seconds: at the end of a time the go command now and then fails a
# target with "context deadline exceeded" that found nothing.
FUZZTIME  ?= 4000x
RACEFLAGS ?= -race

STATICCHECK_VERSION := v0.8.2
GOFUMPT_VERSION     := v0.12.0
STATICCHECK := $(BIN)/staticcheck-$(STATICCHECK_VERSION)
GOFUMPT     := $(BIN)/gofumpt-$(GOFUMPT_VERSION)

.PHONY: build run test unit race lint fmt bench fuzz fuzz-quick goldens clean e2e e2e-lab e2e-kind lab-deps tui-deps boots agree screenshots

build:
	$(GO) build -o $(BIN)/pinlab ./cmd/pinlab

run: build
	$(BIN)/pinlab run

test: lint build tui-deps unit race fuzz-quick agree e2e
	$(BIN)/pinlab run >/dev/null

# What the lab needs is installed where that is possible. Where it is not, the
# scenarios are not run and that is said; with REQUIRE_LAB=1 it is a failure.
REQUIRE_LAB   ?= 0
LAB_PROFILE   ?= generic-2s4c-smt2
# What the outage was made of, then what a node does all day.
LAB_OUTAGE    ?= outage-as-found remedy-drain-first unable-to-freeze unable-to-freeze-heals init-without-resources init-same checkpoint-truncated restart-policy-none-to-static
LAB_SCENARIOS ?= first-pin two-numa-nodes shared-pool container-restart-keeps-cpus cpu-offlined-live
# Faults that only a kernel of its own has; the scenarios' own verdicts count.
LAB_FAULTS    ?= inotify-instances
# One node without SMT; two and four nodes with it; L3 groups inside a node
# beside a node without CPUs.
LAB_SHAPES    ?= generic-1s4c generic-2s4c-smt2 "sockets=4 cores=2 threads=2 memory=8GiB" "sockets=1 nodes=2 cores=8 threads=2 l3=4 node-cores=8,0 memory=8GiB"

HAVE_LAB = command -v qemu-system-x86_64 >/dev/null && command -v qemu-img >/dev/null

lab-deps:
	@{ $(HAVE_LAB) && apt-cache show runc >/dev/null 2>&1; } || \
		{ [ "$$(id -u)" = 0 ] && apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends qemu-system-x86 qemu-utils e2fsprogs >/dev/null; } || true

e2e: build lab-deps
	@if $(HAVE_LAB); then \
		$(BIN)/pinlab fidelity --profile $(LAB_PROFILE) $(LAB_OUTAGE) $(LAB_SCENARIOS) && \
		$(BIN)/pinlab run --target lab --profile $(LAB_PROFILE) $(LAB_FAULTS) && \
		PINLAB_BIN=$(CURDIR)/$(BIN)/pinlab $(GO) test -run 'Killed|RealNode' -v ./e2e/lab; \
	else \
		echo "======================================================================"; \
		echo "NOT RUN: the scenarios on a real kubelet ($(LAB_OUTAGE) $(LAB_SCENARIOS) $(LAB_FAULTS))"; \
		echo "because QEMU is not installed and could not be: apt-get install qemu-system-x86 qemu-utils"; \
		echo "======================================================================"; \
		[ "$(REQUIRE_LAB)" != 1 ]; \
	fi

e2e-lab: build lab-deps
	for shape in $(LAB_SHAPES); do $(BIN)/pinlab fidelity --profile "$$shape" || exit; done
	$(BIN)/pinlab fidelity --profile $(LAB_PROFILE) --cgroup v1 $(LAB_OUTAGE) $(LAB_SCENARIOS)
	$(BIN)/pinlab run --target lab --profile $(LAB_PROFILE) -l target=lab

# On this machine where it has a container engine, and on emulated ones, whose
# image is built first. KIND_IN_LAB=0 leaves the second out, KIND_NATIVE=0 the
# first. KIND_SELECTOR= (empty) is all scenarios, which takes hours when emulated.
KIND_NATIVE   ?= 1
KIND_IN_LAB   ?= 1
KIND_PROFILES ?= generic-1s4c generic-2s4c-smt2
KIND_SELECTOR ?= portable

e2e-kind: build lab-deps
	@if [ "$(KIND_NATIVE)" = 1 ]; then \
		if docker version >/dev/null 2>&1 || podman version >/dev/null 2>&1 || nerdctl version >/dev/null 2>&1; then \
			$(BIN)/pinlab fidelity --targets sim,kind -l "$(KIND_SELECTOR)"; \
		else echo "NOT RUN: kind on this machine, which has no container engine"; fi; \
	fi
	@if [ "$(KIND_IN_LAB)" = 1 ]; then \
		for profile in $(KIND_PROFILES); do \
			$(BIN)/pinlab fidelity --targets sim,kind --in-lab --profile "$$profile" -l "$(KIND_SELECTOR)" || exit; \
		done; \
	fi

# Boots one machine after the other and counts.
BOOTS ?= 20
boots: build lab-deps
	$(BIN)/pinlab lab boots --profile $(LAB_PROFILE) --times $(BOOTS)

# The pictures in docs/, those of the explorer from real sessions in tmux.
screenshots: build tui-deps
	docs/img/make.sh

# The explorer is tried in tmux, too. Where that cannot be installed the test says
# so and is left out; with REQUIRE_TMUX=1 it fails.
tui-deps:
	@command -v tmux >/dev/null || \
		{ [ "$$(id -u)" = 0 ] && apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends tmux >/dev/null; } || \
		echo "NOT RUN: the explorer in a real terminal, because tmux is not installed and could not be: apt-get install tmux"

unit:
	$(GO) test ./...

# The race detector needs the kubelet's packages compiled a second time, so it
# runs over the packages in which anything is concurrent.
race:
	$(GO) test $(RACEFLAGS) -short ./sim/... ./scenarios/...

# Alone on the machine: it compares times.
agree:
	PINLAB_MEASURE=1 $(GO) test -run 'Agrees|Detects|ReportsFalse' -v ./bench

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
	$(GO) test -run '^$$' -bench . -benchmem ./sim/... ./scenarios/... ./hwprofiles/... ./bench/... ./tui/...

# Instrumenting the kubelet for the fuzzer takes longer than all other tests, so
# 'make test' fuzzes the packages that do not import it; the corpora of all fuzz
# targets run there as plain tests.
FUZZ_ALL   = $(sort $(dir $(shell grep -rl '^func Fuzz' --include=*_test.go .)))
FUZZ_QUICK = $(shell for p in $(FUZZ_ALL); do $(GO) list -deps -test $$p | grep -q '^k8s.io/kubernetes/' || echo $$p; done)

define fuzz_each
@set -e; for dir in $(1); do \
	for target in $$(grep -ho '^func Fuzz[A-Za-z0-9_]*' $$dir*_test.go | cut -d' ' -f2); do \
		echo "fuzz $$dir $$target"; \
		$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$dir; \
	done; \
done
endef

fuzz:
	$(call fuzz_each,$(FUZZ_ALL))

fuzz-quick:
	$(call fuzz_each,$(FUZZ_QUICK))

goldens:
	$(GO) test ./hwprofiles ./scenarios ./scenarios/report ./bench/report ./sim ./sim/invariant ./sim/explain ./e2e/fidelity ./e2e/lab/machine ./tui -update

clean:
	rm -rf $(BIN)
