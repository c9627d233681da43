/// A standby whose log ends in the midst of something: the primary's rings held the rest when it died.
import CTSXShim
import CastorLog
import Foundation
import Testing

extension Integration {
    @Suite struct CutLogTests {
        /// A thread has taken a mutex, and what it did then is not in the log; that another one took the mutex next is. So the standby
        /// waits for an unlock that its log does not lead to. It takes the other thread's lock back, and goes live.
        @Test func lockWithoutItsUnlock() throws {
            let workspace = try Workspace()
            let words = [try Repository.guest("handover")]
            let recording = try Recording.make(words, in: workspace)
            workspace.expect(recording.outcome.outputText == "the second has it\ndone\n", "\(recording.outcome)")
            try CutLogTests.copy(workspace("log"), to: workspace("cut")) { stream, entry in
                switch stream {
                case 0: entry.kind == CASTOR_EV_SYMBOL && entry.nr == CASTOR_SYM_pthread_join
                case 1: entry.kind == CASTOR_EV_SYSCALL && [35, 230].contains(entry.nr)  // nanosleep, clock_nanosleep
                default: false
                }
            }
            let standby = try workspace.startCastor(["standby", workspace("cut")])
            _ = try ProcessTree.program(words[0], under: standby, threads: 3)
            standby.send(SIGUSR1)
            let outcome = try standby.wait(timeout: 30)
            workspace.expect(outcome.status == 0 && outcome.outputText == "the second has it\ndone\n", "\(outcome)")
            let replayed = try workspace.castor(["replay", "-q", workspace("cut")])
            workspace.expect(replayed.status == 0 && replayed.outputText == outcome.outputText, "\(replayed)")
        }

        /// Without what comes, in a stream, from the first event on for which `isCut`; and without an ending.
        private static func copy(_ log: String, to other: String, _ isCut: (UInt32, castor_entry) -> Bool) throws {
            let reader = try LogReader(directory: log)
            let writer = try LogWriter(directory: other, manifest: reader.manifest)
            var cut: Set<UInt32> = []
            while let chunk = try reader.nextChunk() {
                for run in chunk.runs {
                    guard let decoder = chunk.decoder(stream: run.stream) else { continue }
                    var entry = castor_entry()
                    while let payload = try decoder.next(&entry) {
                        if isCut(run.stream, entry) { cut.insert(run.stream) }
                        if cut.contains(run.stream) { continue }
                        try writer.append(stream: run.stream, &entry, payload: payload)
                    }
                }
            }
            try writer.flush()
            try writer.settle()
        }
    }
}
