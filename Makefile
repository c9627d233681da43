# Castor for Linux. `make help` lists what there is to make; each target installs the packages that it needs.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := all
# What is missing is installed before anything is built.
.NOTPARALLEL:

PREFIX ?= /usr/local
DESTDIR ?=
SWIFT ?= swift

# Guests, samples, logs of test runs: everything but Swift's own output.
BUILD := .build/artifacts
RELEASE := .build/release
CASTOR := $(RELEASE)/castor
SWIFT_SOURCES := Package.swift Sources Tests
# A run that hangs ends all the same.
TEST_LIMIT ?= 45m
SOAK_LIMIT ?= 24h

include Samples/build.mk
include Tests/Guests/build.mk
include Tests/Guests/atomics/build.mk
include Tests/Packages/build.mk
include Pass/build.mk
include Gate/build.mk

##: Building

.PHONY: all
all: deps-build build ## build castor (release) into .build/release

# The plugins by a make of their own: for which compilers there are headers is known once they have been installed.
.PHONY: build
build:
	$(SWIFT) build -c release
	@$(MAKE) --no-print-directory plugins gate $(RELEASE)/libcastor.so

# What programs built with `castor cc` are linked with: plain C, so that it needs nothing but libc.
$(RELEASE)/libcastor.so: Sources/CTSXShim/Dormant/dormant.c Sources/CTSXShim/Dormant/castor.h Sources/CTSXShim/include/castor_plane.h
	$(CC) -std=gnu2x -O2 -fPIC -shared -fvisibility=hidden -Wall -Wextra -ISources/CTSXShim/include -Wl,-soname,libcastor.so -o $@ $<

.PHONY: clean
clean: ## remove everything that was built
	rm -rf .build

.PHONY: deps deps-build deps-debug deps-test deps-bench deps-standby deps-packages
deps: ## install all missing Debian packages
	@.ci/deps build debug test bench standby packages
deps-build:
	@.ci/deps build
deps-debug:
	@.ci/deps build debug
deps-test:
	@.ci/deps build debug test
deps-bench:
	@.ci/deps build debug test bench
deps-standby:
	@.ci/deps build standby
deps-packages:
	@.ci/deps build packages

##: Running

.PHONY: demo
demo: deps-debug build samples ## record a crashing server, replay the crash under gdb
	CASTOR=$(CASTOR) SAMPLES=$(SAMPLES_BUILD) DEMO=$(BUILD)/demo Samples/demo.sh

.PHONY: demo-ft
demo-ft: deps-standby build samples ## kill a server with a hot standby under load (root)
	@CASTOR=$(CASTOR) SAMPLES=$(SAMPLES_BUILD) DEMO=$(BUILD)/demo-ft Samples/demo-ft.sh

.PHONY: test
test: deps-test build guests atomics samples ## run all tests
	@.ci/test test $(TEST_LIMIT) $(BUILD)/test.log $(SWIFT) test

.PHONY: soak
soak: deps-test build guests atomics samples packages ## run the long series in full (hours)
	@CASTOR_SOAK=1 .ci/test soak $(SOAK_LIMIT) $(BUILD)/soak.log $(SWIFT) test --filter "IntegrationTests|CastorStandbyTests"

.PHONY: packages
packages: deps-packages build $(PACKAGES) ## fetch well-known servers and tools from Debian, build them with castor

.PHONY: bench
bench: deps-bench build guests atomics samples ## measure the overhead and draw the plots
	Benchmarks/run.sh

##: Installing

# What is installed is written down in lib/castor/installed, for `make uninstall`.
SHARE_FILES = share/bash-completion/completions/castor share/zsh/site-functions/_castor \
	share/fish/vendor_completions.d/castor.fish
TARGET = $(DESTDIR)$(PREFIX)

.PHONY: install
install: ## install into PREFIX (/usr/local), below DESTDIR; build first
	@test -x $(CASTOR) || { echo "castor is not built; run 'make' first" >&2; exit 1; }
	install -d $(TARGET)/bin $(TARGET)/include $(TARGET)/lib/castor $(TARGET)/share/man/man1 $(addprefix $(TARGET)/,$(dir $(SHARE_FILES)))
	install -m 755 $(CASTOR) $(TARGET)/bin/castor
	install -m 755 $(RELEASE)/castor-agent $(RELEASE)/libCastorRuntime.so $(RELEASE)/libcastor.so $(PLUGINS) \
		$(TARGET)/lib/castor/
	install -m 644 $(GATE) $(TARGET)/lib/castor/
	install -m 644 Sources/CTSXShim/Dormant/castor.h $(TARGET)/include/castor.h
	strip --strip-debug $(TARGET)/bin/castor $(TARGET)/lib/castor/castor-agent $(TARGET)/lib/castor/libCastorRuntime.so
	$(CASTOR) man-pages $(TARGET)/share/man/man1
	$(CASTOR) completion bash > $(TARGET)/share/bash-completion/completions/castor
	$(CASTOR) completion zsh > $(TARGET)/share/zsh/site-functions/_castor
	$(CASTOR) completion fish > $(TARGET)/share/fish/vendor_completions.d/castor.fish
	@rm -rf $(BUILD)/man && mkdir -p $(BUILD)/man && $(CASTOR) man-pages $(BUILD)/man
	@{ printf '%s\n' bin/castor include/castor.h lib/castor/castor-agent lib/castor/libCastorRuntime.so lib/castor/libcastor.so \
	$(SHARE_FILES) $(addprefix lib/castor/,$(notdir $(PLUGINS) $(GATE))); \
	ls $(BUILD)/man | sed 's|^|share/man/man1/|'; } > $(TARGET)/lib/castor/installed

.PHONY: uninstall
uninstall: ## remove what `make install` with the same PREFIX and DESTDIR put there
	@test -f $(TARGET)/lib/castor/installed || { echo "castor is not installed in $(TARGET)" >&2; exit 1; }
	cd $(TARGET) && xargs rm -f < lib/castor/installed
	rm -f $(TARGET)/lib/castor/installed
	rmdir $(TARGET)/lib/castor

##: Working on castor

.PHONY: format
format: ## format the Swift sources in place
	$(SWIFT) format format --in-place --parallel --recursive $(SWIFT_SOURCES)

.PHONY: lint
lint: ## check the Swift sources' format
	$(SWIFT) format lint --strict --parallel --recursive $(SWIFT_SOURCES)

.PHONY: coverage-doc
coverage-doc: build ## write docs/COVERAGE.md from the table of system calls
	$(CASTOR) syscalls --markdown > docs/COVERAGE.md.new
	mv docs/COVERAGE.md.new docs/COVERAGE.md

.PHONY: help
help: ## show this list
	@awk '/^##: / { printf "\n%s\n", substr($$0, 5) } \
	/^[a-z-]+:.*## / { text = $$0; sub(/.*## /, "", text); sub(/:.*/, ""); printf "  make %-14s %s\n", $$0, text }' \
	$(firstword $(MAKEFILE_LIST))
