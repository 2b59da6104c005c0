# SPDX-License-Identifier: MIT
# tar and gzip of a tree of many files, about 4 MB.

prepare() {
    cp -r /usr/lib/x86_64-linux-gnu/perl-base tree
}

measure() {
    tar --sort=name --mtime=@0 --owner=0 --group=0 -cf - tree | gzip -n
}
