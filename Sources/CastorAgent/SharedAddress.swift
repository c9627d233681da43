/// The address that clients know, which moves to whoever is live: put on an interface by netlink, and announced, so that neighbours
/// forget the machine that had it before. IPv4.
import CastorLog
import CastorTCP
import Glibc

struct SharedAddress {
    /// In network byte order.
    let address: UInt32
    /// Bits of the network's prefix.
    let length: UInt8
    let device: String

    enum Failure: Error, CustomStringConvertible {
        case text(String)
        var description: String { switch self { case .text(let text): text } }
    }

    /// From `10.0.0.7/24`.
    init(_ text: String, device: String) throws(Failure) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        var parsed = in_addr()
        guard parts.count <= 2, inet_pton(AF_INET, String(parts[0]), &parsed) == 1 else {
            throw .text("'\(text)' is no IPv4 address")
        }
        guard let length = parts.count == 2 ? UInt8(parts[1]) : 32, length <= 32 else {
            throw .text("'\(text)': the prefix has a length from 0 to 32")
        }
        (address, self.length, self.device) = (parsed.s_addr, length, device)
    }

    /// Puts it on the interface, if it is not there yet, and tells the neighbours.
    func take() throws(Failure) {
        let index = if_nametoindex(device)
        guard index != 0 else { throw .text("there is no network interface \(device)") }
        try add(to: index)
        try announce(on: index)
    }

    /// Where only the processes of the last machine have died its kernel may still speak for the address, and lead neighbours back: they
    /// are told again, for some seconds, by a thread of its own.
    func announceAgain() {
        Thread.start {
            for pause: UInt32 in [50, 150, 300, 500, 1000, 3000] {
                usleep(pause * 1000)
                let index = if_nametoindex(device)
                if index != 0 { try? announce(on: index) }
            }
        }
    }

    // MARK: - rtnetlink(7)

    private func add(to index: UInt32) throws(Failure) {
        let link = socket(AF_NETLINK, Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)  // NETLINK_ROUTE
        guard link >= 0 else { throw failure("netlink") }
        defer { close(link) }
        var body: [UInt8] = [UInt8(AF_INET), length, 0, 0]  // struct ifaddrmsg: family, prefix, flags, scope
        body.append(native: index)
        for type: UInt16 in [1, 2] {  // IFA_ADDRESS, IFA_LOCAL
            body.append(native: UInt16(8))
            body.append(native: type)
            body.append(native: address)
        }
        var message: [UInt8] = []
        message.append(native: UInt32(16 + body.count))
        message.append(native: UInt16(20))  // RTM_NEWADDR
        message.append(native: UInt16(0x1 | 0x4 | 0x100 | 0x400))  // NLM_F_REQUEST, ACK, REPLACE, CREATE
        message.append(native: UInt32(1))
        message.append(native: UInt32(0))
        guard send(link, message + body, message.count + body.count, 0) > 0 else { throw failure("netlink") }
        var answer = [UInt8](repeating: 0, count: 1024)
        let n = recv(link, &answer, answer.count, 0)
        // struct nlmsgerr after the header: 0, or a negative error number.
        guard n >= 20 else { throw failure("netlink") }
        let code = answer.withUnsafeBytes { $0.load(fromByteOffset: 16, as: Int32.self) }
        if code != 0 {
            errno = -code
            throw failure("the address cannot be taken over")
        }
    }

    // MARK: - ARP (RFC 826, RFC 5227)

    /// "This address is at this machine", once asked for and once told, which between them all neighbours believe.
    private func announce(on index: UInt32) throws(Failure) {
        let link: PacketSocket
        do throws(TCPFailure) {
            link = try PacketSocket(hasHeader: false)
            try link.bind(toKind: SharedAddress.arp, on: index)
        } catch { throw .text("\(error)") }
        guard let own = link.station else { return }  // no Ethernet, no neighbours
        for operation: UInt8 in [1, 2] {
            var packet: [UInt8] = [0, 1, 8, 0, 6, 4, 0, operation]  // Ethernet, IPv4
            packet += own
            packet.append(native: address)
            packet += operation == 1 ? [0, 0, 0, 0, 0, 0] : own
            packet.append(native: address)
            guard link.send(packet, ofKind: SharedAddress.arp, on: index, to: SharedAddress.all) else {
                throw failure("the address cannot be announced")
            }
        }
    }

    private static let arp: Int32 = 0x0806  // ETH_P_ARP
    private static let all = [UInt8](repeating: 0xff, count: 6)

    private func failure(_ what: String) -> Failure { .text("\(what): \(String(cString: strerror(errno)))") }
}

extension [UInt8] {
    fileprivate mutating func append<T: FixedWidthInteger>(native value: T) {
        Swift.withUnsafeBytes(of: value) { append(contentsOf: $0) }
    }
}
