/// A chunk that nothing is added to any more, on its way to the file. One thread has it at a time.
final class SealedChunk: @unchecked Sendable {
    /// Type, counts and stamps; what depends on the chunks before is filled in when they have been written.
    var header: ChunkHeader
    let runs: [Run]
    let body: Buffer
    /// Its place among the chunks: set by `ChunkQueue`.
    var ticket: UInt64 = 0

    /// Takes over `body`.
    init(_ type: ChunkType, runs: [Run] = [], body: Buffer) {
        header = ChunkHeader(type: type, number: 0, firstEvent: 0, previous: 0)
        self.runs = runs
        self.body = body
    }
}
