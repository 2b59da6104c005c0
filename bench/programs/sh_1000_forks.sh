# SPDX-License-Identifier: MIT
# A shell that forks 1,000 times, and runs /bin/true in each.

prepare() {
    :
}

measure() {
    sh -c 'i=0; while [ $i -lt 1000 ]; do /bin/true || exit 1; i=$((i + 1)); done; echo $i'
}
