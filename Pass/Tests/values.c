// flags: -mrdrnd -mrdseed -mrdpid
// counter: rdtsc
// counterAndProcessor: value value
// randomNumber: value value
// seed: value value
// processor: value
#include <x86intrin.h>

unsigned long long counter(void) { return __rdtsc(); }
unsigned long long counterAndProcessor(unsigned *processor) { return __rdtscp(processor); }
int randomNumber(unsigned long long *result) { return _rdrand64_step(result); }
int seed(unsigned *result) { return _rdseed32_step(result); }
unsigned processor(void) { return _rdpid_u32(); }
