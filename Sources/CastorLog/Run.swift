/// One stream's part of a chunk: an entry of its run directory.
///
///      0  u32 stream          16  u32 bytes of heads, fields, structures, contents
///      4  u32 events          32  u64 smallest version, 40  u64 largest version
///      8  u64 first event     (smallest > largest: no event of the run is ordered by a shard)
///
/// The body has the heads of all runs, then the fields of all, then the structures, then the contents. In version 1 it has the
/// runs one after the other, and an entry has only 40 bytes: at 16 stands the run's offset (u64), then the versions.
public struct Run: Equatable, Sendable {
    static func size(_ version: UInt16) -> Int { version == 1 ? 40 : 48 }

    public internal(set) var stream: UInt32
    public internal(set) var events: UInt32
    /// Index in the stream of the run's first event.
    public internal(set) var firstEvent: UInt64
    public internal(set) var minVersion: UInt64
    public internal(set) var maxVersion: UInt64
    /// Bytes of heads, fields, structures, contents, and where in the body they start. Version 1: everything counts as heads.
    var lengths = SIMD4<UInt64>()
    var starts = SIMD4<UInt64>()

    func append(to bytes: inout [UInt8]) {
        bytes.append(little: stream)
        bytes.append(little: events)
        bytes.append(little: firstEvent)
        for section in 0..<4 { bytes.append(little: UInt32(lengths[section])) }
        for field in [minVersion, maxVersion] { bytes.append(little: field) }
    }
}

extension Run {
    fileprivate init?(_ reader: inout ByteReader, version: UInt16) {
        guard let stream = reader.next(UInt32.self), let events = reader.next(UInt32.self),
            let firstEvent = reader.next(UInt64.self)
        else { return nil }
        var lengths = SIMD4<UInt64>()
        var starts = SIMD4<UInt64>()
        if version == 1 {
            guard let offset = reader.next(UInt64.self) else { return nil }
            starts[0] = offset
        } else {
            for section in 0..<4 {
                guard let length = reader.next(UInt32.self) else { return nil }
                lengths[section] = UInt64(length)
            }
        }
        guard let minVersion = reader.next(UInt64.self), let maxVersion = reader.next(UInt64.self) else { return nil }
        self.init(
            stream: stream, events: events, firstEvent: firstEvent, minVersion: minVersion, maxVersion: maxVersion,
            lengths: lengths, starts: starts)
    }

    /// Reads the directory of a chunk and checks that it fits the header.
    static func directory(_ bytes: UnsafeRawBufferPointer, header: ChunkHeader) -> [Run]? {
        var reader = ByteReader(bytes)
        var runs: [Run] = []
        var events: UInt64 = 0
        for _ in 0..<header.runs {
            guard let run = Run(&reader, version: header.version), run.events > 0,
                !run.firstEvent.addingReportingOverflow(UInt64(run.events)).overflow,
                runs.last.map({ run.stream > $0.stream }) ?? true
            else { return nil }
            events += UInt64(run.events)
            runs.append(run)
        }
        guard events == UInt64(header.events), reader.remaining == 0 else { return nil }
        let fits = header.version == 1 ? setLengths(&runs, header.rawLength) : setStarts(&runs, header.rawLength)
        return fits ? runs : nil
    }

    private static func setLengths(_ runs: inout [Run], _ rawLength: UInt64) -> Bool {
        for place in runs.indices {
            let end = place + 1 < runs.count ? runs[place + 1].starts[0] : rawLength
            guard runs[place].starts[0] < end, end <= rawLength, place > 0 || runs[0].starts[0] == 0 else { return false }
            runs[place].lengths[0] = end - runs[place].starts[0]
        }
        return true
    }

    private static func setStarts(_ runs: inout [Run], _ rawLength: UInt64) -> Bool {
        var end: UInt64 = 0
        for section in 0..<4 {
            for place in runs.indices {
                runs[place].starts[section] = end
                end += runs[place].lengths[section]
            }
        }
        return end == rawLength || runs.isEmpty
    }
}
