/// BPF programs (libbpf), the memory that the egress gate shares with its owner, and packet sockets with filters.
#pragma once
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "../../Gate/gate.h"

static inline uint32_t castor_gate_load(const uint32_t *p) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }
static inline uint64_t castor_gate_load_long(const uint64_t *p) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }
/// A full barrier, too: what is loaded afterwards was not loaded before.
static inline void castor_gate_store(uint32_t *p, uint32_t value) { __atomic_store_n(p, value, __ATOMIC_SEQ_CST); }
static inline void castor_gate_store_long(uint64_t *p, uint64_t value) { __atomic_store_n(p, value, __ATOMIC_SEQ_CST); }
static inline void castor_gate_set(uint32_t *p, uint32_t bits) { __atomic_fetch_or(p, bits, __ATOMIC_SEQ_CST); }
