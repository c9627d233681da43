/// How fast the agent takes events out of rings: a ring's worth of small events, made beforehand, is appended to a log again
/// and again, as RecordAgent does. `castor-drain [SECONDS]` prints, for several mixes of events, nanoseconds and bytes of log
/// per event. Compression and writing are part of it.
import CTSXShim
import CastorLog
import Glibc

private func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

/// A ring outside a segment, filled by `fill` until it is full.
private struct Ring {
    let ring: UnsafeMutablePointer<castor_ring>

    init(slots: Int, fill: (UnsafeMutablePointer<castor_ring>, Int) -> Void) {
        let bytes = Int(CASTOR_RING_HEADER) + slots * 64
        let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 4096)
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
        ring = memory.bindMemory(to: castor_ring.self, capacity: 1)
        ring.pointee.mask = UInt64(slots - 1)
        var i = 0
        while ring.pointee.tail < UInt64(slots) - 1 {
            fill(ring, i)
            i += 1
            if ring.pointee.packed > 64 - 40 { castor_close_line(ring) }
        }
    }
}

private let objects = 64
private func address(_ i: Int) -> UInt64 { 0x5555_5560_0000 + UInt64(i % objects) * 64 }
private func shard(_ i: Int) -> UInt32 { 100 + UInt32(i % objects) * 151 % 24000 }

private let mixes: [(name: String, fill: (UnsafeMutablePointer<castor_ring>, Int) -> Void)] = [
    ("one-mutex", { castor_pack($0, CASTOR_SMALL_SYMBOL | 1, 77, UInt64($1), address(0), 0, 0, 0) }),
    ("mutexes", { castor_pack($0, CASTOR_SMALL_SYMBOL | 1, shard($1), UInt64($1 / objects), address($1), 0, 0, 0) }),
    (
        "additions",
        { castor_pack($0, CASTOR_SMALL_ATOMIC | 27, shard($1), UInt64($1 / objects), address($1), UInt64($1 / objects), 0, 1) }
    ),
    (
        "loads",
        { castor_pack($0, CASTOR_SMALL_LOAD | 3, shard($1), 1_000_000, address($1), UInt64($1 % 7), 0, 0) }
    ),
    (
        "clock",
        { castor_pack($0, CASTOR_SMALL_CLOCK | 228, 0xffff, 0, 1, 0, UInt64($1 * 37 % 1_000_000_000), 16_000_000) }
    ),
]

private let limit = Manifest.Limit(soft: 0, hard: 0)
private let manifest = Manifest(
    castorVersion: "0", program: "drain", arguments: [], environment: [], workingDirectory: "/",
    resourceLimits: .init(stack: limit, openFiles: limit), started: 0)
private let seconds = CommandLine.arguments.count > 1 ? Double(CommandLine.arguments[1]) ?? 1 : 1
for mix in mixes {
    var template = Array("\(getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp")/castor-drain-XXXXXX".utf8CString)
    let directory = String(cString: mkdtemp(&template))
    let ring = Ring(slots: 65536, fill: mix.fill)
    let log = try LogWriter(directory: directory, manifest: manifest)
    let start = now()
    while now() - start < seconds {
        var head = 0
        let lines = Int(ring.ring.pointee.tail)
        while head < lines {
            head += try log.lane.append(
                stream: 0, entries: castor_slot(ring.ring, UInt64(head)), count: min(16384, lines - head),
                before: CASTOR_EV_UNSUPPORTED)
        }
    }
    let events = Double(log.events)
    let time = now() - start
    try log.finish(Ending(outcome: .unknown))
    print("\(mix.name) \(time / events * 1e9) ns per event, \(Double(log.bytesWritten) / events) bytes, \(events / time / 1e6) million/s")
    for name in ["events", "manifest.json"] { unlink("\(directory)/\(name)") }
    rmdir(directory)
}
