/// What castor tells its agent on the command line, beyond the first words: NAME=TEXT.
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

/// A primary and its replicas are of one name. There is one so far.
let standbyName: UInt64 = 1

extension PrimaryNode {
    /// As `castor ft primary` wants it.
    convenience init(words: [String], segment: Segment, control: Control, tls: TLSContext?) {
        do {
            try SharedAddress(words: words)?.take()
        } catch {
            control.send("note \(error)")
        }
        let gate = EgressGate(words: words, control: control)
        self.init(
            segment: segment, control: control, directory: words[4], options: StandbyOptions(words: words), log: standbyName, gate: gate, tls: tls)
        gate?.setMode(.guard)
        // Without a store nobody else counts epochs: the time does, so that a later run's is higher.
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        let epoch = UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000
        start(PrimaryMachine.Start(epoch: epoch, leaseSent: nil), replicas: words.pairs("replica"))
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
            control: control, directory: words[4], host: host, port: port, options: StandbyOptions(words: words), log: standbyName,
            tls: TLSContext(words: words), wake: { segment.wakeAgent() })
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
    convenience init(words: [String], control: Control) throws {
        var gaps: [String] = []
        if words.values("gate").isEmpty { gaps.append("TCP connections do not survive: --ip and --dev are not given") }
        if !StandbyOptions(words: words).hasStore {
            gaps.append("without a lease store nobody can tell a dead primary from one that is cut off")
        }
        self.init(
            directory: words[4], pid: words.values("castor").first.flatMap { Int32($0) } ?? getppid(),
            address: words.pairs("address").first?.0, socket: words.values("status").first, gaps: gaps)
        if let port = words.values("metrics").first { try serveMetrics(port: port) }
        do {
            try serveStatus()
        } catch {
            control.send("note 'castor ft status' will not show this one: \(error)")
        }
    }
}
