/// Where each `castor ft` that runs has a socket, PID.sock, at which it tells how it stands: the user's runtime directory, or root's,
/// or one in /tmp. Whoever else may write there could pretend to be one.
import CastorLog
import Glibc

enum RuntimeDirectory {
    /// Where they may be, the first being the best. The environment's CASTOR_RUNTIME_DIR stands alone.
    private static var places: [String] {
        if let own = environment("CASTOR_RUNTIME_DIR") { return [own] }
        var places = environment("XDG_RUNTIME_DIR").map { ["\($0)/castor"] } ?? []
        places.append("/run/castor")
        if geteuid() == 0 { return places }
        return places + ["/tmp/castor-\(geteuid())"]
    }

    private static func environment(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }.flatMap { $0.hasPrefix("/") ? $0 : nil }
    }

    /// For this process; nil when there is no place for it.
    static func makeSocket() -> String? {
        let place = places.first { place in
            mkdir(place, 0o700)
            return isSafe(place, for: geteuid()) && access(place, W_OK | X_OK) == 0
        }
        return place.map { "\($0)/\(getpid()).sock" }
    }

    /// Sockets of all whom this user may ask.
    static func sockets() -> [String] {
        places.filter { isSafe($0, for: geteuid()) }.flatMap { place in
            LogStore.names(in: place).filter { $0.hasSuffix(".sock") }.sorted { $0.count == $1.count ? $0 < $1 : $0.count < $1.count }
                .map { "\(place)/\($0)" }
        }
    }

    /// A directory of the user's own that is nobody else's. A service's may be another's; root may look into it.
    private static func isSafe(_ place: String, for user: uid_t) -> Bool {
        var status = stat()
        guard lstat(place, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, status.st_mode & 0o077 == 0 else { return false }
        return status.st_uid == user || user == 0
    }
}
