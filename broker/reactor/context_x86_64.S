/* Switch of stacks for x86-64 System V. Ends in pop and jump, not in ret: the return predictor would guess wrong at
 * every switch. context_start ends every backtrace (undefined rip), so debuggers stop there. */
#if defined(__x86_64__)
    .text
    .globl context_switch_assembly
    .type context_switch_assembly, @function
    .balign 16
/* void context_switch_assembly(void **save, void *load) */
context_switch_assembly:
    .cfi_startproc
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbp, 0
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbx, 0
    pushq %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r12, 0
    pushq %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r13, 0
    pushq %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r14, 0
    pushq %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r15, 0
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    .cfi_adjust_cfa_offset -8
    .cfi_same_value r15
    popq %r14
    .cfi_adjust_cfa_offset -8
    .cfi_same_value r14
    popq %r13
    .cfi_adjust_cfa_offset -8
    .cfi_same_value r13
    popq %r12
    .cfi_adjust_cfa_offset -8
    .cfi_same_value r12
    popq %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_same_value rbx
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_same_value rbp
    popq %rcx
    .cfi_adjust_cfa_offset -8
    .cfi_register rip, rcx
    jmpq *%rcx
    .cfi_endproc
    .size context_switch_assembly, . - context_switch_assembly

    .globl context_start_assembly
    .type context_start_assembly, @function
    .balign 16
/* First code on a new stack: r12 is the entry, r13 its argument (context_make put them there). */
context_start_assembly:
    .cfi_startproc
    .cfi_undefined rip
    xorl %ebp, %ebp
    movq %r13, %rdi
    callq *%r12
    ud2
    .cfi_endproc
    .size context_start_assembly, . - context_start_assembly
#endif
#if defined(__linux__) && defined(__ELF__)
    .section .note.GNU-stack, "", %progbits
#endif
