/// TCP connections of a program with a standby: what both ends agreed on, and how far each direction is.
#pragma once
#include <stdint.h>

enum : uint8_t { CASTOR_TCP_SACK = 1u << 0, CASTOR_TCP_TIMESTAMPS = 1u << 1, CASTOR_TCP_SCALES = 1u << 2 };

/// What a connection is rebuilt from: read out of the kernel when the program gets it, before it has read or sent anything.
typedef struct castor_tcp {
    uint8_t family;            ///< AF_INET or AF_INET6
    uint8_t options;           ///< CASTOR_TCP_*: what was negotiated
    uint8_t send_scale, receive_scale; ///< of windows, as shifts
    uint16_t local_port, peer_port; ///< in network byte order
    uint8_t local[16], peer[16]; ///< addresses in network byte order; of IPv4 the first four bytes
    uint32_t mss;              ///< of segments that are sent
    uint32_t received;         ///< sequence number of the first byte that the program reads
    uint32_t sent;             ///< sequence number of the first byte that the program sends
    uint32_t timestamp;        ///< the connection's timestamp clock
    uint64_t pad;
} castor_tcp;
_Static_assert(sizeof(castor_tcp) == 64, "a line");
