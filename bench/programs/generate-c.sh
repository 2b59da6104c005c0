# SPDX-License-Identifier: MIT
# generate_c LINES: that many lines of C on standard output, the same each time.  Functions of
# 20 lines with locals, loops, switches and calls of functions before them; no header is needed.

generate_c() {
    awk -v lines="$1" 'BEGIN {
        print "struct item { int key, count; struct item *next; char name[24]; };"
        print "static struct item items[64];"
        for (n = 0; 2 + 20 * (n + 1) <= lines; n++) {
            printf "static int table_%d[4] = { %d, %d, %d, %d };\n", n, n, n + 1, 2 * n, n % 7
            printf "int\nfunction_%d(int a, int b)\n{\n", n
            printf "    struct item *item = &items[(a + %d) & 63];\n", n
            printf "    int sum = %d;\n    unsigned i;\n\n", n % 100
            printf "    for (i = 0; i < 4; i++) {\n"
            printf "        sum += table_%d[i] * (a ^ %d) - (b << %d);\n", n, n, n % 5
            printf "        if (sum > %d && item->next != 0)\n", 1000 + n
            printf "            item = item->next;\n    }\n"
            printf "    switch (sum & 3) {\n"
            printf "    case 0: item->key = sum; break;\n"
            printf "    case 1: item->count += b; break;\n"
            printf "    default: sum -= item->key %% %d; break;\n    }\n", n + 2
            printf "    return sum%s;\n}\n", n ? sprintf(" + function_%d(b, a - 1)", n - 1) : ""
        }
        for (at = 2 + 20 * n; at < lines; at++)
            printf "int last_%d;\n", at
    }'
}
