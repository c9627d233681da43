/// What the runtime's sources need beside themselves when they are compiled into the tests.
import CTSXGate
import CTSXShim

/// The sources name their own module to reach its functions from scopes that have a `shard` of their own.
enum CastorRuntime {
    @inline(__always) @_noLocks static func shard(of object: UInt64) -> UInt32 { CastorRuntimeTests.shard(of: object) }
    @inline(__always) @_noLocks static func shard(ofObject object: UInt32) -> UInt32 {
        CastorRuntimeTests.shard(ofObject: object)
    }
}

/// The one function that the gate takes from the interposers, which tests do not link.
@c @implementation
func castor_cancel_self(_ signal: Int32, _ info: UnsafeMutableRawPointer?, _ context: UnsafeMutableRawPointer?) {}
