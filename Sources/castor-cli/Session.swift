/// One run of a program under castor: the shared segment, the agent beside it, the program itself.
import CTSXShim
import CastorLog
import Glibc

final class Session {
    let segment: UnsafeMutablePointer<castor_segment>
    let descriptor: Int32
    /// castor's end of the socket to the agent.
    let control: Int32
    private let agentEnd: Int32
    private(set) var agent: pid_t = 0
    private(set) var program: pid_t = 0
    private let bytes: Int

    /// Room of a thread for what the agent has not taken yet.
    static let buffer = 4 << 20
    static let rings = Int(CASTOR_RINGS)

    /// `buffer`: bytes, a power of two. `shares`: with room for what processes of a replay map shared; a sanitizer leaves none. `holds`: with room for outputs that
    /// wait for a standby, `retains`: and for what a standby may have to send again.
    init(mode: UInt32, buffer: Int = Session.buffer, shares: Bool = true, holds: Bool = false, retains: Bool = false) throws {
        let versions = Int(CASTOR_SEGMENT_HEADER)
        let waiters = versions + Int(CASTOR_SHARDS) * 16
        let progress = waiters + Int(CASTOR_SHARDS) * 4
        let connections = progress + Int(CASTOR_OWNERS + 1) * MemoryLayout<castor_progress>.stride
        let connectionsEnd = connections + Int(CASTOR_CONNECTIONS) * MemoryLayout<castor_connection>.stride + Int(CASTOR_CONNECTIONS) / 8
        let identities = (connectionsEnd + 7) / 8 * 8
        let rings = (identities + Int(CASTOR_IDENTITIES) * 8 + 4095) / 4096 * 4096
        let ringBytes = Int(CASTOR_RING_HEADER) + buffer
        let shared = mode == CASTOR_MODE_REPLAY && shares ? Int(CASTOR_SHARED_BYTES) * Int(CASTOR_SHARED) : 0
        let held = rings + Session.rings * ringBytes
        bytes = held + (holds ? Session.rings * MemoryLayout<castor_output_queue>.stride : 0) + shared
        let fd = "castor".withCString { RawSystem.call(.memfdCreate, Int(bitPattern: $0), 1 /* MFD_CLOEXEC */) }
        // Behind what is mapped: only the pages that are written take memory.
        let heldBytes = holds ? Int(CASTOR_HELD_BYTES) * Session.rings : 0
        let retained = retains ? Int(CASTOR_RETAINED) * Int(CASTOR_CONNECTIONS) : 0
        guard fd >= 0, ftruncate(Int32(fd), bytes + heldBytes + retained) == 0,
            let at = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, Int32(fd), 0),
            at != MAP_FAILED
        else { throw CommandError.failed("cannot create the shared segment: \(errorText(errno))") }
        descriptor = Int32(fd)
        segment = at.assumingMemoryBound(to: castor_segment.self)
        segment.pointee.magic = CASTOR_MAGIC
        segment.pointee.abi = CASTOR_ABI_VERSION
        segment.pointee.mode = mode
        segment.pointee.ring_count = UInt32(Session.rings)
        segment.pointee.ring_slots = UInt32(buffer / 64)
        segment.pointee.ring_bytes = UInt64(ringBytes)
        segment.pointee.rings_offset = UInt64(rings)
        segment.pointee.versions_offset = UInt64(versions)
        segment.pointee.waiters_offset = UInt64(waiters)
        segment.pointee.progress_offset = UInt64(progress)
        segment.pointee.connections_offset = UInt64(connections)
        segment.pointee.identities_offset = UInt64(identities)
        segment.pointee.held_offset = holds ? UInt64(held) : 0
        segment.pointee.held_bytes_offset = UInt64(bytes)
        segment.pointee.retained_offset = retains ? UInt64(bytes + heldBytes) : 0
        segment.pointee.bytes = UInt64(bytes)
        segment.pointee.next_stream = 1  // the main thread is stream 0
        segment.pointee.debug_stream = UInt32.max
        var ends: [Int32] = [0, 0]
        let type = Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &ends) == 0 else {
            throw CommandError.failed("cannot create a socket pair: \(errorText(errno))")
        }
        (control, agentEnd) = (ends[0], ends[1])
        if mode == CASTOR_MODE_REPLAY {
            put([ReplayDirectory.path()], into: castor_segment_scratch(segment), room: 128)
        }
    }

    /// Gives back what this run had, when another is to follow: nothing of it runs any more.
    func close() {
        munmap(segment, bytes)
        Glibc.close(descriptor)
        Glibc.close(control)
    }

    /// Texts, each with its NUL, as far as they fit; an empty one ends the list.
    private func put(_ texts: [String], into place: UnsafeMutablePointer<CChar>, room: Int) {
        let bytes = texts.joined(separator: "\0").utf8.prefix(room - 2)
        for (i, byte) in bytes.enumerated() { place[i] = CChar(bitPattern: byte) }
    }

    /// Records programs of these names alone, beside the first one.
    func recordOnly(_ names: [String]) { put(names, into: castor_segment_only(segment), room: 1024) }

    var scratch: String { String(cString: castor_segment_scratch(segment)) }

    /// Process ids behind the rings that are in use.
    var processes: Set<UInt32> {
        var pids: Set<UInt32> = []
        for i in 0..<min(castor_load32(castor_segment_rings_used(segment)), segment.pointee.ring_count) {
            let ring = castor_ring_at(segment, i)
            if castor_load32(castor_ring_state(ring)) == CASTOR_RING_LIVE { pids.insert(ring.pointee.pid) }
        }
        return pids
    }

    // MARK: - The agent

    /// Starts the agent and waits until it is ready. `input` is what it reads from its standard input.
    func startAgent(_ path: String, _ words: [String], input: String) throws {
        var pipe: [Int32] = [0, 0]
        guard
            pipe.withUnsafeMutableBytes({ RawSystem.call(.pipe2, Int(bitPattern: $0.baseAddress!), Int(O_CLOEXEC)) })
                == 0
        else { throw CommandError.failed("cannot create a pipe: \(errorText(errno))") }
        let words = [path, words[0], "4", "3"] + words.dropFirst()
        // In a process group of its own: a Ctrl-C on the terminal ends the program, not the recorder.
        // Chunk buffers come and go every few milliseconds: glibc is to keep their pages, not to fault them in again.
        let tunables = "glibc.malloc.mmap_threshold=268435456:glibc.malloc.trim_threshold=268435456"
        agent = try spawn(
            SystemString(path), words.map { SystemString($0) },
            environment: [SystemString("GLIBC_TUNABLES=" + tunables)],
            descriptors: [(pipe[0], 0), (agentEnd, 3), (descriptor, 4)], ownGroup: true)
        Glibc.close(pipe[0])
        Glibc.close(agentEnd)
        let bytes = Array(input.utf8)
        var sent = 0
        signal(SIGPIPE, SIG_IGN)
        while sent < bytes.count {
            let n = bytes.withUnsafeBytes { write(pipe[1], $0.baseAddress! + sent, bytes.count - sent) }
            if n < 0, errno != EINTR { break }
            sent += max(n, 0)
        }
        Glibc.close(pipe[1])
        var answer = waitForAgent()
        while answer.hasPrefix("note ") {
            Console.report(String(answer.dropFirst(5)))
            answer = waitForAgent()
        }
        if answer != "ready" {
            var status: Int32 = 0
            waitpid(agent, &status, 0)
            let text = String(answer.dropFirst(7))
            throw answer.hasPrefix("rejoin ") ? StartFailure.rejoin(text) : CommandError.failed(text)
        }
    }

    /// Why there is no program yet, where another try may bring one.
    enum StartFailure: Error { case rejoin(String) }

    /// The agent's next message. A standby may wait long for the other side: a user who does not is obeyed.
    private func waitForAgent() -> String {
        while arrived >= 0 {
            var polls = [pollfd(fd: control, events: Int16(POLLIN), revents: 0), pollfd(fd: arrived, events: Int16(POLLIN), revents: 0)]
            poll(&polls, 2, -1)
            if polls[0].revents != 0 { break }
            for (number, _) in ArrivedSignals(descriptor: arrived) where Session.ending.contains(number) {
                endAgent()
                // As if it had not been taken.
                var set = sigset_t()
                sigemptyset(&set)
                sigaddset(&set, number)
                raise(number)
                sigprocmask(SIG_UNBLOCK, &set, nil)
            }
        }
        return receive(wait: true) ?? "failed the agent ended"
    }

    /// By itself, so that it takes away what it has made; by force after a second.
    private func endAgent() {
        shutdown(control, Int32(SHUT_WR))
        for _ in 0..<200 {
            if waitpid(agent, nil, WNOHANG) != 0 { return }
            usleep(5000)
        }
        kill(agent, SIGKILL)
    }

    func send(_ message: String) {
        let bytes = Array(message.utf8)
        Glibc.send(control, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        wakeAgent()
    }

    /// The agent's next message; nil when there is none, or none will come.
    func receive(wait: Bool) -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let n = recv(control, &buffer, buffer.count, wait ? 0 : Int32(MSG_DONTWAIT))
            if n > 0 { return String(decoding: buffer[..<n], as: UTF8.self) }
            if n < 0, errno == EINTR { continue }
            return nil
        }
    }

    private func wakeAgent() {
        let word = castor_segment_agent_sleeping(segment)
        castor_store32(word, 0)
        _ = RawSystem.call(.futex, Int(bitPattern: word), 1, Int(Int32.max))
    }

    // MARK: - The program

    /// Ends every process that runs in this session; returns when none does any more, or after two seconds.
    func endProgram() {
        for _ in 0..<400 {
            let left = processes.union([UInt32(program)]).filter(hasSegment)
            for pid in left { kill(pid_t(pid), SIGKILL) }
            while waitpid(-1, nil, WNOHANG) > 0 {}
            if left.isEmpty { return }
            usleep(5000)
        }
    }

    /// Whether a process has this session's segment: the number may be another's by now.
    private func hasSegment(_ pid: UInt32) -> Bool {
        var (own, other) = (stat(), stat())
        guard fstat(descriptor, &own) == 0 else { return false }
        let directory = "/proc/\(pid)/fd"
        return LogStore.names(in: directory).contains {
            stat("\(directory)/\($0)", &other) == 0 && other.st_dev == own.st_dev && other.st_ino == own.st_ino
        }
    }

    /// Starts the program without address space randomisation, the segment at its descriptor.
    func startProgram(
        _ path: SystemString, _ arguments: [SystemString], environment: [SystemString], segmentAt number: Int32
    ) throws {
        _ = RawSystem.call(.personality, RawSystem.call(.personality, 0xffff_ffff) | 0x0040000)
        program = try spawn(
            path, arguments, environment: environment, descriptors: [(descriptor, number)], ownGroup: false)
    }

    /// Turns this process into the program. The agent notices the program's end by the socket, which stays open in it.
    func becomeProgram(_ manifest: Manifest, segmentAt number: Int32) throws {
        _ = RawSystem.call(.personality, RawSystem.call(.personality, 0xffff_ffff) | 0x0040000)
        dup2(descriptor, number)
        // One descriptor of the tool's own has to live as long as the program: far away from the program's numbers.
        dup2(control, number - 1)
        _ = fcntl(control, F_SETFD, FD_CLOEXEC)
        signal(SIGPIPE, SIG_DFL)
        let code = withCStrings(manifest.arguments) { argv in
            withCStrings(manifest.environment) { envp in
                withCStrings([manifest.program]) { execve($0[0]!, argv, envp) }
            }
        }
        throw CommandError.failed("\(manifest.program): \(errorText(errno)) (\(code))")
    }

    /// Starts a process with default signals and the given descriptors; all others of castor are closed on exec.
    private func spawn(
        _ path: SystemString, _ arguments: [SystemString], environment: [SystemString], descriptors: [(Int32, Int32)],
        ownGroup: Bool
    ) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // Two steps, so that no source is overwritten before it was copied.
        for (i, pair) in descriptors.enumerated() { posix_spawn_file_actions_adddup2(&actions, pair.0, 900 + Int32(i)) }
        for (i, pair) in descriptors.enumerated() {
            posix_spawn_file_actions_adddup2(&actions, 900 + Int32(i), pair.1)
            posix_spawn_file_actions_addclose(&actions, 900 + Int32(i))
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var flags = Int16(POSIX_SPAWN_SETSIGMASK) | Int16(POSIX_SPAWN_SETSIGDEF)
        if ownGroup { flags |= Int16(POSIX_SPAWN_SETPGROUP) }
        posix_spawnattr_setflags(&attributes, flags)
        var mask = inheritedMask
        posix_spawnattr_setsigmask(&attributes, &mask)
        var ours = sigset_t()
        sigemptyset(&ours)
        for number in [SIGPIPE, SIGINT, SIGQUIT] where !inheritedIgnored.contains(number) { sigaddset(&ours, number) }
        posix_spawnattr_setsigdefault(&attributes, &ours)
        var pid: pid_t = 0
        let code = withCStrings(arguments) { argv in
            withCStrings(environment) { envp in
                withCStrings([path]) { posix_spawn(&pid, $0[0]!, &actions, &attributes, argv, envp) }
            }
        }
        if code != 0 { throw CommandError.failed("\(path): \(errorText(code))") }
        return pid
    }

    // MARK: - Signals

    private var inheritedMask = sigset_t()
    private var inheritedIgnored: Set<Int32> = []
    /// What `takeSignals` returned; -1: signals do what they do.
    private var arrived: Int32 = -1

    /// castor takes its signals from a descriptor from now on, and passes on to the program what is sent to it.
    func takeSignals() -> Int32 {
        for number in [SIGINT, SIGQUIT, SIGPIPE] {
            var action = sigaction()
            sigaction(number, nil, &action)
            if unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1 {
                inheritedIgnored.insert(number)
            }
        }
        var set = sigset_t()
        sigemptyset(&set)
        for number in Session.forwarded + [SIGINT, SIGQUIT, SIGCHLD] { sigaddset(&set, number) }
        sigprocmask(SIG_BLOCK, &set, &inheritedMask)
        let flags = Int(O_CLOEXEC) | Int(O_NONBLOCK)  // SFD_CLOEXEC, SFD_NONBLOCK
        arrived = Int32(withUnsafePointer(to: &set) { RawSystem.call(.signalfd4, -1, Int(bitPattern: $0), 8, flags) })
        return arrived
    }

    /// As an earlier run of this process has taken them.
    func takeSignals(as earlier: Session) -> Int32 {
        (inheritedMask, inheritedIgnored, arrived) = (earlier.inheritedMask, earlier.inheritedIgnored, earlier.arrived)
        return arrived
    }

    /// Between two runs: waits for so long. The signal by which somebody wants castor to end.
    func awaitSignal(seconds: Int) -> Int32? {
        var left = seconds * 1000
        while left > 0 {
            var wait = pollfd(fd: arrived, events: Int16(POLLIN), revents: 0)
            let begun = milliseconds()
            poll(&wait, 1, Int32(left))
            for (number, _) in ArrivedSignals(descriptor: arrived) where Session.ending.contains(number) { return number }
            left -= max(1, milliseconds() - begun)
        }
        return nil
    }
    private static let ending = [SIGINT, SIGQUIT, SIGTERM, SIGHUP]

    private func milliseconds() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
    }

    static let forwarded = [SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGALRM, SIGCONT, SIGWINCH]
}

/// Signals that arrived, from the descriptor of `takeSignals`: number, and whether the terminal or the kernel sent it.
struct ArrivedSignals: Sequence, IteratorProtocol {
    let descriptor: Int32

    mutating func next() -> (number: Int32, isFromKernel: Bool)? {
        var info = [Int32](repeating: 0, count: 32)  // struct signalfd_siginfo: ssi_signo, ssi_errno, ssi_code, …
        return read(descriptor, &info, 128) == 128 ? (info[0], info[2] > 0) : nil
    }
}

/// How a process ended, as `waitpid` says it.
enum WaitStatus {
    case exited(Int32)
    case signalled(Int32)

    init(_ status: Int32) {
        self = status & 0x7f == 0 ? .exited(status >> 8 & 0xff) : .signalled(status & 0x7f)
    }
    /// As a shell tells it.
    var exitStatus: Int32 {
        switch self {
        case .exited(let code): code
        case .signalled(let number): 128 + number
        }
    }
}
