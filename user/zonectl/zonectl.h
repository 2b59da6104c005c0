/* SPDX-License-Identifier: MIT */
/* What the files of zonectl share. */
#ifndef USER_ZONECTL_H
#define USER_ZONECTL_H

#include <stdbool.h>

#define ANSWER_MAX 65536
enum { STATUS_REFUSED = 1, STATUS_USAGE = 2, STATUS_PORT = 3 };

extern bool plain;
/* Print the reason and end. */
__attribute__((noreturn, format(printf, 2, 3))) void fail(int status, const char *format,
                                                          ...);
/* Send a request; the text behind the "ok" line.  Ends the program if it was refused. */
__attribute__((format(printf, 2, 3))) char *ask(char answer[ANSWER_MAX],
                                                const char *format, ...);
/* Cut the next line off; NULL: there is none. */
char *next_line(char **at);
/* Cut at tabs: how many fields. */
int split(char *line, char *field[], int most);
void top(double seconds, bool once);

#endif
