import CastorLog
import Testing

@testable import CastorStandby

@Suite struct ReportTests {
    @Test func aTrailKnowsWhatIsLacking() {
        var trail = Trail()
        #expect(trail.lag(of: 0, at: 5) == Trail.Lag())
        for i in 1...10 { trail.append(UInt64(100 * i), events: UInt64(7 * i), at: Milliseconds(1000 * i)) }
        #expect(trail.lag(of: 1000, at: 20_000) == Trail.Lag())
        #expect(trail.lag(of: 0, at: 20_000) == Trail.Lag(bytes: 1000, events: 70, time: 19_000))
        #expect(trail.lag(of: 850, at: 20_000) == Trail.Lag(bytes: 150, events: 14, time: 11_000))
        trail.forget(before: 850)
        #expect(trail.lag(of: 850, at: 20_000) == Trail.Lag(bytes: 150, events: 14, time: 11_000))
    }

    @Test func aTrailStaysShort() {
        var trail = Trail()
        for i in 1...100_000 { trail.append(UInt64(i), events: UInt64(i), at: Milliseconds(i)) }
        let lag = trail.lag(of: 50_000, at: 100_000)
        // Steps have been forgotten; the ends have not.
        #expect(lag.bytes == 50_000 && lag.events >= 50_000 && lag.events < 60_000)
        #expect(trail.lag(of: 99_999, at: 100_000).bytes == 1)
    }

    private var full: StandbyReport {
        var report = StandbyReport(role: .live, pid: 17, directory: "/logs/a \"b\"")
        report.program = ["/bin/x", "a\nb"]
        report.isPrivileged = true
        report.notGuaranteed = ["one", "two"]
        report.address = "10.0.0.9/24"
        report.isEncrypted = true
        report.epoch = .max
        report.store = "etcd://a:1,b:2/c"
        report.holdsLease = true
        report.isProtected = true
        report.hindrance = "outputs wait for a replica"
        (report.wanted, report.protecting, report.held, report.heldFor) = (2, 1, 3, 1_234)
        var peer = StandbyReport.Peer(place: "a:1", state: .catchingUp)
        (peer.sent, peer.received, peer.consumed) = (3, 2, 1)
        peer.lag = Trail.Lag(bytes: 9, events: 8, time: 7)
        peer.problem = "none"
        report.peers = [peer]
        report.failover = .init(time: 99, reason: "why", duration: 12)
        (report.logBytes, report.uptime) = (5, 61_005)
        return report
    }

    @Test func aReportIsItsJSON() throws {
        #expect(StandbyReport(json: try JSON(parsing: full.json.text())) == full)
        let empty = StandbyReport(role: .replica, pid: 1, directory: "")
        #expect(StandbyReport(json: empty.json) == empty)
        #expect(StandbyReport(json: .array([])) == nil)
    }

    /// Each line is a comment or a sample, each sample has its comments before it.
    @Test func metricsAreWellFormed() {
        let lines = full.metrics.split(separator: "\n").map(String.init)
        var known: Set<String> = []
        for line in lines {
            if line.hasPrefix("# TYPE ") { known.insert(String(line.split(separator: " ")[2])) }
            if line.hasPrefix("#") { continue }
            let match = line.wholeMatch(of: #/(castor_ft_[a-z_]+)(\{[^{}]*\})? [0-9.]+/#)
            #expect(match.map { known.contains(String($0.1)) } ?? false, "\(line)")
        }
        #expect(lines.contains("castor_ft_held_oldest_seconds 1.234"))
        #expect(lines.contains("castor_ft_uptime_seconds 61.005"))
        #expect(lines.contains("castor_ft_peer_state{peer=\"a:1\",state=\"catching up\"} 1"))
        #expect(lines.contains("castor_ft_last_failover_duration_seconds 0.012"))
        var quoting = full
        quoting.program = ["a\"b\\c\r\nd"]
        #expect(quoting.metrics.contains("program=\"a\\\"b\\\\c\r\\nd\""))
    }

    @Test func figuresOfALease() {
        var report = full
        #expect(report.metrics.contains("lease=\"etcd://a:1,b:2/c\"") && report.metrics.contains("\ncastor_ft_lease_held 1\n"))
        report.holdsLease = false
        #expect(report.metrics.contains("\ncastor_ft_lease_held 0\n"))
        report.store = nil
        #expect(report.metrics.contains("lease=\"none\"") && !report.metrics.contains("castor_ft_lease_held"))
    }

    @Test func whatIsNotGuaranteedIsSaid() {
        var options = StandbyOptions()
        options.hasStore = true
        #expect(options.gaps(gate: .present).isEmpty)
        #expect(options.gaps(gate: .notAskedFor).count == 2 && options.gaps(gate: .missing).count == 2)
        #expect(options.gaps(gate: .unknown).count == 1)
        #expect(options.gaps(gate: .present, isUrgent: false) == [options.notUrgent])
        options.hasStore = false
        for gate in [GateState.present, .missing] {
            #expect(options.gaps(gate: gate).contains { $0.contains("without --lease") })
        }
        #expect(options.gaps(gate: .notAskedFor).first == "without --ip and --dev TCP connections do not survive")
    }

    @Test func aPrimaryTellsOfItsLease() {
        #expect(!TestPrimary(testOptions(hasStore: false)).machine.status(at: 0).holdsLease)
        var primary = TestPrimary(testOptions(hasStore: true))
        #expect(primary.machine.status(at: primary.now).holdsLease)
        primary.now += 10_000
        _ = primary.does(.tick)
        #expect(!primary.machine.status(at: primary.now).holdsLease)
    }

    @Test func aPrimaryTellsOfItsReplicas() {
        var primary = TestPrimary(testOptions(hasStore: false))
        _ = primary.does(.grew(to: 500))
        _ = primary.does(.opened(1))
        _ = primary.receives(primary.hello(5), 1)
        _ = primary.does(.queued(position: 500))
        var status = primary.machine.status(at: primary.now + 40)
        #expect(status.members == 0 && status.wanted == 1 && status.held == 1 && status.heldFor == 40)
        #expect(status.replicas == [FollowerStatus(link: 1, isMember: false, sent: 500, received: 0, consumed: 0)])
        _ = primary.acknowledges(500, 500, 1)
        status = primary.machine.status(at: primary.now)
        #expect(status.members == 1 && status.held == 0 && status.hindrance == nil)
        #expect(status.replicas == [FollowerStatus(link: 1, isMember: true, sent: 500, received: 500, consumed: 500)])
        _ = primary.does(.closed(1))
        #expect(primary.machine.status(at: primary.now).replicas.first?.link == nil)
    }
}
