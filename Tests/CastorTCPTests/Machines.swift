/// Three machines on one network, as namespaces of this one: a client, a primary and a replica. Needs root; they go
/// away with the object. Sockets stay in the namespace in which they were made, so that one process has ends on all of
/// them.
import CTSXShim
import Foundation
import Testing

@testable import CastorTCP

/// The suites that need them, one after the other: some measure.
@Suite(.serialized, .enabled(if: Machines.areAllowed)) enum KernelTests {}

final class Machines: Sendable {
    static let areAllowed = geteuid() == 0
    static let shared = "10.214.0.10"

    let client: Machine, primary: Machine, replica: Machine
    private let network: String

    init() throws {
        let stem = "castor-tcp-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        network = "\(stem)-n"
        try command("ip", "netns", "add", network)
        try command("ip", "-n", network, "link", "add", "bridge", "type", "bridge")
        try command("ip", "-n", network, "link", "set", "bridge", "up")
        client = try Machine("\(stem)-c", address: "10.214.0.1", network: network, port: "c")
        primary = try Machine("\(stem)-p", address: "10.214.0.2", network: network, port: "p")
        replica = try Machine("\(stem)-r", address: "10.214.0.3", network: network, port: "r")
        try primary.take(Machines.shared)
    }

    deinit { _ = try? command("ip", "netns", "del", network) }
}

final class Machine: Sendable {
    let namespace: String
    static let device = "eth0"
    private let descriptor: Int32

    fileprivate init(_ namespace: String, address: String, network: String, port: String) throws {
        self.namespace = namespace
        try command("ip", "netns", "add", namespace)
        try command(
            "ip", "-n", namespace, "link", "add", Machine.device, "type", "veth", "peer", "name", port, "netns", network
        )
        try command("ip", "-n", network, "link", "set", port, "master", "bridge", "up")
        try command("ip", "-n", namespace, "addr", "add", "\(address)/24", "dev", Machine.device)
        try command("ip", "-n", namespace, "link", "set", Machine.device, "up")
        try command("ip", "-n", namespace, "link", "set", "lo", "up")
        descriptor = open("/run/netns/\(namespace)", O_RDONLY | O_CLOEXEC)
    }

    deinit {
        close(descriptor)
        _ = try? command("ip", "netns", "del", namespace)
    }

    /// Runs `body` on this machine: on a thread of its own, which ends with it.
    func within<T>(_ body: @escaping () throws -> T) throws -> T {
        let outcome = Outcome<T>()
        let descriptor = descriptor
        nonisolated(unsafe) let body = body
        let thread = Thread {
            outcome.result = Result {
                guard enter(descriptor, 0) == 0 else { throw Failure("setns") }
                return try body()
            }
            outcome.done.signal()
        }
        thread.start()
        outcome.done.wait()
        return try outcome.result!.get()
    }

    private final class Outcome<T>: @unchecked Sendable {
        let done = DispatchSemaphore(value: 0)
        var result: Result<T, any Error>?
    }

    /// Puts the address on the interface, and tells the neighbours.
    func take(_ address: String) throws {
        try command("ip", "-n", namespace, "addr", "add", "\(address)/24", "dev", Machine.device)
        try announce(address)
    }

    func announce(_ address: String) throws {
        try within {
            let socket = socket(AF_PACKET, Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue), 0)
            defer { close(socket) }
            let text = try String(contentsOfFile: "/sys/class/net/\(Machine.device)/address", encoding: .utf8)
            let hardware = text.split { $0 == ":" || $0 == "\n" }.compactMap { UInt8($0, radix: 16) }
            let shared = withUnsafeBytes(of: ipv4(address)) { Array($0) }
            let frame =
                [UInt8](repeating: 0xff, count: 6) + hardware + [8, 6, 0, 1, 8, 0, 6, 4, 0, 1] + hardware + shared
                + [UInt8](repeating: 0, count: 6) + shared
            // struct sockaddr_ll
            var place: [UInt8] = [UInt8(AF_PACKET), 0, 8, 6]
            withUnsafeBytes(of: if_nametoindex(Machine.device)) { place += $0 }
            place += [UInt8](repeating: 0, count: 12)
            let sent = place.withUnsafeBytes {
                sendto(
                    socket, frame, frame.count, 0, $0.assumingMemoryBound(to: sockaddr.self).baseAddress!,
                    socklen_t($0.count))
            }
            guard sent == frame.count else { throw Failure("announcing: \(String(cString: strerror(errno)))") }
        }
    }

    /// `admits`: clients may connect at once, as if there were standbys that know of everything.
    func gate(admits: Bool = true) throws -> EgressGate {
        let gate = try within { try EgressGate(object: Machine.object, device: Machine.device, address: ipv4(Machines.shared)) }
        guard admits else { return gate }
        Thread.detachNewThread { [weak gate] in
            while let gate { for opening in gate.takeOpenings(milliseconds: 20) { gate.admit(opening) } }
        }
        return gate
    }

    static let object: String = {
        var path = URL(fileURLWithPath: #filePath)
        for _ in 0..<3 { path.deleteLastPathComponent() }
        return path.path + "/.build/release/castor-gate.bpf.o"
    }()

    // MARK: - Sockets

    func tcpSocket() throws -> Int32 {
        try within { socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0) }
    }

    func listener(_ address: String, port: UInt16) throws -> Int32 {
        let listener = try tcpSocket()
        var one: Int32 = 1
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, 4)
        let code = with(address, port) { bind(listener, $0, $1) }
        guard code == 0, listen(listener, 1024) == 0 else {
            throw Failure("listen: \(String(cString: strerror(errno)))")
        }
        return listener
    }

    /// Within `milliseconds`, if they are given.
    func connection(to address: String, port: UInt16, from own: UInt16 = 0, milliseconds: Int = 0) throws -> Int32 {
        let descriptor = try tcpSocket()
        if own != 0, with("0.0.0.0", own, { bind(descriptor, $0, $1) }) != 0 {
            throw Failure("bind: \(String(cString: strerror(errno)))")
        }
        var time = timeval(tv_sec: milliseconds / 1000, tv_usec: milliseconds % 1000 * 1000)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        let code = with(address, port) { connect(descriptor, $0, $1) }
        guard code == 0 else {
            let code = errno
            close(descriptor)
            throw Failure("connect: \(String(cString: strerror(code)))")
        }
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), 1, &one, 4)  // TCP_NODELAY
        return descriptor
    }
}

extension Machine {
    /// The kernel computes the checksums of what leaves, and cuts segments, itself.
    func withoutChecksumOffload() throws {
        try within {
            let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
            defer { close(descriptor) }
            var value: (command: UInt32, data: UInt32) = (0x17, 0)  // ETHTOOL_STXCSUM
            var request = ifreq()
            withUnsafeMutableBytes(of: &request.ifr_ifrn.ifrn_name) { $0.copyBytes(from: Machine.device.utf8) }
            let code = withUnsafeMutablePointer(to: &value) {
                request.ifr_ifru.ifru_data = UnsafeMutableRawPointer($0).assumingMemoryBound(to: CChar.self)
                return ioctl(descriptor, 0x8946, &request)  // SIOCETHTOOL
            }
            guard code == 0 else {
                throw Failure("no way to compute checksums here: \(String(cString: strerror(errno)))")
            }
        }
    }

    /// Whether the address refuses a connection to a port where nobody listens, rather than to say nothing.
    func reaches(_ address: String) -> Bool {
        do {
            // Not even what asks for the address waits for an earlier question.
            try command("ip", "-n", namespace, "neigh", "flush", "dev", Machine.device)
            close(try connection(to: address, port: 9, milliseconds: 300))
            return true
        } catch { return "\(error)".contains("refused") }
    }
}

/// What a test could not do.
struct Failure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// In network byte order.
func ipv4(_ text: String) -> UInt32 { inet_addr(text) }

func with<T>(_ address: String, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> T) -> T {
    var place = sockaddr_in()
    place.sin_family = sa_family_t(AF_INET)
    place.sin_port = port.bigEndian
    place.sin_addr.s_addr = ipv4(address)
    return withUnsafePointer(to: &place) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
}

@discardableResult func command(_ words: String...) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = words
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Failure("\(words.joined(separator: " ")): \(text)") }
    return text
}

/// setns(2), which is not in Swift's Glibc: the calling thread enters a namespace.
@_silgen_name("setns") private func enter(_ namespace: Int32, _ kind: Int32) -> Int32
