/* SPDX-License-Identifier: MIT */
/* A directory with many files, for the rows of names and the curves of growth. */
#ifndef BENCH_DIRECTORY_H
#define BENCH_DIRECTORY_H

#include <stddef.h>

/* The path of the file NUMBER in it. */
void directory_name(char *name, size_t size, const char *directory, long number);
/* Makes it with COUNT empty files, numbered from 0: 0, or -1 with errno. */
int directory_fill(const char *directory, long count);
/* Takes away what directory_fill made. */
void directory_remove(const char *directory, long count);
/* Lists it, with opening it and closing it again: 0, or a negative number. */
long directory_list(const char *directory);

#endif
