/// Where rings lie on machines with several memory nodes: on the node where their thread runs. A thread touches its
/// ring first and so usually has it there already; this moves the rings of threads that started elsewhere.
import CNuma
import CTSXShim
import CastorLog
import Glibc

struct Placement {
    private let isUseful = numa_available() >= 0 && numa_num_configured_nodes() > 1

    /// Called once for each stream. The node, where there are several.
    func place(_ ring: UnsafeMutablePointer<castor_ring>, bytes: Int) -> Int? {
        guard isUseful, let cpu = ProcessFile.processor(of: ring.pointee.pid, ring.pointee.tid) else { return nil }
        let node = numa_node_of_cpu(cpu)
        guard node >= 0 else { return nil }
        numa_tonode_memory(ring, bytes, node)
        return Int(node)
    }
}
