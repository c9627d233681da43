/// Links between nodes: in order, late, and broken at any time with the tail lost. What is sent into a cut arrives when it ends, as TCP has
/// it, unless the link breaks before.

@testable import CastorStandby

enum Item {
    case opened
    case frame(Frame)
    /// A piece of a frame.
    case bytes([UInt8])
    case end
}

final class SimulatedLink {
    let number: Int
    /// The replica that opened it, and the node that it was opened to.
    let ends: (Int, Int)
    let runs: (Int, Int)
    /// On the way: to the first node, to the second.
    var items: [[Item]] = [[], []]
    var due: [Microseconds] = [0, 0]
    /// Each side has it open.
    var isOpen = [true, true]
    /// Nothing more gets in.
    var isBroken = false
    var writers = [FrameWriter(), FrameWriter()]
    var readers = [FrameReader(), FrameReader()]
    var lastReceived: Position = 0
    var lastConsumed: Position = 0

    init(number: Int, ends: (Int, Int), runs: (Int, Int)) {
        self.number = number
        self.ends = ends
        self.runs = runs
    }

    func side(_ node: Node) -> Int? {
        if ends.0 == node.index, runs.0 == node.run { return 0 }
        if ends.1 == node.index, runs.1 == node.run { return 1 }
        return nil
    }
}

extension Node {
    func isClientCut(_ now: Microseconds) -> Bool { now < clientCutUntil }
}

extension Simulator {
    /// Opens a link to some node that is a primary, or believes so.
    func connect(_ node: Node) {
        let others = nodes.filter { $0 !== node && $0.primary != nil }
        guard !others.isEmpty else { return }
        let other = random.of(others)
        guard cutUntil(node.index, other.index) <= now, cutUntil(other.index, node.index) <= now else { return }
        let link = SimulatedLink(number: links.count, ends: (node.index, other.index), runs: (node.run, other.run))
        links.append(link)
        push(link, 1, .opened)
        push(link, 0, .opened)
    }

    func send(_ node: Node, _ message: Message, _ epoch: UInt64, _ link: Link) {
        let link = links[link]
        guard let side = link.side(node), link.isOpen[side] else { return }
        if case .acknowledgement(let it) = message {
            if it.received < link.lastReceived || it.consumed < link.lastConsumed {
                fail("no way back: \(it) after \(link.lastReceived)")
            }
            (link.lastReceived, link.lastConsumed) = (it.received, it.consumed)
            if it.received > node.log.count || it.consumed > node.consumed { fail("no way back: \(it) is not true") }
        }
        guard schedule.sendsBytes else {
            return push(link, 1 - side, .frame(Frame(epoch: epoch, sequence: 0, message: message)))
        }
        var bytes = link.writers[side].bytes(of: message, epoch: epoch)[...]
        while !bytes.isEmpty {
            let count = random.chance(70) ? bytes.count : 1 + random.below(bytes.count)
            push(link, 1 - side, .bytes(Array(bytes.prefix(count))))
            bytes = bytes.dropFirst(count)
        }
    }

    func sendLog(_ node: Node, _ from: Position, _ to: Position, _ epoch: UInt64, _ link: Link) {
        var from = Int(from)
        while from < to {
            let next = min(Int(to), from + 1 + random.below(100))
            send(node, .log(position: UInt64(from), bytes: Array(node.log[from..<next])), epoch, link)
            from = next
        }
    }

    func disconnect(_ node: Node, _ link: Link) {
        let link = links[link]
        guard let side = link.side(node), link.isOpen[side] else { return }
        link.isOpen[side] = false
        push(link, 1 - side, .end)
    }

    private func push(_ link: SimulatedLink, _ direction: Int, _ item: Item) {
        guard !link.isBroken else { return }
        link.items[direction].append(item)
        link.due[direction] = max(link.due[direction], now + random.in(delay))
        queue.push(link.due[direction], .deliver(link.number, direction))
    }

    func deliver(_ link: SimulatedLink, _ direction: Int) {
        let (from, to) = direction == 0 ? (link.ends.1, link.ends.0) : (link.ends.0, link.ends.1)
        guard !link.items[direction].isEmpty else { return }
        let cut = cutUntil(from, to)
        if cut > now { return queue.push(cut + random.in(delay), .deliver(link.number, direction)) }
        let item = link.items[direction].removeFirst()
        let node = nodes[to]
        guard link.isOpen[direction], link.side(node) == direction else { return }
        switch item {
        case .opened:
            if node.primary != nil {
                step(node, PrimaryMachine.Input.opened(link.number))
            } else {
                step(node, ReplicaMachine.Input.opened(link.number))
            }
        case .frame(let frame): receive(node, frame, link)
        case .bytes(let bytes):
            link.readers[direction].append(bytes)
            do throws(FrameError) {
                while let frame = try link.readers[direction].next() { receive(node, frame, link) }
            } catch {
                fail("a frame was damaged: \(error)")
            }
        case .end:
            link.isOpen[direction] = false
            if node.primary != nil {
                step(node, PrimaryMachine.Input.closed(link.number))
            } else {
                step(node, ReplicaMachine.Input.closed(link.number))
            }
        }
    }

    private func receive(_ node: Node, _ frame: Frame, _ link: SimulatedLink) {
        if node.primary != nil {
            step(node, PrimaryMachine.Input.received(frame, link.number))
        } else {
            step(node, ReplicaMachine.Input.received(frame, link.number))
        }
    }

    /// The link breaks: some of what is on the way is lost, and then each side hears of it, or does not.
    func breakLink(_ link: SimulatedLink, isQuiet: Bool = false) {
        guard !link.isBroken else { return }
        for direction in 0...1 {
            let kept = random.below(link.items[direction].count + 1)
            link.items[direction].removeSubrange(kept...)
            if !isQuiet { push(link, direction, .end) }
        }
        link.isBroken = true
    }

    func cutLinks(_ node: Node, isQuiet: Bool) {
        for link in links where !link.isBroken && (link.ends.0 == node.index || link.ends.1 == node.index) {
            breakLink(link, isQuiet: isQuiet)
        }
    }

    func cutUntil(_ from: Int, _ to: Int) -> Microseconds { nodes[from].cutUntil[to] }
}
