/// Memory that the egress gate (gate.bpf.c) shares with its owner. All numbers in host byte order unless said otherwise; sequence
/// numbers are compared modulo 2^32.
#pragma once
#include <stdint.h>

enum : uint32_t {
    CASTOR_GATE_FLOWS = 16384,       ///< slots
    CASTOR_GATE_PASS = 0,            ///< modes: count and follow only,
    CASTOR_GATE_GUARD = 1,           ///< or hold back what is not acknowledged
    CASTOR_GATE_MAY_END = 1u << 0,   ///< flags of a flow: FIN passes,
    CASTOR_GATE_MAY_RESET = 1u << 2, ///< RST passes,
    CASTOR_GATE_OVER = 1u << 1,      ///< and all else does: the slot waits to be used again
};
/// castor_gate_control.open_until: never closes.
#define CASTOR_GATE_FOREVER UINT64_MAX

/// Replicas that are sent copies of what comes in.
#define CASTOR_GATE_MIRRORS 4u
/// Bytes of the longest segment that is copied, and of its frame: Ethernet's. Who sends more at once has more under way, and learns
/// by itself what is missing.
#define CASTOR_GATE_COPIED 1460u
#define CASTOR_GATE_FRAME 1514u
/// Connections of which the last copy is kept.
#define CASTOR_GATE_FRAMES 4096u
/// Mark of a frame that is not to leave by the interface, but to come in by it.
#define CASTOR_GATE_COMES_IN 0xca500001u

/// One for all flows.
typedef struct castor_gate_control {
    uint64_t open_until; ///< CLOCK_BOOTTIME, ns: afterwards nothing leaves
    uint32_t address;    ///< the shared address, IPv4, network byte order
    uint32_t mode;       ///< CASTOR_GATE_PASS or CASTOR_GATE_GUARD
    uint32_t block_ends; ///< not 0: no FIN and no RST leaves, whatever the mode
    uint32_t answers_until; ///< CLOCK_BOOTTIME, s: RSTs that answer segments of unknown connections leave
    uint32_t collects_until; ///< CLOCK_BOOTTIME, s: what clients send is kept, and does not come in
    uint32_t mirrors;    ///< stations that are sent copies of what clients send, in CASTOR_GATE_GUARD
    uint8_t stations[CASTOR_GATE_MIRRORS][6]; ///< addresses of Ethernet
    // Counted by the gate, in packets:
    uint64_t packets;    ///< from the shared address
    uint64_t late;       ///< dropped after open_until
    uint64_t ends;       ///< dropped by block_ends
    uint64_t unknown;    ///< dropped, for they are of no flow that was added
    uint64_t malformed;  ///< dropped: fragments of TCP segments, or no segments at all
    uint64_t mirrored;   ///< copies sent
} castor_gate_control;
_Static_assert(sizeof(castor_gate_control) == 104, "no holes");

/// What the gate has seen a connection send.
typedef struct castor_gate_track {
    uint32_t sent;      ///< end of what was sent: the next sequence number
    uint32_t wanted;    ///< the highest acknowledgement number that TCP gave to a segment
    uint32_t told;      ///< the highest that left
    uint32_t edge;      ///< the rightmost edge of the window
    uint32_t timestamp; ///< option of the last segment: its sender's clock,
    uint32_t echo;      ///< and the peer's
    uint32_t segments;  ///< seen; 0: nothing here is known
} castor_gate_track;

/// A slot: one connection.
typedef struct castor_gate_flow {
    // Written by the owner:
    uint32_t acknowledged; ///< up to where the client may be told that its bytes have arrived
    uint32_t flags;        ///< CASTOR_GATE_MAY_END, _MAY_RESET, _OVER
    uint32_t scale;        ///< of the windows that leave, as a shift
    uint32_t first;        ///< the sequence number of the first byte that leaves
    // By the gate:
    castor_gate_track track;
    uint32_t held;    ///< segments that acknowledged more than they may
    uint32_t dropped; ///< those of them that had nothing else to say
    uint32_t ends;    ///< FIN and RST dropped
    uint32_t pad[2];
} castor_gate_flow;
_Static_assert(sizeof(castor_gate_flow) == 64, "a line");

/// Of the maps that find a connection; all in network byte order.
typedef struct castor_gate_key {
    uint32_t peer;
    uint16_t peer_port, local_port;
} castor_gate_key;
_Static_assert(sizeof(castor_gate_key) == 8, "no holes");

enum : uint8_t {
    CASTOR_GATE_NEW = 0,
    CASTOR_GATE_KNOWN = 1,    ///< standbys know of the connection: the kernel's answer may leave
    CASTOR_GATE_AWAITED = 2,  ///< the last machine's kernel had it: this one knows nothing of it, and must not say so
};
/// Seconds for which a port counts as listened to after the kernel has accepted a connection there: when the program has died, its
/// kernel would say that nobody listens.
#define CASTOR_GATE_LISTENS 10u

/// A connection that a client opens, until the program accepts it.
typedef struct castor_gate_opening {
    uint32_t received;  ///< both ends' first bytes: the numbers after the SYNs'
    uint32_t sent;      ///< 0 before the kernel has answered
    uint16_t segment;   ///< what the client's SYN says: the most bytes of a segment that it takes (RFC 9293 section 3.7.1),
    uint8_t scale;      ///< and how its windows are to be shifted (RFC 7323 section 2.2), or CASTOR_GATE_UNSCALED
    uint8_t state;      ///< CASTOR_GATE_*, written by the owner
} castor_gate_opening;
_Static_assert(sizeof(castor_gate_opening) == 12, "no holes");
#define CASTOR_GATE_UNSCALED 255u
/// Of a SYN that says nothing: RFC 9293 section 3.7.1.
#define CASTOR_GATE_SEGMENT 536u

/// An IPv4 header and the longest of TCP.
#define CASTOR_GATE_ANSWER 80u

/// What the owner is told of an opening: the kernel's answer was held back, and is to be sent again once standbys know.
typedef struct castor_gate_answer {
    castor_gate_key key;
    castor_gate_opening opening;
    uint32_t length;
    uint8_t packet[CASTOR_GATE_ANSWER]; ///< from the IPv4 header on; TCP's checksum need not be there yet
} castor_gate_answer;
_Static_assert(sizeof(castor_gate_answer) == 104, "no holes");

/// What a client sent last while nobody was here to take it: the SYN, or bytes.
typedef struct castor_gate_frame {
    uint32_t length;
    uint8_t bytes[CASTOR_GATE_FRAME]; ///< from the Ethernet header on; TCP's checksum need not be there yet
    uint8_t pad[2];
} castor_gate_frame;
_Static_assert(sizeof(castor_gate_frame) == 1520, "no holes");
