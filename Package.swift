// swift-tools-version: 6.2
import PackageDescription

/// The runtime inside the recorded program: Embedded Swift, no heap, no standard library to load. It runs
/// between the program's registers and the kernel, so it may touch general registers only (`-mno-sse`).
let runtimeSettings: [SwiftSetting] = [
    .enableExperimentalFeature("Embedded"),
    .unsafeFlags([
        "-wmo", "-O", "-no-allocations", "-enforce-exclusivity=unchecked",
        "-Xfrontend", "-function-sections", "-Xfrontend", "-disable-stack-protector",
        "-Xcc", "-mno-sse",
        // Embedded objects have no .eh_frame; .debug_frame lets gdb unwind through them to the program's frames.
        "-gline-tables-only",
    ]),
]
let exports = "\(Context.packageDirectory)/Sources/CTSXShim/Interpose/castor.map"
let frames = "\(Context.packageDirectory)/Sources/CTSXShim/Interpose/frames.ld"
let staticInRelease: [LinkerSetting] = [.unsafeFlags(["-static-stdlib"], .when(configuration: .release))]
let optimizedInDebug: [SwiftSetting] = [.unsafeFlags(["-O", "-enforce-exclusivity=unchecked"], .when(configuration: .debug))]

let package = Package(
    name: "castor",
    products: [
        .library(name: "CastorRuntime", type: .dynamic, targets: ["CastorRuntime", "CTSXInterpose", "CTSXGate"]),
        .executable(name: "castor-agent", targets: ["CastorAgent"]),
        .executable(name: "castor", targets: ["castor-cli"]),
    ],
    targets: [
        .systemLibrary(name: "CZstd", path: "Sources/CZstd"),
        .systemLibrary(name: "CNuma", path: "Sources/CNuma"),
        .systemLibrary(name: "CCapstone", path: "Sources/CCapstone"),
        .systemLibrary(name: "CBpf", path: "Sources/CBpf"),
        .systemLibrary(name: "CCurl", path: "Sources/CCurl"),
        .systemLibrary(name: "COpenSSL", path: "Sources/COpenSSL"),
        .target(
            name: "CTSXShim", exclude: ["Interpose", "Gate", "Dormant"],
            cSettings: [.unsafeFlags(["-O2", "-mno-sse", "-mno-mmx", "-fno-stack-protector"])]),
        .target(
            name: "CTSXGate", dependencies: ["CTSXShim"], path: "Sources/CTSXShim/Gate",
            cSettings: [
                .unsafeFlags([
                    "-O2", "-D_GNU_SOURCE", "-fvisibility=hidden", "-mno-sse", "-mno-mmx", "-fno-builtin", "-fno-stack-protector",
                    "-fasynchronous-unwind-tables", "-gline-tables-only", "-gno-pubnames",
                ])
            ]),
        .target(
            name: "CTSXInterpose", dependencies: ["CTSXShim", "CTSXGate"], path: "Sources/CTSXShim/Interpose",
            exclude: ["castor.map", "frames.ld", "ordered.def"],
            cSettings: [
                .unsafeFlags([
                    "-O2", "-D_GNU_SOURCE", "-fvisibility=hidden", "-fno-stack-protector", "-fexceptions",
                    "-fno-builtin",
                    "-fasynchronous-unwind-tables", "-gline-tables-only", "-gno-pubnames",
                ])
            ]),
        .target(
            name: "CastorRuntime", dependencies: ["CTSXShim", "CTSXGate"], swiftSettings: runtimeSettings,
            linkerSettings: [
                .unsafeFlags([
                    "-Xlinker", "--version-script=\(exports)", "-Xlinker", "--gc-sections", "-use-ld=lld",
                    "-Xlinker", "-T", "-Xlinker", frames,
                    "-Xlinker", "-zdefs", "-Xlinker", "-zinitfirst", "-Xlinker", "-znodelete", "-Xlinker", "-znow",
                ])
            ]),
        .target(name: "CastorLog", dependencies: ["CTSXShim", "CZstd"]),
        // The hot standby's protocol and its decisions, without I/O. Optimised in debug builds, too: its tests run ten thousand
        // schedules of failures.
        .target(name: "CastorStandby", dependencies: ["CastorLog"], swiftSettings: optimizedInDebug),
        // The store that arbitrates between its nodes.
        .target(name: "CastorLease", dependencies: ["CastorStandby", "CastorLog", "CCurl"]),
        // What keeps TCP connections over the death of their server, as far as the kernel does it.
        .target(name: "CastorTCP", dependencies: ["CTSXShim", "CBpf"]),
        .target(name: "CastorCheck", dependencies: ["CastorLog", "CCapstone"]),
        .executableTarget(
            name: "CastorAgent",
            dependencies: ["CTSXShim", "CastorLog", "CastorStandby", "CastorLease", "CastorTCP", "CNuma", "COpenSSL"],
            linkerSettings: staticInRelease),
        // What `castor cc` makes of a command line; a library, so that tests can import it.
        .target(name: "CastorCompiler", dependencies: ["CastorLog"]),
        .executableTarget(
            name: "castor-cli", dependencies: ["CTSXShim", "CastorLog", "CastorCheck", "CastorCompiler", "CastorStandby"],
            linkerSettings: staticInRelease),
        // How fast the agent takes events out of rings; see Benchmarks/README.md.
        .executableTarget(
            name: "castor-drain", dependencies: ["CTSXShim", "CastorLog"], path: "Benchmarks/Drain",
            linkerSettings: staticInRelease),
        // The paper's designs of ordering beside ours: Benchmarks/README.md.
        .target(name: "CTransactions", path: "Benchmarks/Transactions", cSettings: [.unsafeFlags(["-O2"])]),
        .executableTarget(
            name: "castor-orders", dependencies: ["CTSXShim", "CTransactions"], path: "Benchmarks/Orders",
            swiftSettings: [.unsafeFlags(["-Ounchecked", "-enforce-exclusivity=unchecked"], .when(configuration: .release))],
            linkerSettings: staticInRelease),
        .testTarget(name: "CastorLogTests", dependencies: ["CastorLog", "CTSXShim"], exclude: ["Golden"]),
        .testTarget(name: "CastorCheckTests", dependencies: ["CastorCheck", "CastorLog"]),
        .testTarget(
            name: "CastorStandbyTests", dependencies: ["CastorStandby", "CastorLog"], swiftSettings: optimizedInDebug),
        .testTarget(name: "CastorLeaseTests", dependencies: ["CastorLease", "CastorStandby", "CastorLog"]),
        .testTarget(name: "CastorTCPTests", dependencies: ["CastorTCP", "CTSXShim"], exclude: ["primary.py"]),
        .testTarget(name: "CastorCompilerTests", dependencies: ["CastorCompiler", "CastorLog"]),
        // An embedded module cannot be imported: RuntimeSources is a link to the runtime's sources, compiled once more as
        // ordinary Swift against the same C. What they promise with @_noLocks holds for the embedded build and is
        // checked there; unoptimised code could not keep it.
        .testTarget(
            name: "CastorRuntimeTests", dependencies: ["CTSXShim", "CTSXGate"],
            swiftSettings: [
                .unsafeFlags(["-enforce-exclusivity=unchecked", "-Xllvm", "-sil-disable-pass=performance-diagnostics"])
            ]),
        // Runs the executables of the release build; it links none of them.
        .testTarget(name: "IntegrationTests", dependencies: ["CTSXShim", "CastorLog"]),
    ]
)
