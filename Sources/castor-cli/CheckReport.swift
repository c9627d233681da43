/// What `castor check` found, for people and as JSON.
import CastorCheck
import CastorLog

struct CheckReport {
    let check: ProgramCheck
    /// As the user calls the program.
    let name: String
    let isFull: Bool

    /// Functions of one object that are listed without --all.
    private static let functionsShown = 20

    // MARK: - The verdict

    /// One line; of the objects at most `limit` by name.
    func verdict(naming limit: Int = Int.max) -> String {
        switch check.verdict {
        case .exact: return "exact"
        case .notSupported(let reason): return "not supported: \(reason)"
        case .unlessTheseRace: break
        }
        let atomics = objects(.races).map { "\($0.name) (\($0.count(.races)))" }
        let readings = objects(.varies).flatMap { object in
            object.counts.filter { $0.key.effect == .varies }.sorted { $0.key < $1.key }
                .map { "\($0.key.rawValue) in \(object.name) (\($0.value))" }
        }
        let others = CheckReport.list(readings, limit)
        if atomics.isEmpty { return "exact unless it uses these: \(others)" }
        let first = "exact unless these race: atomics in \(CheckReport.list(atomics, limit))"
        return readings.isEmpty ? first : "\(first); or it uses \(others)"
    }

    /// The program first, then those with most.
    private func objects(_ effect: SiteKind.Effect) -> [CheckedObject] {
        let found = check.objects.filter { $0.count(effect) > 0 }
        let own = found.filter { $0.path == check.program }
        return own + found.filter { $0.path != check.program }.sorted { $0.count(effect) > $1.count(effect) }
    }

    private static func list(_ items: [String], _ limit: Int) -> String {
        let rest = items.count > limit ? " and \(items.count - limit) more" : ""
        return items.prefix(limit).joined(separator: ", ") + rest
    }

    // MARK: - Text

    var text: String { check.objects.map(text).joined() + "\(name): \(verdict())\n" }

    private func text(_ object: CheckedObject) -> String {
        let built = object.isInstrumented ? ", built with castor cc" : ""
        let why = object.reasons.isEmpty ? "" : " (\(object.reasons.joined(separator: "; ")))"
        let found = CheckReport.counts(shown(object.counts))
        let head = "\(object.path)\(built): \(found.isEmpty ? "nothing" : found)\(why)\n"
        return head + (isFull ? sites(object) : functions(object))
    }

    private func shown(_ counts: [SiteKind: Int]) -> [SiteKind: Int] {
        isFull ? counts : counts.filter { $0.key != .syscall }
    }

    /// `12 lock, 1 cpuid`
    private static func counts(_ counts: [SiteKind: Int]) -> String {
        counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key.rawValue)" }.joined(separator: ", ")
    }

    private func functions(_ object: CheckedObject) -> String {
        let rows = object.functions.map { (name: $0.name, counts: shown($0.counts)) }.filter { !$0.counts.isEmpty }
            .sorted { a, b in a.counts.values.reduce(0, +) > b.counts.values.reduce(0, +) }
        let lines = rows.prefix(CheckReport.functionsShown).map { "  \($0.name): \(CheckReport.counts($0.counts))\n" }
        let rest = rows.count - lines.count
        return lines.joined() + (rest > 0 ? "  and \(rest) more functions; --all lists them\n" : "")
    }

    private func sites(_ object: CheckedObject) -> String {
        object.functions.map { function in
            "  \(function.name): \(CheckReport.counts(function.counts))\n"
                + function.sites.map { "    0x\(String($0.address, radix: 16))  \($0.text)\n" }.joined()
        }.joined()
    }

    // MARK: - JSON

    var json: JSON {
        let word =
            switch check.verdict {
            case .exact: "exact"
            case .unlessTheseRace: "unless-these-race"
            case .notSupported: "not-supported"
            }
        return .object([
            .init("program", .string(check.program)), .init("verdict", .string(word)),
            .init("summary", .string(verdict())), .init("objects", .array(check.objects.map(json))),
        ])
    }

    private func json(_ object: CheckedObject) -> JSON {
        let functions = object.functions.compactMap { function -> JSON? in
            let sites = function.sites.filter { isFull || $0.kind != .syscall }
            return sites.isEmpty ? nil : json(FunctionSites(name: function.name, sites: sites))
        }
        return .object([
            .init("name", .string(object.name)), .init("path", .string(object.path)),
            .init("isInstrumented", .bool(object.isInstrumented)),
            .init("reasons", .array(object.reasons.map { .string($0) })),
            .init("counts", CheckReport.json(shown(object.counts))), .init("functions", .array(functions)),
        ])
    }

    private func json(_ function: FunctionSites) -> JSON {
        var members = [
            JSON.Member("name", .string(function.name)), JSON.Member("counts", CheckReport.json(function.counts)),
        ]
        if isFull {
            let sites = function.sites.map { site in
                JSON.object([
                    .init("address", .string("0x" + String(site.address, radix: 16))),
                    .init("kind", .string(site.kind.rawValue)), .init("instruction", .string(site.text)),
                ])
            }
            members.append(JSON.Member("sites", .array(sites)))
        }
        return .object(members)
    }

    private static func json(_ counts: [SiteKind: Int]) -> JSON {
        .object(counts.sorted { $0.key < $1.key }.map { JSON.Member($0.key.rawValue, JSON($0.value)) })
    }
}
