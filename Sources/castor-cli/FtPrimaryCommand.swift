/// `castor ft primary`: records a program for its replicas, which must have what led to an output before that leaves.
import CTSXShim
import CastorLog
import CastorStandby
import Glibc

enum FtPrimaryCommand: Command {
    static let name = "ft primary"
    static let abstract = "Run a program whose replicas can go on with it"
    static let usage = "--replica HOST:PORT... [OPTIONS] [--] PROGRAM [ARGS...]"
    static let discussion = """
        The program runs and is recorded, as by 'castor record'. What it sends waits until a replica has the recording up to there; \
        so a replica can go on where clients saw the program last. Until a replica is there, and when none is left, the program \
        runs unprotected, and castor says so.

        With --lease, primary and replicas ask a store (etcd) who is live: one node at a time, also when the network falls apart. The \
        primary is silent when the store has not confirmed its lease for --lease-time; with --ip and --dev the kernel sees to that, even \
        when the primary was stopped.

        With --ip and --dev, which need root's rights or CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF and CAP_SYS_PTRACE on both machines, TCP \
        connections (IPv4) that clients have opened go over, too.

        Replicas need the program's files as they are now: those of --files DIR they get from the primary, and see them in place of \
        their own.

         castor ft primary --replica 10.0.0.3:7070 --tls-cert me.pem --tls-key me.key \\
             --tls-ca ca.pem -- redis-server --save ''
         castor ft primary --replica 10.0.0.3:7070 --insecure --lease etcd://10.0.0.4:2379/cache \\
             --ip 10.0.0.9/24 --dev eth0 -- ./server
        """
    static let options: [Option] =
        [
            .value("replica", nil, "HOST:PORT", .text, "Where a replica listens; may be given again."),
            .value("files", nil, "DIR", .directory, "A directory of the program's: every replica gets it as it is now; may be given again."),
            .value("output", "o", "DIR", .directory, "Write the log there instead of a new directory of its own."),
        ] + StandbyArguments.options + [.flag("quiet", "q", "Say nothing but errors and what concerns the protection.")]
    static let operands = Operands.exactly(1, "PROGRAM", .program)
    static let rest = Rest.afterOperand

    static func run(_ arguments: ParsedArguments) throws -> Int32 {
        let endpoints = try StandbyArguments.replicas(arguments)
        guard !endpoints.isEmpty else { throw CommandError.usage("no replica given") }
        let options = try StandbyArguments.parse(arguments)
        if let problem = options.problem { throw CommandError.usage(problem) }
        guard options.agreement.replicas <= endpoints.count else {
            throw CommandError.usage("outputs cannot wait for \(options.agreement.replicas) of \(endpoints.count) replicas")
        }
        let tls = try TLSArguments.words(arguments, endpoints)
        let installation = try Installation.find()
        let program = try Program(named: arguments.operands[0])
        let isQuiet = arguments.flag("quiet")
        let session = try Session(mode: CASTOR_MODE_RECORD, holds: true)
        // A standby does not follow what is only counted.
        session.segment.pointee.options |= CASTOR_OPT_COMMIT | CASTOR_OPT_NO_OWNERS
        if isQuiet { session.segment.pointee.options |= CASTOR_OPT_QUIET }
        let directory = try arguments.text("output") ?? LogStore.standard.create(program: program.path.description)
        let number = Program.segmentDescriptor()
        var manifest = program.manifest(
            words: arguments.operands + arguments.rest, runtime: installation.runtime, descriptor: number)
        manifest.options[Compression.option] = "default"
        manifest.options["tscHz"] = "\(TimeStampCounter.hertz())"
        manifest.options["ft"] = "primary"
        let signals = session.takeSignals()
        let words =
            try ["record", directory, "ft"] + options.words + StandbyArguments.files(arguments, log: directory) + StandbyArguments.words(endpoints)
            + StandbyArguments.address(arguments, installation) + StandbyArguments.store(arguments) + tls
            + StandbyArguments.watching(arguments)
        StandbyArguments.noteGaps(options, arguments)
        try session.startAgent(installation.agent, words, input: manifest.json.text())
        try session.startProgram(
            manifest.program, manifest.arguments, environment: manifest.environment, segmentAt: number)
        let recording = Recording(session: session, signals: signals, isQuiet: isQuiet)
        let status = recording.wait()
        if !isQuiet { Console.report(recording.summary(directory)) }
        return status.exitStatus
    }
}

/// What primary and replica both take.
enum StandbyArguments {
    static let options: [Option] = [
        .value("heartbeat", nil, "MS", .number, "Both sides say something at least so often (10)."),
        .value("ack", nil, "N", .number, "Outputs wait for so many replicas; the same number on all nodes (1)."),
        .value(
            "release", nil, "WHEN", .choice(["consumed", "received"]),
            "Outputs leave when replicas have done what the log says, or as soon as they have it; the same on all nodes (consumed)."),
        .value(
            "deadline", nil, "MS", .number,
            "A replica that outputs wait for and that acknowledges nothing for so long is dropped (3000)."),
        .value("silence", nil, "MS", .number, "Suspect the other side when nothing was heard of it for so long (100)."),
        .value("ip", nil, "ADDR/LEN", .text, "The address that clients know, which is where the program is."),
        .value("dev", nil, "INTERFACE", .text, "The network interface that gets the address."),
        .value("lease", nil, "etcd://HOST:PORT[,HOST:PORT]…/NAME", .text, "The store that says who is live, and the service's name there; etcds: over TLS."),
        .value("lease-time", nil, "MS", .number, "A primary whose lease was confirmed longer ago is silent, a replica may take over (500)."),
        .value("lease-ca", nil, "FILE", .file, "Certificates that the store's must be signed by, instead of the system's."),
        .value("lease-cert", nil, "FILE", .file, "This node's certificate for the store."),
        .value("lease-key", nil, "FILE", .file, "And its key."),
    ] + TLSArguments.options + [
        .value("metrics", nil, "PORT", .number, "Serve figures for Prometheus at this port of the loopback interface.")
    ]

    /// Where replicas listen.
    static func replicas(_ arguments: ParsedArguments) throws -> [Endpoint] {
        try (arguments.values["replica"] ?? []).map { try Endpoint($0.description) }
    }

    /// The same, in the agent's words.
    static func words(_ replicas: [Endpoint]) -> [String] { replicas.map { "replica=\($0.host) \($0.port)" } }

    /// Directories of the program's for the replicas, in the agent's words. `log`: the log's directory.
    static func files(_ arguments: ParsedArguments, log: String) throws -> [String] {
        let given = try (arguments.values["files"] ?? []).map { word in
            let path = word.description
            var status = stat()
            guard stat(path, &status) == 0 else { throw CommandError.failed("\(path): \(errorText(errno))") }
            guard status.st_mode & S_IFMT == S_IFDIR else { throw CommandError.usage("--files \(path): not a directory") }
            guard let real = realpath(path, nil) else { throw CommandError.failed("\(path): \(errorText(errno))") }
            defer { free(real) }
            return String(cString: real)
        }
        let directories = Set(given).filter { inner in !given.contains { $0 != inner && inner.hasPrefix($0 == "/" ? "/" : "\($0)/") } }.sorted()
        if let root = directories.first(where: { $0 == "/" || $0.contains("\n") }) { throw CommandError.usage("--files \(root): not such a directory") }
        let place = PrivateFiles.realPath(log)
        if let outside = directories.first(where: { "\(place)/".hasPrefix("\($0)/") }) {
            throw CommandError.usage("the log, \(place), lies inside of \(outside), which is to be shipped: choose another place (--output)")
        }
        return directories.map { "files=\($0)" }
    }

    /// The address that clients know, in the agent's words; empty without one.
    static func address(_ arguments: ParsedArguments, _ installation: Installation) throws -> [String] {
        switch (arguments.text("ip"), arguments.text("dev")) {
        case (let address?, let device?): ["address=\(address) \(device)", "gate=\(installation.gate)"]
        case (nil, nil): []
        default: throw CommandError.usage("--ip and --dev belong together")
        }
    }

    /// The lease store, in the agent's words; empty without one.
    static func store(_ arguments: ParsedArguments) throws -> [String] {
        let files = ["lease-ca", "lease-cert", "lease-key"]
        guard let text = arguments.text("lease") else {
            if let name = (["lease-time"] + files).first(where: { arguments.text($0) != nil }) {
                throw CommandError.usage("--\(name) without --lease")
            }
            return []
        }
        guard StoreAddress(text) != nil else { throw CommandError.usage("'\(text)' is not etcd://HOST:PORT/NAME") }
        guard (arguments.text("lease-cert") == nil) == (arguments.text("lease-key") == nil) else {
            throw CommandError.usage("--lease-cert and --lease-key belong together")
        }
        return (["lease"] + files).compactMap { name in arguments.text(name).map { "\(name)=\($0)" } }
    }

    /// Says what nothing prevents.
    static func noteGaps(_ options: StandbyOptions, _ arguments: ParsedArguments) {
        for gap in options.gaps(gate: arguments.text("ip") == nil ? .notAskedFor : .present) { Console.report(gap) }
    }

    /// Where others may ask how this one stands, in the agent's words.
    static func watching(_ arguments: ParsedArguments) throws -> [String] {
        var words = ["castor=\(getpid())"]
        if let socket = RuntimeDirectory.makeSocket() { words.append("status=\(socket)") }
        if let port = arguments.number("metrics") {
            guard (1...65535).contains(port) else { throw CommandError.usage("--metrics is a port, from 1 to 65535, not \(port)") }
            words.append("metrics=\(port)")
        }
        return words
    }

    static func parse(_ arguments: ParsedArguments) throws -> StandbyOptions {
        _ = try store(arguments)
        var options = StandbyOptions()
        options.hasStore = arguments.text("lease") != nil
        options.deadline = 3000
        if let count = arguments.number("ack") { options.agreement.replicas = UInt32(clamping: count) }
        if arguments.text("release") == "received" { options.agreement.release = .received }
        if let deadline = arguments.number("deadline") { options.deadline = Milliseconds(clamping: deadline) }
        if let time = arguments.number("heartbeat") { options.agreement.heartbeat = UInt32(clamping: time) }
        if let time = arguments.number("silence") { options.agreement.silence = UInt32(clamping: time) }
        // Without a store nothing expires that would have to be waited for.
        options.agreement.lease =
            options.hasStore
            ? arguments.number("lease-time").map { UInt32(clamping: $0) } ?? 500 : max(options.agreement.heartbeat, 4)
        return options
    }
}
