/// Taking a version in a hardware transaction: its abort and fallback paths, by injection (few machines have RTM).
import CTSXShim
import Testing

nonisolated(unsafe) private var statuses: [UInt32] = []
nonisolated(unsafe) private var begun = 0
nonisolated(unsafe) private var ended = 0

private let started: UInt32 = 0xffff_ffff
private let mayRetry: UInt32 = 2
private let cannotSucceed: UInt32 = 0

@Suite(.serialized) struct TransactionTests {
    private func take(_ word: inout UInt64, _ plan: [UInt32]) -> UInt64 {
        (statuses, begun, ended) = (plan, 0, 0)
        return castor_take_in_transaction(
            &word,
            {
                defer { begun += 1 }
                return begun < statuses.count ? statuses[begun] : 2
            }, { ended += 1 })
    }

    @Test func commits() {
        var word: UInt64 = 41
        #expect(take(&word, [started]) == 41)
        #expect(word == 42 && begun == 1 && ended == 1)
    }

    @Test func triesAgainAfterAConflict() {
        var word: UInt64 = 7
        #expect(take(&word, [mayRetry, mayRetry, started]) == 7)
        #expect(word == 8 && begun == 3 && ended == 1)
    }

    @Test func fallsBackWhenConflictsGoOn() {
        var word: UInt64 = 7
        #expect(take(&word, [mayRetry, mayRetry, mayRetry, started]) == 7)
        #expect(word == 8 && begun == 3 && ended == 0)
    }

    @Test func fallsBackAtOnceWhenTryingAgainIsUseless() {
        var word: UInt64 = 7
        #expect(take(&word, [cannotSucceed, started]) == 7)
        #expect(word == 8 && begun == 1 && ended == 0)
    }

    @Test func selfTestNeedsTheInstructions() {
        if castor_cpu_has_rtm() == 0 { #expect(castor_rtm_self_test() == 0) }
        if castor_rtm_self_test() != 0 {
            var word: UInt64 = 0
            for i in 0..<10_000 { #expect(castor_rtm_take(&word) == UInt64(i)) }
        }
    }
}
