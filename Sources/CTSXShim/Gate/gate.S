// The gate: the one range of code from which the kernel accepts system calls once Syscall User Dispatch is armed.
//
// Rewritten sites and the SIGSYS handler jump to castor_gate_entry with every register as at the `syscall`
// instruction, except rcx (where to go back to) and r11 (the instruction after the original `syscall`); the
// kernel clobbers both anyway, so no stack is needed to get here and the red zone is skipped by hand.
// The call frame information lets debuggers and pthread_cancel's unwinder pass: the caller's frame address is
// stored at 72(%rsp), and the place it called from at 80(%rsp).

    .section .castor_gate, "ax", @progbits
    .balign 4096
    .globl castor_gate_start, castor_gate_end, castor_gate_syscall, castor_gate_restorer, castor_gate_entry
    .globl castor_window_begin, castor_window_end
    .hidden castor_gate_start, castor_gate_end, castor_gate_syscall, castor_gate_restorer, castor_gate_entry
    .hidden castor_window_begin, castor_window_end
    .hidden castor_syscall_enter, castor_syscall_exit, castor_deliver_pending, castor_child_started
    .hidden castor_deliver, castor_vfork_push, castor_vfork_after, castor_self

castor_gate_start:
    .type castor_gate_syscall, @function
castor_gate_syscall:
    .cfi_startproc
    mov %rdi, %rax
    mov %rsi, %rdi
    mov %rdx, %rsi
    mov %rcx, %rdx
    mov %r8, %r10
    mov %r9, %r8
    mov 8(%rsp), %r9
    syscall
    ret
    .cfi_endproc
    .size castor_gate_syscall, . - castor_gate_syscall

    .balign 16
    nop
    .type castor_gate_restorer, @function
castor_gate_restorer: // the bytes by which gdb and libgcc know a signal frame
    .byte 0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0
    syscall
    ud2
    .size castor_gate_restorer, . - castor_gate_restorer

    .macro restore_arguments
    mov 8(%rsp), %rax
    mov 16(%rsp), %rdi
    mov 24(%rsp), %rsi
    mov 32(%rsp), %rdx
    mov 40(%rsp), %r10
    mov 48(%rsp), %r8
    mov 56(%rsp), %r9
    .endm

    .balign 64
    .type castor_gate_entry, @function
castor_gate_entry:
    .cfi_startproc
    .cfi_def_cfa %rsp, 0
    .cfi_register %rip, %r11
    lea -136(%rsp), %rsp // a signal must not overwrite what is pushed
    .cfi_adjust_cfa_offset 136
    push %rcx
    .cfi_adjust_cfa_offset 8
    lea 144(%rsp), %rcx
    .cfi_def_cfa %rcx, 0
    lea -224(%rsp), %rsp
    and $-16, %rsp
    mov %rax, 8(%rsp)
    mov %rdi, 16(%rsp)
    mov %rsi, 24(%rsp)
    mov %rdx, 32(%rsp)
    mov %r10, 40(%rsp)
    mov %r8, 48(%rsp)
    mov %r9, 56(%rsp)
    mov %rcx, 72(%rsp)
    mov %r11, 80(%rsp)
    mov -144(%rcx), %rcx
    mov %rcx, 64(%rsp)
    // from here: CFA = *(rsp + 72), rip = *(rsp + 80)
    .cfi_escape 0x0f, 4, 0x77, 0xc8, 0x00, 0x06
    .cfi_escape 0x10, 16, 3, 0x77, 0xd0, 0x00
    mov %rsp, %rdi
    call castor_syscall_enter
    test %eax, %eax
    jnz special
castor_window_begin:
    mov castor_self@gottpoff(%rip), %r11
    cmpq $0, %fs:(%r11)
    jnz deliver
    restore_arguments
    syscall
castor_window_end:
    mov %rax, (%rsp)
after:
    mov %rsp, %rdi
    call castor_syscall_exit
done:
    restore_arguments
    mov (%rsp), %rax
    mov 64(%rsp), %rcx
    mov 80(%rsp), %r11
    mov 72(%rsp), %rsp
    jmp *%rcx
deliver:
    call castor_deliver_pending
    jmp castor_window_begin
special:
    cmp $1, %eax
    je done
    cmp $5, %eax
    je pass
    cmp $2, %eax
    je new_stack
    cmp $3, %eax
    je same_stack
    cmp $4, %eax
    je sigreturn
    cmp $6, %eax
    jne 1f
    call castor_deliver // its handlers may unwind through this frame
    mov %rsp, %rdi
    call castor_syscall_enter
    test %eax, %eax
    jnz special
    jmp castor_window_begin
1:  ud2
pass:
    restore_arguments
    syscall
    mov %rax, (%rsp)
    jmp done
sigreturn:
    mov 72(%rsp), %rsp
    jmp castor_gate_restorer

// clone with a new stack: castor_syscall_enter put {return address, original rdi, stream + 1 or 0, parent's stream}
// at the child's stack top.
new_stack:
    restore_arguments
    syscall
    test %rax, %rax
    jz child
    mov %rax, (%rsp)
    jmp after
    .cfi_endproc
child:
    .cfi_startproc
    .cfi_undefined %rip
    push %rax
    push %rdi
    push %rsi
    push %rdx
    push %r10
    push %r8
    push %r9
    push %rbp
    mov %rsp, %rbp
    and $-16, %rsp
    lea 64(%rbp), %rdi
    call castor_child_started
    mov %rbp, %rsp
    pop %rbp
    pop %r9
    pop %r8
    pop %r10
    pop %rdx
    pop %rsi
    pop %rdi
    pop %rax
    mov (%rsp), %rcx
    mov 8(%rsp), %rdi
    lea 32(%rsp), %rsp
    jmp *%rcx
    .cfi_endproc

// vfork: parent and child come back on one stack, so the return address is kept beside the thread.
same_stack:
    .cfi_startproc
    .cfi_undefined %rip
    mov 64(%rsp), %rdi
    call castor_vfork_push
    restore_arguments
    mov 72(%rsp), %rsp
    syscall
    lea -256(%rsp), %rsp
    push %rdi
    push %rsi
    push %rdx
    push %r10
    push %r8
    push %r9
    push %rax
    push %rbp
    mov %rsp, %rbp
    and $-16, %rsp
    lea 8(%rbp), %rdi // the result
    call castor_vfork_after
    mov %rax, %rcx
    mov %rbp, %rsp
    pop %rbp
    pop %rax
    pop %r9
    pop %r8
    pop %r10
    pop %rdx
    pop %rsi
    pop %rdi
    lea 256(%rsp), %rsp
    jmp *%rcx
    .cfi_endproc
    .size castor_gate_entry, . - castor_gate_entry
    .balign 4096
castor_gate_end:
    .section .note.GNU-stack, "", @progbits
