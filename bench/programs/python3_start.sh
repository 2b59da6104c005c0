# SPDX-License-Identifier: MIT
# python3 is started ten times, and says hello.

prepare() {
    python3 -c 'print("hello")' # its files are in the page cache then
}

measure() {
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        python3 -c 'print("hello")' || return 1
    done
}
