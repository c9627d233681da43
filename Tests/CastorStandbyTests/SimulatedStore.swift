/// The lease store: one record, a lease that expires by the store's own clock, and requests that are lost, late, or answered in vain.

@testable import CastorStandby

struct StoreRequest {
    var node: Int
    var run: Int
    var id: NodeID
    var request: LeaseRequest
    /// When whoever asked gives up.
    var timeout: Microseconds
}

struct SimulatedStore {
    var rate: Int64
    var record = LeaseRecord(epoch: 0, holder: 0)
    /// By the store's clock.
    var expires: Microseconds = 0

    func clock(_ now: Microseconds) -> Microseconds { now + now * rate / 1_000_000 }
}

extension Simulator {
    func ask(_ node: Node, _ request: LeaseRequest) {
        guard schedule.options.hasStore else { return fail("a store is asked that is not there") }
        let asked = StoreRequest(node: node.index, run: node.run, id: node.id, request: request, timeout: now + 60_000)
        if node.toStoreCutUntil > now {
            queue.push(asked.timeout, .storeAnswer(node.index, node.run, .unreachable))
        } else {
            queue.push(now + random.in(storeDelay), .storeRequest(asked))
        }
    }

    func storeTakes(_ asked: StoreRequest) {
        let clock = store.clock(now)
        let answer: LeaseAnswer
        if let record = store.record.after(asked.request, by: asked.id, isExpired: store.expires <= clock) {
            if record.epoch != store.record.epoch { tell("store: \(record)") }
            store.record = record
            store.expires = clock + schedule.options.leaseInStore * 1000
            if case .release = asked.request.kind { store.expires = 0 }
            answer = .granted(record, sent: asked.request.sent)
        } else {
            answer = .refused(store.record)
        }
        let node = nodes[asked.node]
        let arrival = now + random.in(storeDelay)
        if arrival > asked.timeout { queue.push(asked.timeout, .storeAnswer(node.index, asked.run, .unreachable)) }
        if node.fromStoreCutUntil > arrival {
            if arrival <= asked.timeout { queue.push(asked.timeout, .storeAnswer(node.index, asked.run, .unreachable)) }
        } else {
            queue.push(arrival, .storeAnswer(node.index, asked.run, answer))
        }
    }

    func leaseAnswer(_ node: Node, _ answer: LeaseAnswer) {
        tell("node \(node.index) hears from the store: \(answer)")
        if node.primary != nil {
            step(node, PrimaryMachine.Input.lease(answer))
        } else {
            step(node, ReplicaMachine.Input.lease(answer))
        }
    }
}
