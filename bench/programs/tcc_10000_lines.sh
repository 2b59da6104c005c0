# SPDX-License-Identifier: MIT
# tcc compiles a file of 10,000 lines of C.

prepare() {
    . "$here/generate-c.sh" && generate_c 10000 >large.c && command -v tcc
}

measure() {
    tcc -c -o large.o large.c && cksum <large.o
}
