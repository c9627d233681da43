/// A report in Prometheus' text format (version 0.0.4).

extension StandbyReport {
    /// A line of figures: labels and a value.
    private typealias Sample = (labels: [(String, String)], value: String)

    private struct Metric {
        var name: String
        var help: String
        var kind = "gauge"
        var samples: [Sample]
    }

    public var metrics: String {
        (ownMetrics + peerMetrics).map { metric in
            let name = "castor_ft_\(metric.name)"
            let samples = metric.samples.map { sample in
                let labels = sample.labels.map { "\($0.0)=\"\(StandbyReport.escaped($0.1))\"" }.joined(separator: ",")
                return "\(name)\(labels.isEmpty ? "" : "{\(labels)}") \(sample.value)\n"
            }
            return "# HELP \(name) \(metric.help)\n# TYPE \(name) \(metric.kind)\n" + samples.joined()
        }.joined()
    }

    private var ownMetrics: [Metric] {
        func one(_ name: String, _ help: String, _ value: String, kind: String = "gauge") -> Metric {
            Metric(name: name, help: help, kind: kind, samples: [([], value)])
        }
        let identity = [
            ("role", role.rawValue), ("program", program.first ?? ""), ("tier", isPrivileged ? "privileged" : "unprivileged"),
            ("link", isEncrypted ? "tls" : "plain"), ("lease", store ?? "none"),
        ]
        var metrics = [
            Metric(name: "info", help: "What runs here; always 1.", samples: [(identity, "1")]),
            one("protected", "1 when somebody else can go on with the program, or when this replica can.", isProtected ? "1" : "0"),
            one("epoch", "The epoch that this node knows.", "\(epoch)"),
            one("replicas_wanted", "Replicas that outputs are to wait for.", "\(wanted)"),
            one("replicas_protecting", "Replicas that outputs wait for.", "\(protecting)"),
            one("held_outputs", "Outputs that wait for replicas.", "\(held)"),
            one("held_oldest_seconds", "How long the oldest of them has waited.", StandbyReport.seconds(heldFor)),
            one("log_bytes", "Length of the log.", "\(logBytes)"),
            one("failovers_total", "Take-overs by this process.", failover == nil ? "0" : "1", kind: "counter"),
            one("uptime_seconds", "Time since this process began.", StandbyReport.seconds(uptime)),
        ]
        if store != nil, role != .replica {
            metrics.append(one("lease_held", "1 while the store has confirmed this node's lease.", holdsLease ? "1" : "0"))
        }
        if let failover {
            metrics.append(one("last_failover_timestamp_seconds", "When it took over.", "\(failover.time)"))
            metrics.append(
                one(
                    "last_failover_duration_seconds", "From the last that was heard of the primary until the program went on.",
                    StandbyReport.seconds(failover.duration)))
        }
        return metrics
    }

    private var peerMetrics: [Metric] {
        func each(_ name: String, _ help: String, _ value: (Peer) -> String) -> Metric {
            Metric(name: name, help: help, samples: peers.map { ([("peer", $0.place)], value($0)) })
        }
        let states = peers.flatMap { peer in
            PeerState.allCases.map { state in
                ([("peer", peer.place), ("state", state.rawValue)], peer.state == state ? "1" : "0") as Sample
            }
        }
        return [
            Metric(name: "peer_state", help: "1 for the state that the other side is in.", samples: states),
            each("peer_sent_bytes", "Bytes of the log that were sent.") { "\($0.sent)" },
            each("peer_received_bytes", "Bytes of the log that have arrived.") { "\($0.received)" },
            each("peer_consumed_bytes", "Bytes of the log that have been replayed.") { "\($0.consumed)" },
            each("lag_bytes", "Bytes of the log that the replica has not replayed.") { "\($0.lag.bytes)" },
            each("lag_events", "Events that the replica has not replayed.") { "\($0.lag.events)" },
            each("lag_seconds", "How long ago the first of them was logged or received.") { StandbyReport.seconds($0.lag.time) },
        ]
    }

    private static func seconds(_ time: Milliseconds) -> String {
        let rest = "\(time % 1000)"
        return "\(time / 1000).\(String(repeating: "0", count: 3 - rest.count))\(rest)"
    }

    private static func escaped(_ label: String) -> String {
        label.unicodeScalars.map { scalar in
            switch scalar {
            case "\\": "\\\\"
            case "\"": "\\\""
            case "\n": "\\n"
            default: String(scalar)
            }
        }.joined()
    }
}
