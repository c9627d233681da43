/// The gate as the kernel sees it: a BPF object (libbpf) whose maps are memory of this process, too, and its place
/// among an interface's classifiers.
import CBpf
import Glibc

struct GateObject: @unchecked Sendable {
    let control: UnsafeMutablePointer<castor_gate_control>
    let flows: UnsafeMutablePointer<castor_gate_flow>
    let slots: Map, early: Map, openings: Map
    private let object: OpaquePointer
    /// For what leaves, and for what comes in.
    private let out: Int32, `in`: Int32
    private let answersMap: Int32
    private let frames: Map

    /// libbpf writes to standard error otherwise; what matters of that is the error number.
    static func silence() { _ = libbpf_set_print(nil) }

    init(path: String) throws(TCPFailure) {
        guard let object = bpf_object__open(path) else { throw TCPFailure("the gate \(path) cannot be read") }
        do throws(TCPFailure) {
            guard bpf_object__load(object) == 0 else { throw TCPFailure("the kernel does not take the gate \(path)") }
            guard let out = bpf_object__find_program_by_name(object, GateObject.programName),
                let `in` = bpf_object__find_program_by_name(object, "castor_gate_in"),
                let answers = bpf_object__find_map_by_name(object, "gate_answers")
            else { throw TCPFailure("\(path) is no gate of this version") }
            (self.out, self.in, answersMap) = (bpf_program__fd(out), bpf_program__fd(`in`), bpf_map__fd(answers))
            slots = try Map(
                object, "gate_slots", key: MemoryLayout<castor_gate_key>.size, value: MemoryLayout<UInt32>.size)
            early = try Map(
                object, "gate_early", key: MemoryLayout<castor_gate_key>.size,
                value: MemoryLayout<castor_gate_track>.size)
            openings = try Map(
                object, "gate_openings", key: MemoryLayout<castor_gate_key>.size,
                value: MemoryLayout<castor_gate_opening>.size)
            frames = try Map(
                object, "gate_frames", key: MemoryLayout<castor_gate_key>.size, value: MemoryLayout<castor_gate_frame>.size)
            control = try GateObject.memory(of: object, "gate_control", count: 1)
            flows = try GateObject.memory(of: object, "gate_flows", count: Int(CASTOR_GATE_FLOWS))
        } catch {
            bpf_object__close(object)
            throw error
        }
        self.object = object
    }

    /// What is attached stays attached.
    func close() {
        munmap(control, GateObject.length(of: castor_gate_control.self, 1))
        munmap(flows, GateObject.length(of: castor_gate_flow.self, Int(CASTOR_GATE_FLOWS)))
        bpf_object__close(object)
    }

    /// A map that is not memory. All calls may come from several threads.
    struct Map {
        private let descriptor: Int32

        fileprivate init(_ object: OpaquePointer, _ name: String, key: Int, value: Int) throws(TCPFailure) {
            guard let map = bpf_object__find_map_by_name(object, name), Int(bpf_map__key_size(map)) == key,
                Int(bpf_map__value_size(map)) == value
            else { throw TCPFailure("the gate has no map \(name) of this version") }
            descriptor = bpf_map__fd(map)
        }

        func set<Value: BitwiseCopyable>(_ key: castor_gate_key, to value: Value) -> Bool {
            withUnsafePointer(to: key) { key in
                withUnsafePointer(to: value) { bpf_map_update_elem(descriptor, key, $0, UInt64(BPF_ANY)) == 0 }
            }
        }

        func value<Value: BitwiseCopyable>(_ key: castor_gate_key, initial: Value) -> Value? {
            var value = initial
            let isFound = withUnsafePointer(to: key) { key in
                withUnsafeMutablePointer(to: &value) { bpf_map_lookup_elem(descriptor, key, $0) == 0 }
            }
            return isFound ? value : nil
        }

        /// All of a map of at most `most`, in a few system calls.
        func all<Value: BitwiseCopyable>(most: Int, initial: Value) -> [Value] {
            var values: [Value] = []
            var (last, next) = (UInt32(0), UInt32(0))
            let some = 256
            let keys = UnsafeMutablePointer<castor_gate_key>.allocate(capacity: some)
            let room = UnsafeMutablePointer<Value>.allocate(capacity: some)
            room.initialize(repeating: initial, count: some)
            defer {
                keys.deallocate()
                room.deallocate()
            }
            var isFirst = true
            while values.count < most {
                var count = UInt32(some)
                // ENOENT: these are the last. ENOSPC: more than `some` have one place in the map's table, which does not happen.
                let code = withUnsafeMutablePointer(to: &last) {
                    bpf_map_lookup_batch(descriptor, isFirst ? nil : $0, &next, keys, room, &count, nil)
                }
                if code != 0, code != -ENOENT { return values }
                for i in 0..<Int(count) { values.append(room[i]) }
                if code != 0 { return values }
                (last, isFirst) = (next, false)
            }
            return values
        }

        func remove(_ key: castor_gate_key) { withUnsafePointer(to: key) { _ = bpf_map_delete_elem(descriptor, $0) } }
    }

    private static func memory<T>(of object: OpaquePointer, _ name: String, count: Int) throws(TCPFailure)
        -> UnsafeMutablePointer<T>
    {
        guard let map = bpf_object__find_map_by_name(object, name),
            Int(bpf_map__value_size(map)) == MemoryLayout<T>.stride,
            Int(bpf_map__max_entries(map)) == count
        else { throw TCPFailure("the gate has no memory \(name) of this version") }
        let start = mmap(nil, length(of: T.self, count), PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0)
        guard let start, start != MAP_FAILED else { throw TCPFailure("the gate's memory \(name)") }
        return start.bindMemory(to: T.self, capacity: count)
    }

    private static func length<T>(of: T.Type, _ count: Int) -> Int {
        let page = sysconf(Int32(_SC_PAGESIZE))
        return (count * MemoryLayout<T>.stride + page - 1) / page * page
    }

    // MARK: - Answers to SYNs

    /// Those that the gate has held back. Used by one thread at a time.
    final class Answers {
        private var ring: OpaquePointer?
        private var taken: [castor_gate_answer] = []

        fileprivate init(map: Int32) throws(TCPFailure) {
            ring = ring_buffer__new(
                map,
                { answers, record, length in
                    if length >= MemoryLayout<castor_gate_answer>.size {
                        let answer = record!.loadUnaligned(as: castor_gate_answer.self)
                        Unmanaged<Answers>.fromOpaque(answers!).takeUnretainedValue().taken.append(answer)
                    }
                    return 0
                }, Unmanaged.passUnretained(self).toOpaque(), nil)
            guard ring != nil else { throw TCPFailure("the gate's answers") }
        }

        deinit { ring_buffer__free(ring) }

        /// Waits for the first, at most `milliseconds`.
        func take(milliseconds: Int32) -> [castor_gate_answer] {
            ring_buffer__poll(ring, milliseconds)
            defer { taken = [] }
            return taken
        }
    }

    /// What has been collected.
    func collected() -> [castor_gate_frame] { frames.all(most: Int(CASTOR_GATE_FRAMES), initial: castor_gate_frame()) }

    func answers() throws(TCPFailure) -> Answers { try Answers(map: answersMap) }

    // MARK: - The place on the interface

    /// Gates of several shared addresses stand one after the other.
    static let places: ClosedRange<UInt32> = 0xca50...0xca5f
    private static let programName = "castor_gate"

    private static func hook(_ device: UInt32, _ point: bpf_tc_attach_point = BPF_TC_EGRESS) -> bpf_tc_hook {
        var hook = bpf_tc_hook()
        // To the end of the last field: behind it, copies made by Swift need not have the zeros that libbpf asks for.
        hook.sz = MemoryLayout.offset(of: \bpf_tc_hook.parent)! + MemoryLayout<UInt32>.size
        hook.ifindex = Int32(device)
        hook.attach_point = point
        return hook
    }

    private static func options(place: UInt32) -> bpf_tc_opts {
        var options = bpf_tc_opts()
        options.sz = MemoryLayout.offset(of: \bpf_tc_opts.priority)! + MemoryLayout<UInt32>.size
        options.handle = 1
        options.priority = place
        return options
    }

    /// Attaches the gate, in the place of one of the same address if there is one; returns the place.
    func attach(to device: UInt32, named name: String, place: UInt32) throws(TCPFailure) {
        // What SYNs say is noted before an answer to one is looked at.
        for (program, point) in [(`in`, BPF_TC_INGRESS), (out, BPF_TC_EGRESS)] {
            var hook = GateObject.hook(device, point)
            var options = GateObject.options(place: place)
            options.prog_fd = program
            options.flags = BPF_TC_F_REPLACE.rawValue
            let attached = bpf_tc_attach(&hook, &options)
            guard attached == 0 else { throw TCPFailure("attaching the gate to \(name)", code: -attached) }
        }
    }

    static func detach(from device: UInt32, named name: String, place: UInt32) throws(TCPFailure) {
        for point in [BPF_TC_EGRESS, BPF_TC_INGRESS] {
            var hook = hook(device, point)
            var options = options(place: place)
            let code = bpf_tc_detach(&hook, &options)
            guard code == 0 || code == -ENOENT || code == -ENODEV else {
                throw TCPFailure("taking the gate off \(name)", code: -code)
            }
        }
    }

    /// Makes room for classifiers on what leaves by the interface and comes in; there may be some.
    static func prepare(_ device: UInt32, named name: String) throws(TCPFailure) {
        var hook = hook(device)
        let code = bpf_tc_hook_create(&hook)
        guard code == 0 || code == -EEXIST else { throw TCPFailure("a classifier on \(name)", code: -code) }
    }

    /// Where on the interface a gate of this address stands, and what it was told; or where there is room for one.
    static func place(for address: UInt32, on device: UInt32, named name: String) throws(TCPFailure) -> (
        place: UInt32, predecessor: castor_gate_control?
    ) {
        var free: UInt32?
        for place in places {
            var hook = hook(device)
            var options = options(place: place)
            if bpf_tc_query(&hook, &options) != 0 {
                free = free ?? place
            } else if let control = control(ofProgram: options.prog_id), control.address == address {
                return (place, control)
            }
        }
        guard let free else { throw TCPFailure("there are \(places.count) gates on \(name) already") }
        return (free, nil)
    }

    /// The memory of an attached gate; nil when the program is none.
    private static func control(ofProgram number: UInt32) -> castor_gate_control? {
        let program = bpf_prog_get_fd_by_id(number)
        guard program >= 0 else { return nil }
        defer { Glibc.close(program) }
        var maps = [UInt32](repeating: 0, count: 8)
        var info = bpf_prog_info()
        var length = UInt32(MemoryLayout<bpf_prog_info>.size)
        info.nr_map_ids = UInt32(maps.count)
        let isRead = maps.withUnsafeMutableBufferPointer {
            info.map_ids = UInt64(UInt(bitPattern: $0.baseAddress))
            return bpf_obj_get_info_by_fd(program, &info, &length) == 0
        }
        guard isRead, name(info.name) == programName else { return nil }
        for map in maps.prefix(Int(info.nr_map_ids)) {
            let descriptor = bpf_map_get_fd_by_id(map)
            guard descriptor >= 0 else { continue }
            defer { Glibc.close(descriptor) }
            var mapInfo = bpf_map_info()
            var length = UInt32(MemoryLayout<bpf_map_info>.size)
            guard bpf_obj_get_info_by_fd(descriptor, &mapInfo, &length) == 0, name(mapInfo.name) == "gate_control",
                Int(mapInfo.value_size) == MemoryLayout<castor_gate_control>.size
            else { continue }
            var key: UInt32 = 0
            var control = castor_gate_control()
            if bpf_map_lookup_elem(descriptor, &key, &control) == 0 { return control }
        }
        return nil
    }

    private static func name<T>(_ characters: T) -> String {
        withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}
