/// The program's sockets: descriptors of our own for those of its processes, by the kernel's numbers for them.
import CTSXShim
import Glibc

struct ProgramSockets {
    private var processes: [UInt32: ProcessSockets] = [:]

    /// A descriptor of our own for a connection.
    mutating func socket(of connection: UnsafeMutablePointer<castor_connection>) -> Int32? {
        for pid in Connections.holders(connection) {
            if let socket = processes[pid]?.socket(connection.pointee.cookie, at: connection.pointee.descriptor) { return socket }
            // What is known of the process may be old, and another may have its number by now.
            let process = ProcessSockets(pid)
            processes[pid] = process
            if let socket = process.socket(connection.pointee.cookie, at: connection.pointee.descriptor) { return socket }
        }
        return nil
    }
}

final class ProcessSockets {
    private let process: Int32
    private let pid: UInt32
    private lazy var descriptors: [UInt64: Int32] = all()

    init(_ pid: UInt32) {
        self.pid = pid
        process = Int32(RawCall.function(434, Int(pid), 0, 0, 0, 0, 0))  // pidfd_open
    }
    deinit { if process >= 0 { close(process) } }

    /// One descriptor for each connection: as many as this process may have.
    static func allowMany() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    /// A descriptor of our own for the same socket.
    func socket(_ cookie: UInt64, at descriptor: UInt32) -> Int32? {
        if let own = take(Int32(descriptor), if: cookie) { return own }
        return descriptors[cookie].flatMap { take($0, if: cookie) }
    }

    private func take(_ descriptor: Int32, if cookie: UInt64) -> Int32? {
        guard let own = take(descriptor) else { return nil }
        if ProcessSockets.cookie(own) == cookie { return own }
        close(own)
        return nil
    }

    private func take(_ descriptor: Int32) -> Int32? {
        let own = Int32(RawCall.function(438, Int(process), Int(descriptor), 0, 0, 0, 0))  // pidfd_getfd
        return own >= 0 ? own : nil
    }

    private static func cookie(_ descriptor: Int32) -> UInt64 {
        var value: UInt64 = 0
        var size: socklen_t = 8
        return getsockopt(descriptor, SOL_SOCKET, 57, &value, &size) == 0 ? value : 0  // SO_COOKIE
    }

    private func all() -> [UInt64: Int32] {
        var found: [UInt64: Int32] = [:]
        guard let directory = opendir("/proc/\(pid)/fd") else { return found }
        defer { closedir(directory) }
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard let descriptor = Int32(name), let own = take(descriptor) else { continue }
            let cookie = ProcessSockets.cookie(own)
            close(own)
            if cookie != 0 { found[cookie] = descriptor }
        }
        return found
    }
}
