import Testing

@testable import CastorStandby

@Suite struct RejoinPatienceTests {
    @Test func pausesGrow() {
        var patience = RejoinPatience()
        let pauses = (0..<8).map { _ in patience.decide(at: nil, lasted: 0) }
        #expect(pauses == [1, 2, 4, 8, 16, 32, 60, 60].map { .pause(seconds: $0) })
    }

    /// A replica that stood by for long has begun well.
    @Test func startsAnew() {
        var patience = RejoinPatience()
        _ = patience.decide(at: nil, lasted: 0)
        _ = patience.decide(at: nil, lasted: 60)
        #expect(patience.decide(at: nil, lasted: 61) == .pause(seconds: 1))
    }

    @Test func givesUpAtTheSamePlaceOnly() {
        var patience = RejoinPatience()
        let place = ReplayPlace(stream: 1, event: 7)
        for event in 0..<UInt64(RejoinPatience.limit - 1) {
            #expect(patience.decide(at: place, lasted: 0) != .giveUp(place))
            #expect(patience.decide(at: ReplayPlace(stream: 1, event: event), lasted: 0) != .giveUp(place))
        }
        #expect(patience.decide(at: place, lasted: 1000) == .giveUp(place))
    }
}
