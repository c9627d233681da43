/// Programs whose threads or processes meet in atomics: castor does not see those, so a replay may leave the recording.
/// It must then say where and why. It must neither hang nor end as if all were well.
import Foundation
import Testing

extension Recording {
    /// Whether each replay was exact. One that was not has to be a divergence that names thread, event and cause.
    @discardableResult
    func expectSameOrNamed(
        orders: [ReplayOrder] = [.partial], timeout: Double = 120, location: SourceLocation = #_sourceLocation
    ) -> [Bool] {
        expectReadable(location: location)
        return orders.map { order in
            do {
                let again = try replay(order, timeout: timeout)
                let differences = self.differences(to: again)
                if differences.isEmpty { return true }
                if again.status != 70 || !Recording.isNamed(again.errorText) {
                    fail(order, ["no divergence that is named"] + differences, again.errorText, location)
                }
            } catch {
                fail(order, ["\(error)"], "", location)
            }
            return false
        }
    }

    /// A report as README.md shows it.
    static func isNamed(_ report: String) -> Bool {
        report.contains(/castor: divergence: .+ in thread \d+ at event \d+/)
            && report.contains(/\n  expected: ./) && report.contains(/\n  actual:   ./)
            && report.contains(/\n  probably: ./)
    }
}
