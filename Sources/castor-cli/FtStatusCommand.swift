/// `castor ft status`: how the primaries and replicas of this machine stand.
import CastorLog
import CastorStandby
import Glibc

enum FtStatusCommand: Command {
    static let name = "ft status"
    static let abstract = "Show the primaries and replicas of this machine"
    static let usage = "[--json] [WHICH]"
    static let discussion = """
        Asks each 'castor ft primary' and 'castor ft replica' of this user, or of one service, how it stands. WHICH is a log, \
        a program, a process number of castor's, or the address that clients know.

        The exit status is 0 when each of them is protected: a primary by as many replicas as it was to have, a replica by being one \
        that can take over. It is 2 when one is not, or does not answer, and 3 when none runs.
        """
    static let options: [Option] = [.flag("json", nil, "Print JSON.")]
    static let operands = Operands.upTo(1, "WHICH", .text)

    private static let isUnprotected: Int32 = 2
    private static let isNothing: Int32 = 3

    static func run(_ arguments: ParsedArguments) throws -> Int32 {
        var reports: [StandbyReport] = []
        var areAllHeard = true
        for socket in RuntimeDirectory.sockets() {
            switch StandbySocket.ask(socket) {
            case .report(let report): reports.append(report)
            case .gone: unlink(socket)
            case .silent:
                areAllHeard = false
                Console.report("\(socket): no answer")
            }
        }
        if let which = arguments.operands.first?.description { reports = reports.filter { matches($0, which) } }
        if arguments.flag("json") {
            Console.print(JSON.array(reports.map(\.json)).text(indented: true))
        } else {
            Console.write(reports.map(StandbyText.text).joined(separator: "\n"))
        }
        if reports.isEmpty, areAllHeard {
            if !arguments.flag("json") { Console.report("no primary or replica runs here") }
            return isNothing
        }
        return areAllHeard && reports.allSatisfy(\.isProtected) ? 0 : isUnprotected
    }

    private static func matches(_ report: StandbyReport, _ which: String) -> Bool {
        func last(_ path: String) -> String? { path.split(separator: "/").last.map(String.init) }
        let program = report.program.first ?? ""
        let address = report.address?.split(separator: "/").first.map(String.init)
        if ["\(report.pid)", program, last(program), address, report.directory, last(report.directory)].contains(which) { return true }
        return FilePath.isSame(report.directory, which)
    }
}

/// The socket of a primary or replica.
enum StandbySocket {
    enum Answer {
        case report(StandbyReport)
        /// Nobody listens there any more.
        case gone
        case silent
    }
    private static let limit = 1 << 20

    static func ask(_ path: String) -> Answer {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else { return .silent }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        defer { close(descriptor) }
        var patience = timeval(tv_sec: 2, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &patience, socklen_t(MemoryLayout<timeval>.size))
        }
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
        guard code == 0 else { return errno == ECONNREFUSED || errno == ENOENT ? .gone : .silent }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while bytes.count <= limit {
            let n = recv(descriptor, &buffer, buffer.count, 0)
            if n < 0, errno == EINTR { continue }
            if n < 0 { return .silent }
            if n == 0 { break }
            bytes += buffer[..<n]
        }
        guard let json = try? JSON(parsing: bytes), let report = StandbyReport(json: json) else { return .silent }
        return .report(report)
    }
}

private enum FilePath {
    /// Whether two names lead to one file.
    static func isSame(_ a: String, _ b: String) -> Bool {
        var (first, second) = (stat(), stat())
        return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev && first.st_ino == second.st_ino
    }
}
