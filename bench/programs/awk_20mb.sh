# SPDX-License-Identifier: MIT
# awk over 20 MB of lines: sums by key.

prepare() {
    awk 'BEGIN {
        for (i = 0; i < 600000; i++)
            printf "%08d key%03d %d some words of a line\n", i, (i * 7919) % 997, i % 1000
    }' >lines
}

measure() {
    awk '{ sum[$2] += $3; bytes += length($0) + 1 }
         END { for (key in sum) print key, sum[key]; print bytes }' lines | LC_ALL=C sort
}
