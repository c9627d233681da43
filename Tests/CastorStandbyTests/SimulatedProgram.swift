/// The program, the client, and what passes between them: requests are done once each and are in the log before they are answered.

@testable import CastorStandby

extension Simulator {
    // MARK: - The program

    func replaySoon(_ node: Node) {
        guard !node.isReplaying else { return }
        node.isReplaying = true
        queue.push(now + random.in(node.replayDelay), .replay(node.index, node.run))
    }

    func replay(_ node: Node) {
        guard node.replica != nil else { return }
        let before = node.consumed
        for _ in 0..<3 where node.consumeChunk() {}
        if node.willDiverge, node.consumed > before {
            node.willDiverge = false
            return step(node, .diverged("as planned"))
        }
        // What the replay has done is heard of later: it goes on meanwhile.
        let isIdle = !node.hasChunk
        if isIdle || node.consumed > before {
            node.reportDue = max(node.reportDue, now + random.in(node.reportDelay))
            let idleAt = isIdle ? node.log.count : nil
            queue.push(node.reportDue, .replayed(node.index, node.run, node.consumed, idleAt: idleAt))
        }
        if !isIdle { replaySoon(node) }
    }

    func replayed(_ node: Node, _ consumed: Int, idleAt: Int?) {
        let run = node.run
        step(node, .consumed(upTo: UInt64(consumed)))
        guard node.run == run, let idleAt else { return }
        step(node, .idle(received: UInt64(idleAt)))
    }

    func request(_ node: Node, _ number: Int) {
        guard !node.isDown, node.primary != nil, !hasProgramEnded else { return }
        if node.isPaused { return node.held.append(.request(number)) }
        guard number >= node.lastRequest, number > 0 else { return }
        if number > node.lastRequest {
            if random.chance(30) { append(node, 0) }
            node.lastRequest = number
            node.count += 1
            let start = node.log.count
            append(node, number)
            node.waiting.append(
                Output(
                    start: start, position: node.log.count, term: node.log[start + 1], number: number, count: node.count
                ))
        } else {
            // Said again. The event that made the answer is found from the log.
            guard let start = chunkStart(node, of: number) else { return }
            node.waiting.append(
                Output(
                    start: start, position: node.log.count, term: node.log[start + 1], number: number, count: node.count
                ))
        }
        let position = UInt64(node.log.count)
        step(node, .grew(to: position))
        step(node, .queued(position: position))
    }

    private func chunkStart(_ node: Node, of number: Int) -> Int? {
        var start = 0
        while start + 4 <= node.log.count, node.log[start] >= 4 {
            if Int(node.log[start + 2]) | Int(node.log[start + 3]) << 8 == number { return start }
            start += Int(node.log[start])
        }
        return nil
    }

    private func append(_ node: Node, _ number: Int) {
        let length = 4 + random.below(random.chance(10) ? 200 : 30)
        node.log.append(UInt8(length))
        node.log.append(UInt8(truncatingIfNeeded: node.primary!.term))
        node.log.append(UInt8(number & 255))
        node.log.append(UInt8(number >> 8))
        for _ in 4..<length { node.log.append(0) }
        node.consumed = node.log.count
    }

    // MARK: - What leaves

    func checkOneVoice(_ node: Node) {
        guard node.canSend(now) else { return }
        for other in nodes where other !== node && other.canSend(now) {
            return fail("one voice: nodes \(other.index) and \(node.index) can send")
        }
        // A node that slept may go live in vain: then the gate is closed already, and nothing can leave.
        guard !node.isProven else { return }
        node.isProven = true
        for output in left where !node.has(output) {
            // Without a store a primary that dies as soon as it has dropped a replica cannot say so any more: nothing is promised then.
            if !schedule.options.hasStore, seen["dropped"] != nil { return client.isExcused = true }
            return fail(
                "no lost output: node \(node.index) is live without output \(output.number) at \(output.position)")
        }
    }

    func leave(_ node: Node, _ output: Output) {
        guard node.canSend(now) else { return }
        if schedule.options.hasStore {
            if store.record.holder != node.id {
                return fail("one voice: an output left node \(node.index), which does not hold the lease")
            }
            for other in nodes
            where other.replica != nil && store.record.members.contains(other.id) && !other.has(output) {
                return fail(
                    "no lost output: output \(output.number) left, and node \(other.index), which may take over, lacks it"
                )
            }
        }
        left.append(output)
        guard !node.isClientCut(now) else { return }
        queue.push(now + random.in(delay), .answer(output.number, output.count))
    }

    // MARK: - The client

    func retryRequest() {
        queue.push(now + random.in(10_000...40_000), .clientRetry)
        for node in nodes where !node.isClientCut(now) {
            queue.push(now + random.in(delay), .request(node.index, client.number))
        }
        if client.isHealed { client.sentAfterHealing = true }
    }

    func answer(_ number: Int, _ count: Int) {
        if number > client.number { return fail("one history: an answer to request \(number), which was not made") }
        if count != number {
            return fail("one history: the program has done \(count) requests when it answers request \(number)")
        }
        guard number == client.number else { return }
        client.number += 1
        if client.isHealed, client.sentAfterHealing { client.answersAfterHealing += 1 }
        if random.chance(70) {
            for node in nodes where !node.isClientCut(now) {
                queue.push(now + random.in(delay), .request(node.index, client.number))
            }
        }
    }
}
