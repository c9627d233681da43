/// What castor tells its agent on the command line, beyond the first words: NAME=TEXT.
import CastorLease
import CastorLog
import CastorStandby
import CastorTCP
import Glibc

extension [String] {
    func values(_ name: String) -> [String] {
        compactMap { $0.hasPrefix("\(name)=") ? String($0.dropFirst(name.count + 1)) : nil }
    }

    /// `NAME=FIRST SECOND`
    func pairs(_ name: String) -> [(String, String)] {
        values(name).compactMap { value in
            let parts = value.split(separator: " ", maxSplits: 1).map(String.init)
            return parts.count == 2 ? (parts[0], parts[1]) : nil
        }
    }
}

/// The number of a log by which a primary and its replicas know that they are of one service: its name's, in the lease store, or 1.
func logNumber(_ words: [String]) -> UInt64 { StoreAddress(words: words)?.number ?? 1 }

extension StoreAddress {
    /// `lease=ADDRESS`, `lease-ca=FILE`, `lease-cert=FILE`, `lease-key=FILE`
    init?(words: [String]) {
        guard let text = words.values("lease").compactMap({ $0.contains("/") ? $0 : nil }).first else { return nil }
        self.init(text)
        authority = words.values("lease-ca").first
        if let certificate = words.values("lease-cert").first, let key = words.values("lease-key").first {
            identity = Identity(certificate: certificate, key: key)
        }
    }
}

extension LeaseKeeper {
    convenience init(_ address: StoreAddress, node: NodeID, options: StandbyOptions, control: Control) throws(StoreFailure) {
        try self.init(address, node: node, options: options, now: now) { control.send("note \($0)") }
    }
}

extension PrimaryNode {
    /// As `castor ft primary` wants it.
    convenience init(words: [String], segment: Segment, control: Control, tls: TLSContext?) throws {
        let options = StandbyOptions(words: words)
        let id = NodeID.random(in: 1...NodeID.max)
        let lease = try StoreAddress(words: words).map { try LeaseKeeper($0, node: id, options: options, control: control) }
        // Before the address is taken: another node may have it.
        let grant = lease?.begin { control.receive() != "quit" && !control.isClosed }
        if lease != nil, grant == nil { throw StandbyEnd.text("nobody waits for the lease any more") }
        do {
            try SharedAddress(words: words)?.take()
        } catch {
            control.send("note \(error)")
        }
        let gate = EgressGate(words: words, control: control)
        self.init(
            segment: segment, control: control, directory: words[4], options: options, log: logNumber(words), gate: gate, tls: tls,
            id: id, lease: lease)
        gate?.setMode(.guard)
        // Without a store nobody else counts epochs: the time does, so that a later run's is higher.
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        let epoch = UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000
        start(PrimaryMachine.Start(epoch: grant?.record.epoch ?? epoch, leaseSent: grant?.sent), replicas: words.pairs("replica"))
    }
}

extension LogWriter {
    /// Packs the program's files, `files=DIR`, before it starts.
    func keepFiles(words: [String], control: Control) throws {
        let directories = words.values("files")
        guard !directories.isEmpty else { return }
        control.send("note copying \(directories.joined(separator: ", ")) for the replicas")
        let files = try ProgramFiles(packing: directories, into: directory)
        var manifest = manifest
        files.note(in: &manifest)
        try updateManifest(manifest)
    }
}

extension SharedAddress {
    /// `address=ADDRESS/LENGTH INTERFACE`
    init?(words: [String]) throws(Failure) {
        guard let (address, device) = words.pairs("address").first else { return nil }
        try self.init(address, device: device)
    }
}

extension EgressGate {
    /// Before the shared address: `gate=FILE`. Without it TCP connections do not survive, and castor says so.
    convenience init?(words: [String], control: Control) {
        guard let file = words.values("gate").first else { return nil }
        do {
            guard let address = try SharedAddress(words: words) else { return nil }
            try self.init(object: file, device: address.device, address: address.address)
        } catch {
            control.send("note TCP connections will not survive: \(error)")
            return nil
        }
    }
}

extension ReplicaNode {
    /// As `castor ft replica` wants it.
    convenience init(words: [String], segment: Segment, control: Control) throws {
        guard let (host, port) = words.pairs("listen").first else { fail("no place to listen at") }
        try self.init(
            control: control, directory: words[4], host: host, port: port, options: StandbyOptions(words: words),
            log: logNumber(words), store: StoreAddress(words: words), tls: TLSContext(words: words), wake: { segment.wakeAgent() })
    }
}

extension TLSContext {
    /// `tls-cert=FILE tls-key=FILE tls-ca=FILE [tls-name=NAME]`; nil without them: plain text.
    convenience init?(words: [String]) throws(TLSFailure) {
        guard let certificate = words.values("tls-cert").first, let key = words.values("tls-key").first,
            let authority = words.values("tls-ca").first
        else { return nil }
        try self.init(certificate: certificate, key: key, authority: authority, peerName: words.values("tls-name").first)
    }
}

extension Reporter {
    /// `castor=PID [status=SOCKET] [metrics=PORT]`. Serves from now on.
    convenience init(words: [String], role: StandbyReport.Role, control: Control) throws {
        let options = StandbyOptions(words: words)
        if !Thread.mayBeUrgent { control.send("note \(options.notUrgent)") }
        self.init(
            role: role, options: options, directory: words[4],
            pid: words.values("castor").first.flatMap { Int32($0) } ?? getppid(), address: words.pairs("address").first?.0,
            store: words.values("lease").first { $0.contains("/") }, socket: words.values("status").first)
        if let port = words.values("metrics").first { try serveMetrics(port: port) }
        do {
            try serveStatus()
        } catch {
            control.send("note 'castor ft status' will not show this one: \(error)")
        }
    }
}
