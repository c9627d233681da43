/// Which processes have a connection of the program's: the runtime counts (Heirs.swift there).
import CTSXShim

enum Connections {
    /// Processes that may have it, the one that has opened it first.
    static func holders(_ connection: UnsafeMutablePointer<castor_connection>) -> [UInt32] {
        [connection.pointee.pid] + heirs(connection).compactMap { word in
            let id = UInt32(castor_load(word) >> 32)
            return id == 0 || id >= CASTOR_UNBORN ? nil : id
        }
    }

    /// A process is gone. Whether it had the connection, and no other has.
    static func leave(_ connection: UnsafeMutablePointer<castor_connection>, _ pid: UInt32) -> Bool {
        var had = false
        if connection.pointee.pid == pid { had = castor_exchange32(castor_connection_references(connection), 0) != 0 }
        for word in heirs(connection) {
            let seen = castor_load(word)
            if seen >> 32 == UInt64(pid), castor_cas64(word, seen, 0) != 0 { had = true }
        }
        return had && castor_load32(castor_connection_references(connection)) == 0
            && heirs(connection).allSatisfy { UInt32(truncatingIfNeeded: castor_load($0)) == 0 }
    }

    private static func heirs(_ connection: UnsafeMutablePointer<castor_connection>) -> [UnsafeMutablePointer<UInt64>] {
        (0..<Int(CASTOR_HEIRS)).map { castor_connection_heirs(connection) + $0 }
    }
}
