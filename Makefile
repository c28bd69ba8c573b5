# make run     build pinlab and replay the embedded corpus
# make test    everything CI checks
# make lint    vet, staticcheck, gofumpt and the import arrows
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

.PHONY: build run test unit race lint fmt bench fuzz goldens clean

build:
	$(GO) build -o $(BIN)/pinlab ./cmd/pinlab

run: build
	$(BIN)/pinlab run

test: lint build unit race fuzz
	$(BIN)/pinlab run >/dev/null

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
	$(GO) test ./hwprofiles ./scenarios ./scenarios/report ./sim ./sim/invariant ./sim/explain -update

clean:
	rm -rf $(BIN)
