# Sample programs, built into $(BUILD)/samples. The including Makefile sets BUILD and CC; SAMPLES_DIR need be set only
# where make does not run at the top of the repository.
SAMPLES_DIR ?= Samples
SAMPLES_BUILD := $(BUILD)/samples

# -O1 without inlining and with frame pointers: the crash's backtrace is to show every function by name.
# -fno-optimize-sibling-calls keeps the callers in it.
SAMPLES_CFLAGS ?= -std=c11 -D_GNU_SOURCE -Wall -Wextra -O1 -g -fno-omit-frame-pointer -fno-inline \
	-fno-optimize-sibling-calls -pthread

KVSERVER_SOURCES := $(wildcard $(SAMPLES_DIR)/kvserver/*.c)
KVSERVER_HEADERS := $(wildcard $(SAMPLES_DIR)/kvserver/*.h)

# Every C file is a kernel of its own: they are for measuring, so they are optimised.
KERNELS_CFLAGS ?= -std=c11 -D_GNU_SOURCE -Wall -Wextra -O2 -g -pthread
KERNELS := $(patsubst $(SAMPLES_DIR)/%.c,$(SAMPLES_BUILD)/%,$(wildcard $(SAMPLES_DIR)/kernels/*.c))

.PHONY: samples
samples: $(SAMPLES_BUILD)/kvserver $(SAMPLES_BUILD)/kvload $(KERNELS)

$(SAMPLES_BUILD)/kvserver: $(KVSERVER_SOURCES) $(KVSERVER_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(SAMPLES_CFLAGS) -o $@ $(KVSERVER_SOURCES)

$(SAMPLES_BUILD)/kvload: $(SAMPLES_DIR)/kvload/kvload.c
	@mkdir -p $(@D)
	$(CC) $(SAMPLES_CFLAGS) -o $@ $<

$(SAMPLES_BUILD)/kernels/%: $(SAMPLES_DIR)/kernels/%.c $(SAMPLES_DIR)/kernels/kernel.h
	@mkdir -p $(@D)
	$(CC) $(KERNELS_CFLAGS) -o $@ $<
