/// `castor ft replica`: follows a primary's recording, and goes on with the program when the primary is gone.
import CTSXShim
import CastorLog
import CastorStandby
import Glibc

enum FtReplicaCommand: Command {
    static let name = "ft replica"
    static let abstract = "Stand by for a program that runs elsewhere"
    static let usage = "--listen HOST:PORT [OPTIONS]"
    static let discussion = """
        Waits for a primary, replays what its program does as it comes, and makes again what the kernel has to hold for it: \
        descriptors, files, sockets, timers. When the primary is gone the program goes on here.

        The program must be on this machine as it is on the primary's, and its files as they were when it started, unless the primary sends \
        them (--files).

        With --lease a store (etcd) says who is live, and the replica takes over by itself when the primary's lease has expired. Without, \
        nobody can tell a dead primary from one that is cut off: unless --automatic is given, SIGUSR1 makes the replica take over.

        A replica whose replay leaves the recording, or dies, says so and starts over from the start of the primary's log; the primary \
        goes on unprotected meanwhile. The program's files must be as at its start then, too, which is what --restore is for, where the \
        primary does not send them. When the \
        replay leaves the recording five times at the same event, the replica gives up and exits with 70.

        With --replica the program is protected again after a take-over: a new replica that listens there gets the whole log.

         castor ft replica --listen 10.0.0.3:7070 --tls-cert me.pem --tls-key me.key \\
             --tls-ca ca.pem --ip 10.0.0.9/24 --dev eth0 --lease etcd://10.0.0.4:2379/cache
        """
    static let options: [Option] =
        [
            .value("listen", nil, "HOST:PORT", .text, "Wait there for a primary."),
            .value("replica", nil, "HOST:PORT", .text, "Where this node finds a replica of its own once it has taken over; may be given again."),
            .value("output", "o", "DIR", .directory, "Write the log there instead of a new directory of its own."),
            .value("restore", nil, "COMMAND", .text, "What a shell does before this node starts over: bring the program's files back to what they were at its start."),
            .flag(
                "automatic", nil,
                "Without a store: take over without being told to. When the link is cut and the primary lives, both are live then."),
        ] + StandbyArguments.options + [.flag("quiet", "q", "Say nothing but errors and what concerns the protection.")]
    static let operands = Operands.none

    static func run(_ arguments: ParsedArguments) throws -> Int32 {
        guard let text = arguments.text("listen") else { throw CommandError.usage("--listen is missing") }
        let endpoint = try Endpoint(text)
        var options = try StandbyArguments.parse(arguments)
        options.isAutomatic = arguments.flag("automatic")
        if let problem = options.problem { throw CommandError.usage(problem) }
        let successors = try StandbyArguments.replicas(arguments)
        let tls = try TLSArguments.words(arguments, [endpoint] + successors)
        let installation = try Installation.find()
        let words =
            try options.words + ["listen=\(endpoint.host) \(endpoint.port)"] + StandbyArguments.words(successors)
            + StandbyArguments.address(arguments, installation) + StandbyArguments.store(arguments) + tls + StandbyArguments.watching(arguments)
        StandbyArguments.noteGaps(options, arguments)
        let directory = try arguments.text("output") ?? LogStore.standard.create(program: "replica")
        return try RejoiningReplica(
            directory: directory, installation: installation, agent: ["replica", directory] + words, restore: arguments.text("restore")
        ).run()
    }
}
