// What is not recorded is said, with the line where the compiler knows it.
// jumps:
// calls:
// harmlessJump:
int jumps(int *p) {
    __asm__ goto("lock; decl (%0); jz %l1" ::"r"(p) : "memory" : zero); // warns
    return 1;
zero:
    return 0;
}
void calls(void) {
    __asm__ volatile("call other" ::: "memory"); // warns
}
int harmlessJump(void) {
    __asm__ goto("jmp %l0" :::: out);
out:
    return 0;
}
__asm__(".pushsection .note.test, \"a\"; .long 1; .popsection");
__asm__(".text\nother: ret"); // warns without a line
