/// The compiler plugins, by their own tests.
import Testing

extension Integration {
    @Suite struct PassTests {
        @Test func plugins() throws {
            let result = try Child(["\(Repository.root)/Pass/Tests/run"]).wait()
            #expect(result.status == 0, "\(result.outputText)\(result.errorText)")
        }
    }
}
