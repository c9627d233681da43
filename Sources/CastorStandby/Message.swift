/// What a frame says. Bodies, little-endian; each has exactly the length that is given here:
///
///     hello            u64 who | u64 log | u64 term | u64 position | u64 window | u32 heartbeat | u32 silence | u32 lease
///                      | u32 f | u16 log format | u8 release | u8 0                                          60 bytes
///     welcome          u64 who | u64 term | u64 agreed                                                       24 bytes
///     refuse           UTF-8, at most 4096 bytes
///     log              u64 position of the first byte | 1 byte to 1 MiB of the log
///     manifest         the bytes of manifest.json, at most 1 MiB
///     acknowledgement  u64 received | u64 consumed | u64 credit                                              24 bytes
///     heartbeat        u64 sender's clock, ms | u64 written | u32 counted: 0 or 1                            20 bytes
///     diverged         UTF-8, at most 4096 bytes
///     ended            u64 length of the log                                                                  8 bytes
///     leaving          nothing
///     files            u64 position of the first byte | 1 byte to 1 MiB of the archive of the program's files
///     station          u64: an address of Ethernet in its six low bytes                                       8 bytes
import CastorLog

public enum MessageType: UInt16, Sendable {
    case hello = 1
    case welcome, refuse, log, manifest, acknowledgement, heartbeat, diverged, ended, leaving, files, station
}

public enum Message: Equatable, Sendable {
    /// A replica's first frame.
    case hello(Hello)
    /// The primary's answer: the log follows.
    case welcome(Welcome)
    /// The primary does not want this replica, or wants it no more. The link is closed next.
    case refuse(String)
    /// Bytes of the `events` file. They follow one upon the other.
    case log(position: Position, bytes: [UInt8])
    case manifest([UInt8])
    case acknowledgement(Acknowledgement)
    case heartbeat(Heartbeat)
    /// The replica's replay does not do what the log says.
    case diverged(String)
    /// The program ended by itself; the log is complete and this long.
    case ended(length: Position)
    /// The sender goes in good order: a primary that gives the program away, a replica that takes no more part.
    case leaving
    /// Bytes of `files.tar`. They follow one upon the other, before the primary's welcome, to a replica that has nothing of the log.
    case files(position: UInt64, bytes: [UInt8])
    /// Where a replica on the network of the shared address collects copies of what clients send. After the hello, when it is ready to;
    /// for the primary's driver, not for its machine.
    case station(UInt64)

    /// Longest text in bytes; the rest is cut off.
    static let textLimit = 4096

    public var type: MessageType {
        switch self {
        case .hello: .hello
        case .welcome: .welcome
        case .refuse: .refuse
        case .log: .log
        case .manifest: .manifest
        case .acknowledgement: .acknowledgement
        case .heartbeat: .heartbeat
        case .diverged: .diverged
        case .ended: .ended
        case .leaving: .leaving
        case .files: .files
        case .station: .station
        }
    }
}

public struct Hello: Equatable, Sendable {
    public var who: NodeID
    /// Which log: a number that was drawn when it was begun.
    public var log: UInt64
    /// The term that the replica's last bytes come from: the epoch in which their writer began. 0: it has none.
    public var term: UInt64
    /// The first byte that the replica lacks.
    public var position: Position
    /// What must be the same on both sides.
    public var agreement: Agreement

    public init(who: NodeID, log: UInt64, term: UInt64, position: Position, agreement: Agreement) {
        self.who = who
        self.log = log
        self.term = term
        self.position = position
        self.agreement = agreement
    }
}

public struct Welcome: Equatable, Sendable {
    public var who: NodeID
    /// The epoch in which the primary began to write.
    public var term: UInt64
    /// Up to here the replica's log is the primary's. What the replica has beyond it is another log's; the bytes from here follow.
    public var agreed: Position

    public init(who: NodeID, term: UInt64, agreed: Position) {
        self.who = who
        self.term = term
        self.agreed = agreed
    }
}

public struct Acknowledgement: Equatable, Sendable {
    /// The replica has everything before this.
    public var received: Position
    /// Its replay has done everything before this.
    public var consumed: Position
    /// The primary may send up to here.
    public var credit: Position

    public init(received: Position, consumed: Position, credit: Position) {
        self.received = received
        self.consumed = consumed
        self.credit = credit
    }
}

public struct Heartbeat: Equatable, Sendable {
    /// The sender's clock, to look at only.
    public var clock: UInt64
    /// Length of the primary's log.
    public var written: Position
    /// Outputs wait for this replica: it may take over.
    public var isCounted: Bool

    public init(clock: UInt64, written: Position, isCounted: Bool) {
        self.clock = clock
        self.written = written
        self.isCounted = isCounted
    }
}

// MARK: - Bodies

extension Message {
    var body: [UInt8] {
        var body: [UInt8] = []
        switch self {
        case .hello(let hello):
            for field in [hello.who, hello.log, hello.term, hello.position] { body.append(little: field) }
            hello.agreement.append(to: &body)
        case .welcome(let welcome):
            for field in [welcome.who, welcome.term, welcome.agreed] { body.append(little: field) }
        case .acknowledgement(let it):
            for field in [it.received, it.consumed, it.credit] { body.append(little: field) }
        case .heartbeat(let it):
            for field in [it.clock, it.written] { body.append(little: field) }
            body.append(little: UInt32(it.isCounted ? 1 : 0))
        case .log(let position, let bytes), .files(let position, let bytes):
            body.reserveCapacity(8 + bytes.count)
            body.append(little: position)
            body.append(contentsOf: bytes)
        case .manifest(let bytes): body = bytes
        case .refuse(let text), .diverged(let text): body = Message.cut(text)
        case .ended(let length): body.append(little: length)
        case .station(let address): body.append(little: address)
        case .leaving: break
        }
        return body
    }

    /// At most `textLimit` bytes, whole characters.
    private static func cut(_ text: String) -> [UInt8] {
        var text = Substring(text)
        while text.utf8.count > textLimit {
            text = text.unicodeScalars.count > textLimit ? text.prefix(textLimit) : text.dropLast()
        }
        return Array(text.utf8)
    }

    init(_ type: MessageType, body: UnsafeRawBufferPointer) throws(FrameError) {
        var reader = ByteReader(body)
        func expect(_ count: Int) throws(FrameError) {
            guard body.count == count else { throw .body(type, "\(body.count) bytes instead of \(count)") }
        }
        func number() -> UInt64 { reader.next(UInt64.self)! }
        func text() throws(FrameError) -> String {
            guard body.count <= Message.textLimit, let text = String(validating: body, as: UTF8.self) else {
                throw .body(type, "no text")
            }
            return text
        }
        switch type {
        case .hello:
            try expect(32 + Agreement.size)
            let (who, log, term, position) = (number(), number(), number(), number())
            guard let agreement = Agreement(&reader) else { throw .body(type, "no agreement") }
            self = .hello(Hello(who: who, log: log, term: term, position: position, agreement: agreement))
        case .welcome:
            try expect(24)
            self = .welcome(Welcome(who: number(), term: number(), agreed: number()))
        case .acknowledgement:
            try expect(24)
            self = .acknowledgement(Acknowledgement(received: number(), consumed: number(), credit: number()))
        case .heartbeat:
            try expect(20)
            let (clock, written, flag) = (number(), number(), reader.next(UInt32.self)!)
            guard flag <= 1 else { throw .body(type, "a flag of \(flag)") }
            self = .heartbeat(Heartbeat(clock: clock, written: written, isCounted: flag == 1))
        case .log, .files:
            guard (9...8 + Frame.logLimit).contains(body.count) else { throw .body(type, "\(body.count) bytes") }
            let position = number()
            guard !position.addingReportingOverflow(UInt64(body.count - 8)).overflow else {
                throw .body(type, "a position of \(position)")
            }
            let bytes = Array(body[8...])
            self = type == .log ? .log(position: position, bytes: bytes) : .files(position: position, bytes: bytes)
        case .manifest: self = .manifest(Array(body))
        case .refuse: self = .refuse(try text())
        case .diverged: self = .diverged(try text())
        case .ended:
            try expect(8)
            self = .ended(length: number())
        case .station:
            try expect(8)
            let address = number()
            guard address >> 48 == 0 else { throw .body(type, "an address of more than six bytes") }
            self = .station(address)
        case .leaving:
            try expect(0)
            self = .leaving
        }
    }
}
