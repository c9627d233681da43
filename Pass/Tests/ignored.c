// ignored:
// alwaysInlined:
// caller: volatile_load_4
// __castor_own:
__attribute__((annotate("castor_ignore"))) static int ignored(volatile int *p) { return *p; }
__attribute__((annotate("castor_ignore"))) static inline int alwaysInlined(volatile int *p) { return *p; }
int caller(volatile int *p) { return ignored(p) + alwaysInlined(p) + *p; }
int __castor_own(volatile int *p) { return *p; }
