/// Outputs that depend on a command: ioctl, fcntl, prctl and their like.
import CTSXGate
import CTSXShim

/// Argument `i` of the call has the role SPECIAL and the call succeeded.
@_noLocks func visitSpecial(_ f: Frame, _ i: Int, _ port: inout Port) {
    let a = argument(f, i)
    switch Int32(truncatingIfNeeded: f.pointee.nr) {
    case SYS_ioctl: if i == 2 { visitControl(f.pointee.a1 & 0xffff_ffff, a, &port) }
    case SYS_fcntl:
        switch f.pointee.a1 & 0xffff_ffff {
        case 5, 36: port.bytes(a, 32)  // F_GETLK, F_OFD_GETLK: struct flock
        case 16: port.bytes(a, 8)  // F_GETOWN_EX
        case 1035, 1037: port.bytes(a, 8)  // F_GET_RW_HINT, F_GET_FILE_RW_HINT
        default: break
        }
    case SYS_prctl:
        if i == 1 {
            switch f.pointee.a0 & 0xffff_ffff {
            case 2, 5, 9, 11, 19, 25, 37: port.bytes(a, 4)  // PR_GET_PDEATHSIG and other int results
            case 16: port.bytes(a, 16)  // PR_GET_NAME
            case 40: port.bytes(a, 8)  // PR_GET_TID_ADDRESS
            default: break
            }
        }
    case SYS_arch_prctl: if i == 1, f.pointee.a0 == 0x1003 || f.pointee.a0 == 0x1004 { port.bytes(a, 8) }
    case SYS_mincore: port.bytes(a, (f.pointee.a1 &+ 4095) / 4096)
    case SYS_get_mempolicy: port.bytes(a, (f.pointee.a2 &+ 62) / 64 &* 8)
    case SYS_semctl:
        switch f.pointee.a2 & 0xff {
        case 2, 18, 20: port.bytes(a, 104)  // IPC_STAT, SEM_STAT, SEM_STAT_ANY: struct semid_ds
        case 3, 19: port.bytes(a, 40)  // IPC_INFO, SEM_INFO: struct seminfo
        case 13: port.rest(a, port.direction == .load ? 0 : semaphores(f, port.direction == .measure) &* 2)  // GETALL
        default: break
        }
    case SYS_msgrcv: if i == 1 { port.bytes(a, 8 &+ UInt64(f.pointee.result)) }
    case SYS_msgctl:
        switch f.pointee.a1 & 0xff {
        case 2, 11, 13: port.bytes(a, 120)  // IPC_STAT, MSG_STAT, MSG_STAT_ANY: struct msqid_ds
        case 3, 12: port.bytes(a, 32)  // IPC_INFO, MSG_INFO: struct msginfo
        default: break
        }
    case SYS_shmctl:
        switch f.pointee.a1 & 0xff {
        case 2, 13, 15: port.bytes(a, 112)  // IPC_STAT, SHM_STAT, SHM_STAT_ANY: struct shmid_ds
        case 3: port.bytes(a, 72)  // IPC_INFO: struct shminfo
        case 14: port.bytes(a, 48)  // SHM_INFO: struct shm_info
        default: break
        }
    case SYS_keyctl: visitKey(f, &port)
    case SYS_quotactl: port.bytes(a, quotaOutput(f.pointee.a0 >> 8 & 0xff_ffff))
    case 443: port.bytes(a, quotaOutput(f.pointee.a1 >> 8 & 0xff_ffff))
    case SYS_sysfs where f.pointee.a0 == 2:  // the name behind an index
        let name = f.pointee.a2
        port.rest(
            name, port.direction == .load ? 0 : castor_length(memory(name).assumingMemoryBound(to: CChar.self)) &+ 1)
    case SYS_vmsplice:  // out of a pipe
        if port.direction == .load {
            port.vector(a, count: f.pointee.a2, bytes: port.reader.left)
        } else if kernel(SYS_fcntl, f.pointee.a0, 3) & 3 == 0 {
            port.vector(a, count: f.pointee.a2, bytes: UInt64(f.pointee.result))
        }
    case SYS_futex:
        switch f.pointee.a1 & 127 {
        case 5, 11, 12: port.bytes(f.pointee.a4, 4)  // FUTEX_WAKE_OP and the requeues to a PI lock: the second word
        case 6, 7, 8, 13: port.bytes(f.pointee.a0, 4)  // PI locks: the word itself
        default: break
        }
    case SYS_name_to_handle_at:
        if i == 2, a != 0 {
            port.bytes(a, 8 &+ UInt64(halves(a)[0]))
        } else {
            port.bytes(a, f.pointee.a4 & 1 != 0 ? 8 : 4)
        }
    case 464:  // getxattrat: {address, size} of the value
        if a != 0 { port.bytes(words(a)[0], min(UInt64(f.pointee.result), words(a)[1] & 0xffff_ffff)) }
    case SYS_timer_create: if i == 2 { port.bytes(a, 4) }
    case SYS_capget: if i == 1 { port.bytes(a, 24) }
    default: break
    }
}

/// What a call writes although it fails.
@_noLocks func visitFailed(_ f: Frame, _ port: inout Port) {
    switch (Int32(truncatingIfNeeded: f.pointee.nr), f.pointee.result) {
    case (SYS_select, Errno.interrupted), (SYS_pselect6, Errno.interrupted): port.bytes(f.pointee.a4, 16)  // time left
    case (SYS_ppoll, Errno.interrupted): port.bytes(f.pointee.a2, 16)
    case (SYS_capget, Errno.invalid), (SYS_capset, Errno.invalid): port.bytes(f.pointee.a0, 8)  // the kernel's version
    case (SYS_sched_setattr, Errno.tooBig): port.bytes(f.pointee.a1, 4)  // the kernel's size
    case (459, Errno.tooBig): port.bytes(f.pointee.a2, 4)  // lsm_get_self_attr, lsm_list_modules
    case (461, Errno.tooBig): port.bytes(f.pointee.a1, 4)
    case (SYS_name_to_handle_at, Errno.overflow):  // how programs ask for the size
        port.bytes(f.pointee.a2, 8)
        port.bytes(f.pointee.a3, 4)
    default: break
    }
}

/// Members of a set of semaphores. Counted once a call: the set may be gone the second time.
@_noLocks private func semaphores(_ f: Frame, _ isFirst: Bool) -> UInt64 {
    if isFirst {
        var status: InlineArray<13, UInt64> = .init(repeating: 0)  // struct semid64_ds: sem_nsems at 80
        scratch(f)[8] = withUnsafeMutablePointer(to: &status) { p in
            let at = address(p)
            return kernel(SYS_semctl, f.pointee.a0, 0, 2, at) < 0 ? 0 : words(at)[10]
        }
    }
    return scratch(f)[8]
}

/// keyctl: what is read of a key.
@_noLocks private func visitKey(_ f: Frame, _ port: inout Port) {
    let result = UInt64(f.pointee.result)
    switch f.pointee.a0 & 0xffff_ffff {
    case 6, 11, 17, 23:  // KEYCTL_DESCRIBE, READ, GET_SECURITY, DH_COMPUTE: a buffer and its size
        port.bytes(f.pointee.a2, min(result, f.pointee.a3))
    case 24: port.bytes(f.pointee.a4, 56)  // KEYCTL_PKEY_QUERY: struct keyctl_pkey_query
    case 25, 26, 27: port.bytes(f.pointee.a4, result)  // KEYCTL_PKEY_ENCRYPT, DECRYPT, SIGN
    case 31: port.bytes(f.pointee.a1, min(result, f.pointee.a2))  // KEYCTL_CAPABILITIES
    default: break
    }
}

@_noLocks private func quotaOutput(_ command: UInt64) -> UInt64 {
    switch command {
    case 0x80_0004: return 4  // Q_GETFMT
    case 0x80_0005: return 24  // Q_GETINFO: struct if_dqinfo
    case 0x80_0007, 0x80_0009: return 72  // Q_GETQUOTA, Q_GETNEXTQUOTA: struct if_dqblk, if_nextdqblk
    case 0x5803, 0x5809: return 112  // Q_XGETQUOTA, Q_XGETNEXTQUOTA: struct fs_disk_quota
    case 0x5805: return 80  // Q_XGETQSTAT: struct fs_quota_stat
    default: return 0
    }
}

/// ioctl. Some write an array whose length stands in the structure before it.
@_noLocks private func visitControl(_ request: UInt64, _ a: UInt64, _ port: inout Port) {
    switch request {
    case 0x8912 where a != 0:  // SIOCGIFCONF: struct ifconf, which points to a buffer
        port.bytes(a, 16)
        if words(a)[1] != 0 { port.bytes(words(a)[1], UInt64(halves(a)[0])) }
    case 0xc020_660b where a != 0:  // FS_IOC_FIEMAP: fm_mapped_extents at 20, fm_extent_count at 24
        port.bytes(a, 32)
        port.bytes(a &+ 32, UInt64(min(halves(a)[5], halves(a)[6])) &* 56)
    case 0xc018_9436 where a != 0: port.bytes(a, 24 &+ (words(a)[2] & 0xffff) &* 32)  // FIDEDUPERANGE
    default: port.bytes(a, ioctlOutput(request))
    }
}

/// Bytes that an ioctl writes behind its argument. New numbers carry direction and size; the old terminal and
/// socket ones are listed.
@_noLocks private func ioctlOutput(_ request: UInt64) -> UInt64 {
    switch request {
    case 0x5401: return 36  // TCGETS: kernel's struct termios
    case 0x5405: return 18  // TCGETA
    // TIOCGPGRP, TIOCOUTQ, FIONREAD, TIOCGETD, TIOCGSID, TIOCMGET
    case 0x540f, 0x5411, 0x541b, 0x5424, 0x5429, 0x5415: return 4
    case 0x5413: return 8  // TIOCGWINSZ
    case 0x5419: return 4  // TIOCGSOFTCAR
    case 0x541e: return 72  // TIOCGSERIAL
    case 0x542e: return 32  // TIOCGRS485
    case 0x5456: return 36  // TIOCGLCKTRMIOS
    case 0x545d: return 80  // TIOCGICOUNT
    case 0x5460: return 8  // FIOQSIZE
    case 0x125e, 0x1278, 0x1279, 0x127a, 0x127b, 0x127c: return 4  // BLKROGET, BLKIOMIN, BLKIOOPT, BLKALIGNOFF…
    case 0x1263: return 8  // BLKRAGET
    case 0x1267, 0x127e: return 2  // BLKSECTGET, BLKROTATIONAL
    case 0x301: return 16  // HDIO_GETGEO
    case 1, 2, 0x1268: return 4  // FIBMAP, FIGETBSZ, BLKSSZGET
    case 0x1260: return 8  // BLKGETSIZE
    case 0x8906, 0x8907: return 16  // SIOCGSTAMP, SIOCGSTAMPNS
    case 0x8905, 0x8901, 0x8903, 0x8904: return 4  // SIOCATMARK, SIOCSPGRP…
    case 0x8954: return 68  // SIOCGARP
    case 0x8910, 0x8913, 0x8915, 0x8917, 0x8919, 0x891b, 0x891d, 0x8921, 0x8927, 0x8933, 0x8935, 0x8942,
        0x8970:
        return 40  // SIOCGIF*
    case 0x5400...0x54ff where request >> 30 == 0: return 0
    default:
        return request >> 31 & 1 == 1 ? request >> 16 & 0x3fff : 0  // _IOC_READ: the kernel writes _IOC_SIZE bytes
    }
}
