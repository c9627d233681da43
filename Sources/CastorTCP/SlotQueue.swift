/// The numbers of free slots, of which the one given back longest ago is taken first: the kernel may still be at work
/// with those of a moment ago.
struct SlotQueue {
    private let count: Int
    /// Slots from here on were never taken.
    private var fresh = 0
    private var returned: [Int] = []
    /// Of `returned`: those before were taken.
    private var head = 0

    init(count: Int) { self.count = count }

    /// nil when none is free. `forget` is called with one that was in use before.
    mutating func take(_ forget: (Int) -> Void) -> Int? {
        if fresh < count {
            fresh += 1
            return fresh - 1
        }
        guard head < returned.count else { return nil }
        let index = returned[head]
        head += 1
        if head > count {
            returned.removeFirst(head)
            head = 0
        }
        forget(index)
        return index
    }

    mutating func give(_ index: Int) { returned.append(index) }
}
