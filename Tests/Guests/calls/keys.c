// The kernel's key rings. Tolerates that a container has none.
#include "guest.h"

#include <linux/keyctl.h>
#include <sys/syscall.h>

int main(void) {
    char text[256] = "", name[32];
    snprintf(name, sizeof name, "castor:%d", getpid());
    long ring = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
    printf("%s ring %ld errno %d\n", name, ring, ring < 0 ? errno : 0);
    if (ring < 0) return 0;
    long key = syscall(SYS_add_key, "user", name, "secret", 6, KEY_SPEC_SESSION_KEYRING);
    printf("key %ld errno %d\n", key, key < 0 ? errno : 0);
    if (key < 0) return 0;
    long length = syscall(SYS_keyctl, KEYCTL_READ, key, text, sizeof text);
    printf("content %ld %s\n", length, text);
    printf("size %ld\n", syscall(SYS_keyctl, KEYCTL_READ, key, NULL, 0));
    CHECK(syscall(SYS_keyctl, KEYCTL_UPDATE, key, "other words", 11) == 0);
    length = syscall(SYS_keyctl, KEYCTL_READ, key, text, 5);
    printf("content %ld %s\n", length, text);
    memset(text, 0, sizeof text);
    length = syscall(SYS_keyctl, KEYCTL_DESCRIBE, key, text, sizeof text);
    printf("description %ld %s\n", length, text);
    printf("found %ld\n", syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", name, 0));
    printf("requested %ld\n", syscall(SYS_request_key, "user", name, NULL, 0));
    uint32_t members[8] = {0};
    length = syscall(SYS_keyctl, KEYCTL_READ, KEY_SPEC_SESSION_KEYRING, members, sizeof members);
    printf("ring %ld: %u\n", length, members[0]);
    printf("revoked %ld\n", syscall(SYS_keyctl, KEYCTL_REVOKE, key));
    printf("read %ld errno %d\n", syscall(SYS_keyctl, KEYCTL_READ, key, text, sizeof text), errno);
    printf("id %ld\n", syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0));
    return 0;
}
