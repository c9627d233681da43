/// Where rings lie on machines with several memory nodes: on the node where their thread runs. A thread touches its
/// ring first and so usually has it there already; this moves the rings of threads that started elsewhere.
import CNuma
import CTSXShim
import CastorLog
import Glibc

struct Placement {
    private let isUseful = numa_available() >= 0 && numa_num_configured_nodes() > 1
    private var placed: Set<UInt32> = []

    /// Called for every live ring now and then; does its work once for each stream.
    mutating func place(_ ring: UnsafeMutablePointer<castor_ring>, bytes: Int) {
        guard isUseful, placed.insert(ring.pointee.stream).inserted else { return }
        guard let cpu = ProcessFile.processor(of: ring.pointee.pid, ring.pointee.tid) else { return }
        let node = numa_node_of_cpu(cpu)
        if node >= 0 { numa_tonode_memory(ring, bytes, node) }
    }
}
