/// How castor tells its agent what a standby is asked to do: words of the form NAME=NUMBER.

extension StandbyOptions {
    private typealias Field = (name: String, get: @Sendable (StandbyOptions) -> Int64, set: @Sendable (inout StandbyOptions, Int64) -> Void)
    private static let fields: [Field] = [
        ("replicas", { Int64($0.agreement.replicas) }, { $0.agreement.replicas = UInt32(clamping: $1) }),
        ("heartbeat", { Int64($0.agreement.heartbeat) }, { $0.agreement.heartbeat = UInt32(clamping: $1) }),
        ("silence", { Int64($0.agreement.silence) }, { $0.agreement.silence = UInt32(clamping: $1) }),
        ("lease", { Int64($0.agreement.lease) }, { $0.agreement.lease = UInt32(clamping: $1) }),
        ("window", { Int64(clamping: $0.agreement.window) }, { $0.agreement.window = UInt64(clamping: $1) }),
        ("release", { Int64($0.agreement.release.rawValue) }, { $0.agreement.release = Release(rawValue: UInt8(clamping: $1)) ?? .consumed }),
        ("deadline", { $0.deadline }, { $0.deadline = $1 }),
        ("retry", { $0.retry }, { $0.retry = $1 }),
        ("store", { $0.hasStore ? 1 : 0 }, { $0.hasStore = $1 != 0 }),
        ("automatic", { $0.isAutomatic ? 1 : 0 }, { $0.isAutomatic = $1 != 0 }),
    ]

    public var words: [String] { StandbyOptions.fields.map { "\($0.name)=\($0.get(self))" } }

    /// Words that are none of these are left to others.
    public init(words: some Sequence<String>) {
        self.init()
        for word in words {
            let parts = word.split(separator: "=", maxSplits: 1)
            guard parts.count == 2, let number = Int64(parts[1]), let field = StandbyOptions.fields.first(where: { $0.name == parts[0] })
            else { continue }
            field.set(&self, number)
        }
    }
}
