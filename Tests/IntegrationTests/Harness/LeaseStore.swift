/// etcd on a machine of its own, with a directory that goes away. Nothing of it is left behind.
import Foundation

final class LeaseStore {
    private let server: Child
    /// For `--lease`.
    let address: String

    /// In memory: a disk that other tests write to is no part of what is tested.
    init(_ hosts: Hosts, _ workspace: Workspace) throws {
        let host = hosts.store!
        let client = "http://\(Hosts.storeAddress):2379"
        let peer = "http://\(Hosts.storeAddress):2380"
        server = try Child(
            Hosts.on(host) + [
                "unshare", "-m", "sh", "-c", "mount -t tmpfs none \"$0\" && exec \"$@\"",
                try workspace.makeDirectory("store"),
                "etcd", "--data-dir", workspace("store/data"), "--listen-client-urls", client,
                "--advertise-client-urls", client,
                "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster",
                "default=\(peer)",
            ])
        address = "etcd://\(Hosts.storeAddress):2379/service"
        _ = try server.line(containing: "ready to serve client requests", inErrors: true)
    }

    deinit { server.kill() }
}
