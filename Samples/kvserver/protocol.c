// The memcached text protocol: one command line, for the storage commands followed by a block of data.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "connection.h"
#include "worker.h"

enum {
    LINE_MAX_LENGTH = 65536,
    WORDS_MAX = 256,
    RELATIVE_TIME_MAX = 60 * 60 * 24 * 30 // seconds; a larger expiry time is a date
};

struct word {
    const char *bytes;
    size_t length;
};

struct command {
    struct connection *connection;
    struct word words[WORDS_MAX];
    size_t count;      // without a last "noreply"
    bool noreply;
    const char *data;  // storage commands: the block
    size_t data_length;
    int64_t now;       // clock_ms()
};

static void reply(struct command *command, const char *text) {
    buffer_append_text(&command->connection->output, text);
    buffer_append(&command->connection->output, "\r\n", 2);
}

static struct store *store_of(const struct command *command) {
    return command->connection->worker->server->store;
}

static bool word_is(struct word word, const char *text) {
    return word.length == strlen(text) && memcmp(word.bytes, text, word.length) == 0;
}

static bool word_number(struct word word, uint64_t *number) {
    if (word.length == 0 || word.length > 20) return false;
    *number = 0;
    for (size_t i = 0; i < word.length; i++) {
        if (word.bytes[i] < '0' || word.bytes[i] > '9') return false;
        *number = *number * 10 + (uint64_t)(word.bytes[i] - '0');
    }
    return true;
}

// The protocol's expiry time as a clock_ms() value, 0 for never.
static bool word_expiry(struct word word, int64_t now, int64_t *expires_at) {
    bool negative = word.length > 0 && word.bytes[0] == '-';
    uint64_t number;
    if (!word_number((struct word){word.bytes + negative, word.length - negative}, &number)) return false;
    int64_t seconds = (int64_t)number;
    if (seconds > RELATIVE_TIME_MAX) {
        seconds -= (int64_t)time(NULL);
        negative = negative || seconds <= 0;
    } else if (seconds == 0) {
        *expires_at = 0;
        return true;
    }
    *expires_at = negative ? now : now + seconds * 1000;
    return true;
}

static bool key_is_good(struct word word) {
    return word.length > 0 && word.length <= STORE_KEY_MAX && !memchr(word.bytes, '\0', word.length);
}

static struct store_key key_of(struct word word) {
    return store_key_make(word.bytes, word.length);
}

static void command_get(struct command *command, bool with_cas) {
    struct connection *connection = command->connection;
    for (size_t i = 1; i < command->count; i++) {
        if (!key_is_good(command->words[i])) continue;
        struct item_reference due;
        connection->counters.gets++;
        if (!store_get(store_of(command), key_of(command->words[i]), with_cas, command->now, &connection->output, &due))
            continue;
        connection->counters.hits++;
        // Beyond the array's end an item keeps its old place in the order of use, which is allowed.
        if (due.item && connection->due_count < CONNECTION_DUE_MAX) connection->due[connection->due_count++] = due;
    }
    reply(command, "END");
}

// set, add, replace: <key> <flags> <exptime> <bytes>; cas has one more word.
static void command_put(struct command *command, enum store_mode mode) {
    struct store_write write = {.mode = mode, .value = command->data, .value_length = command->data_length};
    uint64_t flags;
    if (command->count != (mode == STORE_CAS ? 6u : 5u) || !key_is_good(command->words[1]) ||
        !word_number(command->words[2], &flags) ||
        !word_expiry(command->words[3], command->now, &write.expires_at) ||
        (mode == STORE_CAS && !word_number(command->words[5], &write.cas))) {
        reply(command, "CLIENT_ERROR bad command line format");
        return;
    }
    write.flags = (uint32_t)flags;
    command->connection->counters.writes++;
    switch (store_put(store_of(command), key_of(command->words[1]), &write, command->now)) {
    case STORE_NOT_STORED: reply(command, "NOT_STORED"); break;
    case STORE_NOT_FOUND: reply(command, "NOT_FOUND"); break;
    case STORE_EXISTS: reply(command, "EXISTS"); break;
    default: reply(command, "STORED"); break;
    }
}

static void command_delete(struct command *command) {
    if (command->count != 2 || !key_is_good(command->words[1])) {
        reply(command, "CLIENT_ERROR bad command line format");
        return;
    }
    command->connection->counters.deletes++;
    bool done = store_delete(store_of(command), key_of(command->words[1]), command->now) == STORE_DONE;
    reply(command, done ? "DELETED" : "NOT_FOUND");
}

static void command_add_number(struct command *command, bool subtract) {
    uint64_t amount, sum;
    if (command->count != 3 || !key_is_good(command->words[1])) {
        reply(command, "CLIENT_ERROR bad command line format");
        return;
    }
    if (!word_number(command->words[2], &amount)) {
        reply(command, "CLIENT_ERROR invalid numeric delta argument");
        return;
    }
    command->connection->counters.writes++;
    switch (store_add_number(store_of(command), key_of(command->words[1]), amount, subtract, command->now, &sum)) {
    case STORE_DONE:
        buffer_printf(&command->connection->output, "%llu\r\n", (unsigned long long)sum);
        break;
    case STORE_NOT_FOUND: reply(command, "NOT_FOUND"); break;
    default: reply(command, "CLIENT_ERROR cannot increment or decrement non-numeric value"); break;
    }
}

static void command_touch(struct command *command) {
    int64_t expires_at;
    if (command->count != 3 || !key_is_good(command->words[1]) ||
        !word_expiry(command->words[2], command->now, &expires_at)) {
        reply(command, "CLIENT_ERROR bad command line format");
        return;
    }
    command->connection->counters.touches++;
    bool done = store_touch(store_of(command), key_of(command->words[1]), expires_at, command->now) == STORE_DONE;
    reply(command, done ? "TOUCHED" : "NOT_FOUND");
}

static void append_stat(struct command *command, const char *name, uint64_t value) {
    buffer_printf(&command->connection->output, "STAT %s %llu\r\n", name, (unsigned long long)value);
}

static void command_stats(struct command *command) {
    struct server *server = command->connection->worker->server;
    struct counters counters = server_counters(server);
    struct store_totals totals = store_totals(server->store);
    pthread_mutex_lock(&server->statistics_lock);
    uint64_t rate = server->commands_per_second;
    pthread_mutex_unlock(&server->statistics_lock);
    append_stat(command, "pid", (uint64_t)getpid());
    append_stat(command, "uptime", (uint64_t)(command->now - server->started_at) / 1000);
    append_stat(command, "time", (uint64_t)time(NULL));
    append_stat(command, "threads", (uint64_t)server->worker_count);
    append_stat(command, "total_connections", counters.connections);
    append_stat(command, "cmd_total", counters.commands);
    append_stat(command, "cmd_get", counters.gets);
    append_stat(command, "cmd_set", counters.writes);
    append_stat(command, "cmd_touch", counters.touches);
    append_stat(command, "cmd_delete", counters.deletes);
    append_stat(command, "get_hits", counters.hits);
    append_stat(command, "get_misses", counters.gets - counters.hits);
    append_stat(command, "commands_per_second", rate);
    append_stat(command, "curr_items", totals.live);
    append_stat(command, "limit_items", totals.live_max);
    append_stat(command, "evictions", totals.evictions);
    append_stat(command, "expired", totals.expirations);
    reply(command, "END");
}

static void command_run(struct command *command) {
    struct word name = command->words[0];
    struct connection *connection = command->connection;
    connection->counters.commands++;
    if (word_is(name, "get")) command_get(command, false);
    else if (word_is(name, "gets")) command_get(command, true);
    else if (word_is(name, "set")) command_put(command, STORE_SET);
    else if (word_is(name, "add")) command_put(command, STORE_ADD);
    else if (word_is(name, "replace")) command_put(command, STORE_REPLACE);
    else if (word_is(name, "cas")) command_put(command, STORE_CAS);
    else if (word_is(name, "delete")) command_delete(command);
    else if (word_is(name, "incr")) command_add_number(command, false);
    else if (word_is(name, "decr")) command_add_number(command, true);
    else if (word_is(name, "touch")) command_touch(command);
    else if (word_is(name, "stats")) command_stats(command);
    else if (word_is(name, "version")) reply(command, "VERSION kvserver 1.0");
    else if (word_is(name, "quit")) connection->closing = true;
    else if (word_is(name, "flush_all")) {
        store_flush(store_of(command));
        reply(command, "OK");
    } else if (word_is(name, "shutdown")) {
        reply(command, "OK");
        connection->closing = true;
        server_request_stop(connection->worker->server);
    } else {
        reply(command, "ERROR");
    }
}

static void command_split(struct command *command, const char *line, size_t length) {
    size_t at = 0;
    while (at < length && command->count < WORDS_MAX) {
        while (at < length && line[at] == ' ') at++;
        size_t start = at;
        while (at < length && line[at] != ' ') at++;
        if (at > start) command->words[command->count++] = (struct word){line + start, at - start};
    }
    if (command->count > 1 && word_is(command->words[command->count - 1], "noreply")) {
        command->noreply = true;
        command->count--;
    }
}

static bool takes_data(const struct command *command) {
    struct word name = command->words[0];
    return word_is(name, "set") || word_is(name, "add") || word_is(name, "replace") || word_is(name, "cas");
}

enum data_status { DATA_READY, DATA_INCOMPLETE, DATA_REFUSED };

// Finds the block behind the line, which ends at `used`; on DATA_READY and DATA_REFUSED moves `used` behind it.
static enum data_status command_find_data(struct command *command, size_t *used) {
    struct connection *connection = command->connection;
    uint64_t length;
    if (command->count < 5 || !word_number(command->words[4], &length) || length > STORE_VALUE_MAX * 64ull) {
        reply(command, "CLIENT_ERROR bad data chunk");
        return DATA_REFUSED;
    }
    if (length > STORE_VALUE_MAX) {
        reply(command, "SERVER_ERROR object too large for cache");
        connection->skip = length + 2;
        return DATA_REFUSED;
    }
    if (connection->input.length - *used < length + 2) return DATA_INCOMPLETE;
    command->data = connection->input.bytes + *used;
    command->data_length = length;
    *used += length + 2;
    if (memcmp(command->data + length, "\r\n", 2) == 0) return DATA_READY;
    reply(command, "CLIENT_ERROR bad data chunk");
    return DATA_REFUSED;
}

bool protocol_step(struct connection *connection) {
    struct buffer *input = &connection->input;
    if (connection->skip > 0) {
        size_t skipped = connection->skip < input->length ? connection->skip : input->length;
        buffer_drop_front(input, skipped);
        connection->skip -= skipped;
        if (connection->skip > 0) return false;
    }
    const char *end = input->length > 0 ? memchr(input->bytes, '\n', input->length) : NULL;
    if (!end) {
        if (input->length <= LINE_MAX_LENGTH) return false;
        buffer_append_text(&connection->output, "CLIENT_ERROR line too long\r\n");
        connection->closing = true;
        return true;
    }
    size_t used = (size_t)(end - input->bytes) + 1;
    size_t length = used - 1;
    if (length > 0 && input->bytes[length - 1] == '\r') length--;

    struct command command = {.connection = connection, .count = 0};
    command_split(&command, input->bytes, length);
    enum data_status status = DATA_READY;
    size_t reply_start = connection->output.length;
    if (command.count == 0) {
        reply(&command, "ERROR");
    } else {
        if (takes_data(&command)) status = command_find_data(&command, &used);
        if (status == DATA_INCOMPLETE) return false;
        command.now = clock_ms();
        if (status == DATA_READY) command_run(&command);
    }
    if (command.noreply) connection->output.length = reply_start;
    buffer_drop_front(input, used);
    return true;
}
