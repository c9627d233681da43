# Guests of the compiler plane: every C or C++ file here is a program, built by castor's own compiler command into
# $(BUILD)/atomics/COMPILER-OPTIMISATION; one in Swift and one in Rust are built by their stock compilers, Rust's if it is
# there. The including Makefile sets BUILD and CASTOR. A line "// link: -lfoo" in a source names further libraries.
GUESTS_DIR ?= Tests/Guests
ATOMICS_DIR := $(GUESTS_DIR)/atomics
ATOMICS_BUILD := $(BUILD)/atomics
ATOMICS_HEADERS := $(wildcard $(ATOMICS_DIR)/*.h $(GUESTS_DIR)/*.h)
# What a plugin makes of a program changes with the plugin.
ATOMICS_PLUGINS := $(wildcard $(dir $(CASTOR))castor-pass-*.so)
ATOMICS_NAMES := $(basename $(notdir $(wildcard $(ATOMICS_DIR)/*.c $(ATOMICS_DIR)/*.cpp)))
ATOMICS_VARIANTS := clang-O0 clang-O2 gcc-O2
# To build without castor: make atomics ATOMICS_CC_clang=clang-16 ATOMICS_CC_gcc=gcc …
ATOMICS_CC_clang ?= $(CASTOR) cc --castor-compiler=clang
ATOMICS_CXX_clang ?= $(CASTOR) c++ --castor-compiler=clang
ATOMICS_CC_gcc ?= $(CASTOR) cc --castor-compiler=gcc
ATOMICS_CXX_gcc ?= $(CASTOR) c++ --castor-compiler=gcc
ATOMICS_FLAGS_swift ?= $(shell $(CASTOR) flags swift)
ATOMICS_FLAGS_rust ?= $(shell $(CASTOR) flags rust)
ATOMICS_FLAGS ?= -D_GNU_SOURCE -Wall -Wextra -g -mcx16 -pthread
ATOMICS_LINK = $$(sed -n 's|^// link: ||p' $<)

ATOMICS := $(addprefix $(ATOMICS_BUILD)/loops/,$(basename $(notdir $(wildcard $(ATOMICS_DIR)/loops/*.c)))) \
	$(foreach variant,$(ATOMICS_VARIANTS),$(addprefix $(ATOMICS_BUILD)/$(variant)/,$(ATOMICS_NAMES))) \
	$(ATOMICS_BUILD)/swift/atomics $(if $(shell command -v rustc),$(ATOMICS_BUILD)/rust/atomics)

# Guests that race in plain memory, built with -fcastor-order=shared into $(BUILD)/atomics/shared/COMPILER-OPTIMISATION.
ATOMICS_SHARED_NAMES := $(basename $(notdir $(wildcard $(ATOMICS_DIR)/shared/*.c $(ATOMICS_DIR)/shared/*.cpp)))
ATOMICS_SHARED_HEADERS := $(ATOMICS_HEADERS) $(wildcard $(ATOMICS_DIR)/shared/*.h)
ATOMICS += $(foreach variant,$(ATOMICS_VARIANTS),$(addprefix $(ATOMICS_BUILD)/shared/$(variant)/,$(ATOMICS_SHARED_NAMES)))
.PHONY: atomics
atomics: $(ATOMICS)

# $(1): compiler, $(2): optimisation
define ATOMICS_VARIANT
$(ATOMICS_BUILD)/$(1)-$(2)/%: $(ATOMICS_DIR)/%.c $(ATOMICS_HEADERS) $(ATOMICS_PLUGINS)
	@mkdir -p $$(@D)
	$$(ATOMICS_CC_$(1)) -std=c11 $$(ATOMICS_FLAGS) -$(2) -o $$@ $$< $$(ATOMICS_LINK)

$(ATOMICS_BUILD)/$(1)-$(2)/%: $(ATOMICS_DIR)/%.cpp $(ATOMICS_HEADERS) $(ATOMICS_PLUGINS)
	@mkdir -p $$(@D)
	$$(ATOMICS_CXX_$(1)) -std=c++20 $$(ATOMICS_FLAGS) -$(2) -o $$@ $$< $$(ATOMICS_LINK)

$(ATOMICS_BUILD)/shared/$(1)-$(2)/%: $(ATOMICS_DIR)/shared/%.c $(ATOMICS_SHARED_HEADERS) $(ATOMICS_PLUGINS)
	@mkdir -p $$(@D)
	$$(ATOMICS_CC_$(1)) -fcastor-order=shared -std=gnu11 $$(ATOMICS_FLAGS) -Wno-psabi -$(2) -o $$@ $$<

$(ATOMICS_BUILD)/shared/$(1)-$(2)/%: $(ATOMICS_DIR)/shared/%.cpp $(ATOMICS_SHARED_HEADERS) $(ATOMICS_PLUGINS)
	@mkdir -p $$(@D)
	$$(ATOMICS_CXX_$(1)) -fcastor-order=shared -std=c++20 $$(ATOMICS_FLAGS) -$(2) -o $$@ $$<
endef
$(foreach variant,$(ATOMICS_VARIANTS),$(eval $(call \
	ATOMICS_VARIANT,$(word 1,$(subst -, ,$(variant))),$(word 2,$(subst -, ,$(variant))))))

$(ATOMICS_BUILD)/loops/%: $(ATOMICS_DIR)/loops/%.c $(ATOMICS_HEADERS) $(ATOMICS_PLUGINS)
	@mkdir -p $(@D)
	$(ATOMICS_CC_clang) -std=c11 $(ATOMICS_FLAGS) -O2 -o $@ $<

# For Benchmarks: a program that computes and a server, each built without castor (plain), by `castor cc`, and by that with
# -fcastor-order=shared.
ATOMICS_CC_plain ?= $(firstword $(foreach name,clang-16 clang-19 clang-14 gcc-12,$(shell command -v $(name))))
ATOMICS_CC_castor ?= $(CASTOR) cc
ATOMICS_CC_shared ?= $(CASTOR) cc -fcastor-order=shared
ATOMICS_KVSERVER := $(wildcard $(GUESTS_DIR)/../../Samples/kvserver/*.c)
ATOMICS += $(foreach way,plain castor shared,$(addprefix $(ATOMICS_BUILD)/order/$(way)/,kernel kvserver))
atomics: $(ATOMICS)

# $(1): plain, castor or shared
define ATOMICS_ORDER
$(ATOMICS_BUILD)/order/$(1)/kernel: $(ATOMICS_DIR)/loops/kernel.c $(ATOMICS_HEADERS) $(ATOMICS_PLUGINS)
	@mkdir -p $$(@D)
	$$(ATOMICS_CC_$(1)) -std=c11 $$(ATOMICS_FLAGS) -O2 -o $$@ $$<

$(ATOMICS_BUILD)/order/$(1)/kvserver: $(ATOMICS_KVSERVER) $(ATOMICS_PLUGINS)
	@mkdir -p $$(@D)
	$$(ATOMICS_CC_$(1)) -std=c11 $$(ATOMICS_FLAGS) -O2 -o $$@ $(ATOMICS_KVSERVER)
endef
$(foreach way,plain castor shared,$(eval $(call ATOMICS_ORDER,$(way))))

$(ATOMICS_BUILD)/swift/atomics: $(ATOMICS_DIR)/swift/atomics.swift
	@mkdir -p $(@D)
	swiftc -O -swift-version 6 $(ATOMICS_FLAGS_swift) -o $@ $<

$(ATOMICS_BUILD)/rust/atomics: $(ATOMICS_DIR)/rust/atomics.rs
	@mkdir -p $(@D)
	rustc --edition 2021 -O $(ATOMICS_FLAGS_rust) -o $@ $<
