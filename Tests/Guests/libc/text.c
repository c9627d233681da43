// regex, iconv, locales, wordexp, strtok, getopt and hash tables.
#include "../small.h"

#include <iconv.h>
#include <locale.h>
#include <regex.h>
#include <search.h>
#include <wchar.h>
#include <wordexp.h>

static void *body(void *argument) {
    regex_t expression;
    regmatch_t match[2];
    char text[64], out[128], *from = text, *to = out, *save;
    snprintf(text, sizeof text, "thread %d of %d", (int)(intptr_t)argument, (int)getpid());
    CHECK(regcomp(&expression, "of ([0-9]+)", REG_EXTENDED) == 0);
    CHECK(regexec(&expression, text, 2, match, 0) == 0);
    regfree(&expression);
    iconv_t converter = iconv_open("UTF-16LE", "UTF-8");
    size_t left = strlen(text), room = sizeof out;
    CHECK(converter != (iconv_t)-1 && iconv(converter, &from, &left, &to, &room) == 0);
    iconv_close(converter);
    locale_t locale = newlocale(LC_ALL_MASK, "C.UTF-8", (locale_t)0);
    wchar_t wide[64];
    if (locale) uselocale(locale);
    size_t length = mbstowcs(wide, "größer", 64);
    uselocale(LC_GLOBAL_LOCALE);
    if (locale) freelocale(locale);
    printf("%d: %.*s, %zu, %zd, %s\n", (int)(intptr_t)argument, match[1].rm_eo - match[1].rm_so, text + match[1].rm_so,
           sizeof out - room, (ssize_t)length, strtok_r(text, " ", &save));
    return NULL;
}

int main(int count, char **arguments) {
    printf("%s\n", setlocale(LC_ALL, "C.UTF-8") ? "C.UTF-8" : "C");
    guest_run_threads(4, body);
    wordexp_t words;
    CHECK(wordexp("$HOME ~root a b", &words, WRDE_NOCMD) == 0);
    for (size_t i = 0; i < words.we_wordc; i++) printf("%s ", words.we_wordv[i]);
    wordfree(&words);
    hcreate(16);
    hsearch((ENTRY){.key = "pid", .data = (void *)(intptr_t)getpid()}, ENTER);
    printf("%d %d\n", (int)(intptr_t)hsearch((ENTRY){.key = "pid"}, FIND)->data, getopt(count, arguments, "a"));
    hdestroy();
}
