# The egress gate, a BPF program that the agent loads at run time. The including Makefile sets RELEASE; GATE_DIR need be set only
# where make does not run at the top of the repository.
GATE_DIR ?= Gate
GATE_CLANG ?= clang-16
GATE := $(RELEASE)/castor-gate.bpf.o
# The kernel's headers of this machine: clang looks for them elsewhere when it compiles for BPF.
GATE_HEADERS := /usr/include/$(shell $(CC) -print-multiarch)

.PHONY: gate
gate: $(GATE)

$(GATE): $(GATE_DIR)/gate.bpf.c $(GATE_DIR)/gate.h | $(RELEASE)
	$(GATE_CLANG) -target bpf -mcpu=v3 -std=gnu2x -ffreestanding -O2 -g -Wall -Wextra -Werror -idirafter $(GATE_HEADERS) -c -o $@ $<
