/// TCP connections of a program with a standby, and what it sends over them and by UDP. Parts of the segment: see castor_abi.h.
#pragma once
#include "castor_tcp.h"

/// Threads and processes of which a standby remembers the ids.
#define CASTOR_IDENTITIES 4096u

/// A power of two. A connection has the first free place from its descriptor's object number on.
#define CASTOR_CONNECTIONS 16384u
/// So far from there at most.
#define CASTOR_CONNECTION_REACH 64u
/// Standby: bytes of each connection's last output, at the segment's end, in the file's order modulo this. A sender's kernel never
/// holds more that the other side has not acknowledged.
#define CASTOR_RETAINED (8ull << 20)

enum : uint32_t {
    CASTOR_CONNECTION_FREE = 0,
    CASTOR_CONNECTION_CLAIMED = 1,
    CASTOR_CONNECTION_OPEN = 2,
    /// The program has closed it; what it sent may still be on its way.
    CASTOR_CONNECTION_CLOSED = 3,
    /// Standby: and that long ago that it has arrived, or never will.
    CASTOR_CONNECTION_GONE = 4,
    /// Recording: a socket of UDP, which is here because what it sends is held.
    CASTOR_CONNECTION_DATAGRAMS = 5,
    /// Recording: none yet. The program may not read it out of the kernel; the agent is to. `may_end` is CASTOR_READ_OUT then, or another number above 1.
    CASTOR_CONNECTION_ASKED = 6,
    /// Standby that went live: the program has accepted one that may wait in place of a client's; the agent is to say, as above.
    CASTOR_CONNECTION_AWAITED = 7,
};

/// Processes that have a connection beside the one that has opened it: see Heirs.swift.
#define CASTOR_HEIRS 3u
/// With a stream's number, in place of a process id: a child that is being made.
#define CASTOR_UNBORN 0x80000000u

#define CASTOR_READ_OUT 2u
#define CASTOR_NOT_READ_OUT 3u

/// What the program is about to end: what it sends, or all of it.
enum : uint32_t { CASTOR_ENDING_NOTHING = 0, CASTOR_ENDING_OUTPUT = 1, CASTOR_ENDING_CONNECTION = 2 };

#define CASTOR_EPOLLS 0xffffffffu
#define CASTOR_HOLDING 0x80000000u

/// One of them. The runtime writes it, in recording after the events that it tells of have been published.
typedef struct castor_connection {
    uint32_t state;
    uint32_t object;           ///< see Descriptors.swift
    uint32_t pid;              ///< the process that has opened it
    uint32_t descriptor;       ///< the first that it had
    uint32_t references;       ///< descriptors of it that this process has
    uint32_t ending;           ///< CASTOR_ENDING_*; on a standby what has ended while the connection is there
    uint32_t may_end;          ///< recording: the standby knows, and the gate lets it through (futex word)
    uint32_t epoll;            ///< descriptor, and one more, of the epoll set that it is in; 0: none, CASTOR_EPOLLS: several
    uint64_t consumed, produced; ///< bytes that the program has read and sent
    uint64_t cookie;           ///< of the socket (SO_COOKIE); on a standby of the one that has its place
    uint64_t skip;             ///< standby that went live: so much of what the program sends next has arrived already
    castor_tcp tcp;
    // held outputs
    uint32_t is_held;          ///< the agent has the socket, too, and sends what is held
    uint32_t is_broken;        ///< the kernel would not send: the program's next call says why
    uint32_t released_waiting; ///< somebody sleeps on the low half of `released`
    uint32_t writers;          ///< threads that send themselves now; CASTOR_HOLDING: one takes its place for what is held
    uint64_t released;         ///< of `produced`: bytes that the kernel has been given
    uint64_t writes, writes_done; ///< calls whose output was held, and how many of them are over
    uint64_t heirs[CASTOR_HEIRS]; ///< process id, and below it how many descriptors it has; 0: nobody
} castor_connection;
_Static_assert(sizeof(castor_connection) == 192, "three lines");

// MARK: - Held outputs

/// A power of two: outputs that a thread may have held at once, and their bytes.
#define CASTOR_HELD 1024u
#define CASTOR_HELD_BYTES (1ull << 20)

/// What a thread has sent and no standby knows of yet. The bytes are in the thread's part of the segment's file.
typedef struct castor_held_output {
    uint32_t connection;
    uint32_t length;
    uint64_t line;             ///< the event is in the ring's lines before this one
    uint64_t position;         ///< of its first byte in what the connection sends
    uint32_t at;               ///< of its bytes
    uint32_t name;             ///< bytes of the address that it goes to, behind the others; 0: the connection's
} castor_held_output;
_Static_assert(sizeof(castor_held_output) == 32, "half a line");

/// A ring's held outputs, first in, first out: the thread adds them, the agent sends them.
typedef struct castor_output_queue {
    uint64_t added;
    uint64_t pad0[7];
    uint64_t taken;
    uint64_t pad1[7];
    castor_held_output outputs[CASTOR_HELD];
} castor_output_queue;
_Static_assert(sizeof(castor_output_queue) == 128 + 32 * CASTOR_HELD, "held outputs");
