// The egress gate: a classifier on a network interface that lets out of a shared address only what the survivor of a
// failure would know. It enforces, without any process, what docs/FT-PROTOCOL.md (TCP) says. A second one, for what comes
// in, holds up nothing: it notes what only clients' SYNs say.
//
// A packet that is held back is "stolen", not "shot": a local drop would make TCP shrink its congestion window.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "gate.h"

#define TCPOPT_EOL 0
#define TCPOPT_NOP 1
#define TCPOPT_MSS 2
#define TCPOPT_WINDOW 3

/// To the next classifier, or out.
#define PASS TC_ACT_UNSPEC
#define HOLD TC_ACT_STOLEN

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, uint32_t);
    __type(value, castor_gate_control);
} gate_control SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, CASTOR_GATE_FLOWS);
    __type(key, uint32_t);
    __type(value, castor_gate_flow);
} gate_flows SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, CASTOR_GATE_FLOWS);
    __type(key, castor_gate_key);
    __type(value, uint32_t);
} gate_slots SEC(".maps");

/// Connections whose first bytes came, and were not acknowledged, before the program accepted them. Their `edge` is the
/// window as it stood in the header.
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, CASTOR_GATE_FLOWS);
    __type(key, castor_gate_key);
    __type(value, castor_gate_track);
} gate_early SEC(".maps");

/// Connections that clients open: here from the SYN until the program has accepted them.
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, CASTOR_GATE_FLOWS);
    __type(key, castor_gate_key);
    __type(value, castor_gate_opening);
} gate_openings SEC(".maps");

/// The kernel's answers to SYNs, held back: castor_gate_answer each.
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 1 << 18);
} gate_answers SEC(".maps");

/// When a connection was last accepted, in seconds, by local port in network byte order.
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 1024);
    __type(key, uint16_t);
    __type(value, uint32_t);
} gate_ports SEC(".maps");

/// What clients sent last, where it is collected.
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, CASTOR_GATE_FRAMES);
    __type(key, castor_gate_key);
    __type(value, castor_gate_frame);
} gate_frames SEC(".maps");

/// Too large for a program's stack.
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, uint32_t);
    __type(value, castor_gate_frame);
} gate_room SEC(".maps");

/// An ARP packet as far as to the address that it tells (RFC 826).
struct arp {
    uint16_t hardware, protocol;
    uint8_t hardware_length, protocol_length;
    uint16_t operation;
    uint8_t sender_hardware[6], sender[4];
};

/// A TCP header, and the options if they are what all stacks send on a connection with timestamps: NOP, NOP,
/// timestamps.
struct segment {
    struct tcphdr tcp;
    uint32_t option, timestamp, echo;
};

struct parsed {
    uint32_t header;  // offset of the TCP header
    uint32_t payload; // bytes
    struct segment segment;
};

static const uint32_t timestamps_option = 0x0101080a;

static __always_inline bool after(uint32_t a, uint32_t b) { return (int32_t)(a - b) > 0; }

static __always_inline uint32_t read_once(const uint32_t *p) { return *(const volatile uint32_t *)p; }

/// CLOCK_BOOTTIME.
static __always_inline uint32_t seconds(void) { return bpf_ktime_get_boot_ns() / 1000000000; }

static __always_inline bool parse(struct __sk_buff *skb, const struct iphdr *ip, struct parsed *p) {
    if (ip->frag_off & bpf_htons(0x3fff)) return false;
    p->header = ETH_HLEN + ip->ihl * 4;
    if (bpf_skb_load_bytes(skb, p->header, &p->segment, sizeof p->segment.tcp)) return false;
    uint32_t end = p->header + p->segment.tcp.doff * 4;
    if (p->segment.tcp.doff < 5 || end > skb->len) return false;
    // The IP header's length is no help: it is 0 in the largest of segments that the card is to cut.
    p->payload = skb->len - end;
    p->segment.option = 0;
    if (p->segment.tcp.doff >= 8)
        bpf_skb_load_bytes(skb, p->header + sizeof(struct tcphdr), &p->segment.option, 3 * sizeof(uint32_t));
    return true;
}

static __always_inline void follow(castor_gate_track *track, const struct parsed *p, uint32_t scale) {
    const struct tcphdr *tcp = &p->segment.tcp;
    uint32_t end = bpf_ntohl(tcp->seq) + p->payload + tcp->fin;
    if (after(end, track->sent)) track->sent = end;
    if (p->segment.option == bpf_htonl(timestamps_option)) {
        track->timestamp = bpf_ntohl(p->segment.timestamp);
        track->echo = bpf_ntohl(p->segment.echo);
    }
    uint32_t wanted = bpf_ntohl(tcp->ack_seq), edge = wanted + ((uint32_t)bpf_ntohs(tcp->window) << (scale & 15));
    if (after(edge, track->edge)) track->edge = edge;
    if (after(wanted, track->wanted)) track->wanted = wanted;
    track->segments++;
}

static __always_inline void tell(castor_gate_track *track, uint32_t acknowledged) {
    if (after(acknowledged, track->told)) track->told = acknowledged;
}

/// Writes another acknowledgement number into the segment; the window's right edge stays, or goes left by less than one
/// unit: more than TCP offered would not be received.
static __always_inline int lower(struct __sk_buff *skb, const struct parsed *p, uint32_t acknowledged, uint32_t scale) {
    const uint32_t place = p->header + offsetof(struct tcphdr, ack_seq);
    struct {
        uint32_t acknowledged;
        uint16_t flags, window;
    } old, new;
    if (bpf_skb_load_bytes(skb, place, &old, sizeof old)) return HOLD;
    uint32_t edge = bpf_ntohl(old.acknowledged) + ((uint32_t)bpf_ntohs(old.window) << (scale & 15));
    uint32_t window = (edge - acknowledged) >> (scale & 15);
    new.acknowledged = bpf_htonl(acknowledged);
    new.flags = old.flags;
    new.window = bpf_htons(window > 0xffff ? 0xffff : window);
    int64_t difference = bpf_csum_diff((void *)&old, sizeof old, (void *)&new, sizeof new, 0);
    if (bpf_l4_csum_replace(skb, p->header + offsetof(struct tcphdr, check), 0, difference, 0)) return HOLD;
    return bpf_skb_store_bytes(skb, place, &new, sizeof new, 0) ? HOLD : PASS;
}

/// The kernel accepts a connection. That the client may know once standbys do: the kernel's next answer, which comes
/// after a second, passes then, too.
static __always_inline int answer(struct __sk_buff *skb, const castor_gate_key *key, const struct parsed *p) {
    const uint32_t received = bpf_ntohl(p->segment.tcp.ack_seq), sent = bpf_ntohl(p->segment.tcp.seq) + 1;
    castor_gate_opening *opening = bpf_map_lookup_elem(&gate_openings, key);
    const bool is_it = opening && opening->received == received;
    if (is_it && opening->sent == sent && *(volatile uint8_t *)&opening->state == CASTOR_GATE_KNOWN) return PASS;
    const uint32_t now = seconds();
    bpf_map_update_elem(&gate_ports, &key->local_port, &now, BPF_ANY);
    const uint32_t length = skb->len - ETH_HLEN;
    castor_gate_answer *answer = bpf_ringbuf_reserve(&gate_answers, sizeof *answer, 0);
    // The owner is behind: the next answer may have more luck.
    if (!answer) return HOLD;
    if (length == 0 || length > sizeof answer->packet || bpf_skb_load_bytes(skb, ETH_HLEN, answer->packet, length)) {
        bpf_ringbuf_discard(answer, 0);
        return HOLD;
    }
    answer->key = *key;
    answer->opening.received = received;
    answer->opening.sent = sent;
    answer->opening.segment = is_it ? opening->segment : CASTOR_GATE_SEGMENT;
    answer->opening.scale = is_it ? opening->scale : CASTOR_GATE_UNSCALED;
    answer->opening.state = CASTOR_GATE_NEW;
    answer->length = length;
    bpf_ringbuf_submit(answer, 0);
    return HOLD;
}

/// The kernel begins a connection: what the gate was told of an earlier one, between the same ports, is not true of it.
static __always_inline void supersede(const castor_gate_key *key, const struct parsed *p) {
    const uint32_t *slot = bpf_map_lookup_elem(&gate_slots, key);
    const castor_gate_flow *flow = slot ? bpf_map_lookup_elem(&gate_flows, slot) : NULL;
    // Said again on another processor while the program accepts, it is of the very connection that is there.
    if (flow && flow->first != bpf_ntohl(p->segment.tcp.seq) + 1) bpf_map_delete_elem(&gate_slots, key);
}

/// Whether the segment says of a connection that it is not there, which the program is still to accept.
static __always_inline bool is_awaited(const castor_gate_key *key, const struct parsed *p) {
    const castor_gate_opening *opening = bpf_map_lookup_elem(&gate_openings, key);
    return opening && opening->state == CASTOR_GATE_AWAITED && opening->sent == bpf_ntohl(p->segment.tcp.seq);
}

/// The answer to a SYN at a port where nobody listens: true, unless the program has just died.
static __always_inline int refusal(const castor_gate_key *key) {
    const uint32_t *last = bpf_map_lookup_elem(&gate_ports, &key->local_port);
    return last && seconds() - *last < CASTOR_GATE_LISTENS ? HOLD : PASS;
}

/// A segment of a connection that was not added, or not yet.
static __always_inline int stranger(castor_gate_control *control, const castor_gate_key *key, const struct parsed *p) {
    const struct tcphdr *tcp = &p->segment.tcp;
    // The answer to a segment of a connection that there is not; the end of one that there is acknowledges.
    if (tcp->rst && !tcp->ack && seconds() < read_once(&control->answers_until)) return PASS;
    __sync_fetch_and_add(&control->unknown, 1);
    if (!tcp->fin && !tcp->rst && tcp->ack) {
        castor_gate_track track = {.sent = bpf_ntohl(tcp->seq), .wanted = bpf_ntohl(tcp->ack_seq)};
        follow(&track, p, 0);
        // The scale is not known here.
        track.edge = bpf_ntohs(tcp->window);
        bpf_map_update_elem(&gate_early, key, &track, BPF_ANY);
    }
    return HOLD;
}

static __always_inline int guard(struct __sk_buff *skb, castor_gate_flow *flow, const struct parsed *p) {
    const struct tcphdr *tcp = &p->segment.tcp;
    const uint32_t flags = read_once(&flow->flags);
    // A program that dies has its kernel reset what it had not read, also where it had ended its own direction.
    if ((tcp->fin && !(flags & CASTOR_GATE_MAY_END)) || (tcp->rst && !(flags & CASTOR_GATE_MAY_RESET))) {
        __sync_fetch_and_add(&flow->ends, 1);
        return HOLD;
    }
    if (!tcp->ack || flags & CASTOR_GATE_OVER) return PASS;
    follow(&flow->track, p, flow->scale);
    const uint32_t wanted = bpf_ntohl(tcp->ack_seq);
    uint32_t acknowledged = read_once(&flow->acknowledged);
    if (after(wanted, acknowledged)) {
        // Looked at once more after a barrier: either this sees what the owner has written since, or the owner sees
        // `wanted`, and that an acknowledgement is due.
        __sync_fetch_and_add(&flow->held, 1);
        acknowledged = read_once(&flow->acknowledged);
    }
    if (!after(wanted, acknowledged)) {
        tell(&flow->track, wanted);
        return PASS;
    }
    if (p->payload == 0 && !tcp->fin && !tcp->rst) {
        __sync_fetch_and_add(&flow->dropped, 1);
        return HOLD;
    }
    tell(&flow->track, acknowledged);
    return lower(skb, p, acknowledged, flow->scale);
}

static __always_inline int segment(struct __sk_buff *skb, castor_gate_control *control, const struct iphdr *ip) {
    const bool is_guarding = read_once(&control->mode) != CASTOR_GATE_PASS, is_blocking = read_once(&control->block_ends) != 0;
    struct parsed p;
    if (!parse(skb, ip, &p)) {
        if (!is_guarding && !is_blocking) return PASS;
        __sync_fetch_and_add(&control->malformed, 1);
        return HOLD;
    }
    const struct tcphdr *tcp = &p.segment.tcp;
    if (is_blocking && (tcp->fin || tcp->rst)) {
        __sync_fetch_and_add(&control->ends, 1);
        return HOLD;
    }
    const castor_gate_key key = {ip->daddr, tcp->dest, tcp->source};
    if (tcp->syn) {
        if (tcp->ack) supersede(&key, &p);
        return is_guarding && tcp->ack ? answer(skb, &key, &p) : PASS;
    }
    if (is_guarding && tcp->rst && tcp->ack && tcp->seq == 0) return refusal(&key);
    if (tcp->rst && !tcp->ack && is_awaited(&key, &p)) return HOLD;
    uint32_t *slot = bpf_map_lookup_elem(&gate_slots, &key);
    castor_gate_flow *flow = slot ? bpf_map_lookup_elem(&gate_flows, slot) : NULL;
    if (is_guarding) return flow ? guard(skb, flow, &p) : stranger(control, &key, &p);
    if (flow && tcp->ack && !tcp->rst) {
        follow(&flow->track, &p, flow->scale);
        tell(&flow->track, bpf_ntohl(tcp->ack_seq));
    }
    return PASS;
}

SEC("tc")
int castor_gate(struct __sk_buff *skb) {
    const uint32_t zero = 0;
    castor_gate_control *control = bpf_map_lookup_elem(&gate_control, &zero);
    if (!control) return PASS;
    if (skb->mark == CASTOR_GATE_COMES_IN) {
        skb->mark = 0;
        return bpf_redirect(skb->ifindex, BPF_F_INGRESS);
    }
    struct iphdr ip;
    if (skb->protocol == bpf_htons(ETH_P_IP)) {
        if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof ip) || ip.saddr != control->address) return PASS;
    } else if (skb->protocol == bpf_htons(ETH_P_ARP)) {
        uint32_t sender;
        if (bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct arp, sender), &sender, 4) || sender != control->address) return PASS;
    } else {
        return PASS;
    }
    __sync_fetch_and_add(&control->packets, 1);
    const uint64_t open_until = *(volatile uint64_t *)&control->open_until;
    if (open_until != CASTOR_GATE_FOREVER && bpf_ktime_get_boot_ns() >= open_until) {
        __sync_fetch_and_add(&control->late, 1);
        return HOLD;
    }
    return skb->protocol == bpf_htons(ETH_P_IP) && ip.protocol == IPPROTO_TCP ? segment(skb, control, &ip) : PASS;
}

/// What the options of a SYN say (RFC 9293 section 3.1).
static __always_inline void read_options(struct __sk_buff *skb, const struct parsed *p, castor_gate_opening *opening) {
    const uint32_t end = p->header + p->segment.tcp.doff * 4;
    uint32_t place = p->header + sizeof(struct tcphdr);
    for (int i = 0; i < 40; i++) {
        uint8_t kind, length, value[2];
        if (place >= end || bpf_skb_load_bytes(skb, place, &kind, 1) || kind == TCPOPT_EOL) return;
        if (kind == TCPOPT_NOP) {
            place++;
            continue;
        }
        if (place + 2 > end || bpf_skb_load_bytes(skb, place + 1, &length, 1) || length < 2 || place + length > end) return;
        if (kind == TCPOPT_MSS && length == 4 && !bpf_skb_load_bytes(skb, place + 2, value, 2))
            opening->segment = (uint16_t)(value[0] << 8 | value[1]);
        if (kind == TCPOPT_WINDOW && length == 3 && !bpf_skb_load_bytes(skb, place + 2, value, 1))
            opening->scale = value[0] > 14 ? 14 : value[0];
        place += length;
    }
}

/// Keeps the frame until its connection is here.
static __always_inline int collect(struct __sk_buff *skb, const castor_gate_key *key) {
    const uint32_t zero = 0, length = skb->len;
    castor_gate_frame *room = bpf_map_lookup_elem(&gate_room, &zero);
    if (!room || length < ETH_HLEN || length > sizeof room->bytes || bpf_skb_load_bytes(skb, 0, room->bytes, length)) return HOLD;
    room->length = length;
    bpf_map_update_elem(&gate_frames, key, room, BPF_ANY);
    return HOLD;
}

/// Sends copies of the frame to replicas: what has come in, and the program has not read yet, is lost with this machine.
static __always_inline void mirror(struct __sk_buff *skb, castor_gate_control *control) {
    struct ethernet {
        uint8_t to[ETH_ALEN], from[ETH_ALEN];
    } own, copy;
    if (bpf_skb_load_bytes(skb, 0, &own, sizeof own)) return;
    __builtin_memcpy(copy.from, own.to, ETH_ALEN);
    for (uint32_t i = 0; i < CASTOR_GATE_MIRRORS; i++) {
        if (i >= read_once(&control->mirrors)) break;
        __builtin_memcpy(copy.to, control->stations[i], ETH_ALEN);
        if (bpf_skb_store_bytes(skb, 0, &copy, sizeof copy, 0) || bpf_clone_redirect(skb, skb->ifindex, 0)) break;
        __sync_fetch_and_add(&control->mirrored, 1);
    }
    bpf_skb_store_bytes(skb, 0, &own, sizeof own, 0);
}

SEC("tc")
int castor_gate_in(struct __sk_buff *skb) {
    const uint32_t zero = 0;
    castor_gate_control *control = bpf_map_lookup_elem(&gate_control, &zero);
    struct iphdr ip;
    if (!control || skb->protocol != bpf_htons(ETH_P_IP)) return PASS;
    const uint32_t collects_until = read_once(&control->collects_until);
    const bool is_guarding = read_once(&control->mode) != CASTOR_GATE_PASS, is_collecting = collects_until != 0 && seconds() < collects_until;
    if (!is_guarding && !is_collecting) return PASS;
    if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof ip) || ip.daddr != control->address || ip.protocol != IPPROTO_TCP) return PASS;
    struct parsed p;
    if (!parse(skb, &ip, &p)) return PASS;
    const castor_gate_key key = {ip.saddr, p.segment.tcp.source, p.segment.tcp.dest};
    const bool is_opening = p.segment.tcp.syn && !p.segment.tcp.ack;
    if (is_opening || p.payload > 0) {
        if (is_collecting) return collect(skb, &key);
        if (read_once(&control->mirrors) != 0 && p.payload <= CASTOR_GATE_COPIED) mirror(skb, control);
    }
    if (!is_opening || !is_guarding) return PASS;
    castor_gate_opening opening = {.received = bpf_ntohl(p.segment.tcp.seq) + 1, .segment = CASTOR_GATE_SEGMENT, .scale = CASTOR_GATE_UNSCALED};
    // Sent again, for the answer has not come yet.
    const castor_gate_opening *last = bpf_map_lookup_elem(&gate_openings, &key);
    if (last && last->received == opening.received) return PASS;
    read_options(skb, &p, &opening);
    bpf_map_update_elem(&gate_openings, &key, &opening, BPF_ANY);
    return PASS;
}

char castor_gate_license[] SEC("license") = "GPL";
