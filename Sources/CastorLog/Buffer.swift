/// Memory that goes from thread to thread, and a store of it.

/// Owned by whoever holds the value.
struct Buffer {
    var base: UnsafeMutableRawPointer
    var capacity: Int
    var count = 0

    static func allocate(_ capacity: Int) -> Buffer {
        Buffer(base: .allocate(byteCount: capacity, alignment: 64), capacity: capacity)
    }
    func deallocate() { base.deallocate() }

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }
}

/// Raw memory that only grows.
struct Scratch: ~Copyable {
    private(set) var memory: UnsafeMutableRawPointer
    private(set) var capacity: Int

    init(capacity: Int) {
        memory = .allocate(byteCount: capacity, alignment: 64)
        self.capacity = capacity
    }

    deinit { memory.deallocate() }

    /// Makes room for `count` bytes; the content is lost.
    mutating func reserve(_ count: Int) {
        guard count > capacity else { return }
        memory.deallocate()
        capacity = max(count, capacity * 2)
        memory = .allocate(byteCount: capacity, alignment: 64)
    }

    /// Gives back memory that one large chunk needed.
    mutating func trim(to count: Int) {
        guard capacity > count else { return }
        memory.deallocate()
        capacity = count
        memory = .allocate(byteCount: capacity, alignment: 64)
    }
}
