// A growing byte buffer, one for what a connection has received and one for what it still has to send.
// A buffer belongs to one connection and so to one worker thread: it takes no lock.
#ifndef KV_BUFFER_H
#define KV_BUFFER_H

#include <stddef.h>

struct buffer {
    char *bytes;
    size_t length;   // bytes in use
    size_t capacity; // bytes allocated
};

void buffer_reserve(struct buffer *buffer, size_t extra);
void buffer_append(struct buffer *buffer, const char *bytes, size_t length);
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_printf(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buffer_drop_front(struct buffer *buffer, size_t length);
void buffer_release(struct buffer *buffer);

#endif
