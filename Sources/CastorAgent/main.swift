/// castor-agent: the process beside a recorded or replayed program. castor starts it; it is not for people.
///
///     castor-agent record SEGMENT-FD CONTROL-FD LOG [threads=N]  the manifest comes on standard input
///     castor-agent record SEGMENT-FD CONTROL-FD LOG ft OPTION… replica=HOST PORT…
///     castor-agent replica SEGMENT-FD CONTROL-FD LOG OPTION… listen=HOST PORT [replica=HOST PORT]… [address=ADDRESS/LENGTH INTERFACE]
///     castor-agent standby SEGMENT-FD CONTROL-FD LOG
///     castor-agent replay SEGMENT-FD CONTROL-FD LOG partial|total [damaged]
import CTSXShim
import CastorLog
import Glibc

func fail(_ message: String) -> Never {
    _ = ("castor-agent: " + message + "\n").withCString { write(2, $0, strlen($0)) }
    exit(64)
}

let words = CommandLine.arguments
guard words.count >= 5, let segmentDescriptor = Int32(words[2]), let controlDescriptor = Int32(words[3]) else {
    fail("started by castor, not by hand")
}
signal(SIGPIPE, SIG_IGN)
signal(SIGXFSZ, SIG_IGN)
let control = Control(descriptor: controlDescriptor)
guard let segment = Segment(descriptor: segmentDescriptor) else { fail("no segment") }
close(segmentDescriptor)
segment.base.pointee.agent_pid = UInt32(getpid())

var reporter: Reporter?
do {
    switch words[1] {
    case "record":
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while case let n = read(STDIN_FILENO, &buffer, buffer.count), n > 0 { text += buffer[..<n] }
        let manifest = try Manifest(text: String(decoding: text, as: UTF8.self))
        let isPrimary = words.dropFirst(5).contains("ft")
        let tls = isPrimary ? try TLSContext(words: words) : nil
        let log = try LogWriter(
            directory: words[4], manifest: manifest, compression: Compression(of: manifest),
            workers: isPrimary ? 0 : LogWriter.standardWorkers)
        try log.keepFiles(words: words, control: control)
        if isPrimary { reporter = try Reporter(words: words, role: .primary, control: control) }
        let primary = isPrimary ? try PrimaryNode(words: words, segment: segment, control: control, tls: tls) : nil
        reporter?.node = primary
        let threads = words.compactMap { $0.hasPrefix("threads=") ? Int($0.dropFirst(8)) : nil }.first ?? Drains.standard
        let agent = RecordAgent(segment: segment, control: control, log: log, threads: threads, primary: primary)
        control.send("ready")
        agent.run()
    case "replay":
        let agent = try ReplayAgent(
            segment: segment, control: control, directory: words[4], isTotal: words.count > 5 && words[5] == "total",
            allowTruncated: words.count > 6 && words[6] == "damaged")
        control.send("ready")
        agent.run()
        ReplayDirectory.remove(segment.scratch)
    case "standby":
        let agent = try StandbyAgent(segment: segment, control: control, directory: words[4])
        control.send("ready")
        try agent.run()
        ReplayDirectory.remove(segment.scratch)
    case "replica":
        reporter = try Reporter(words: words, role: .replica, control: control)
        let node = try ReplicaNode(words: words, segment: segment, control: control)
        reporter?.node = node
        guard try node.waitForManifest() else { break }
        let agent = try StandbyAgent(segment: segment, control: control, directory: words[4], node: node)
        control.send("ready")
        try agent.run()
        ReplayDirectory.remove(segment.scratch)
    default: fail("unknown mode \(words[1])")
    }
} catch StandbyEnd.rejoin(let reason) {
    reporter?.end()
    control.send("rejoin \(reason)")
    exit(1)
} catch {
    reporter?.end()
    control.send("failed \(error)")
    exit(1)
}
reporter?.end()
