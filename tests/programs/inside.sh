# SPDX-License-Identifier: MIT
# Runs in the guest: each NAME.sh of /add/programs in an empty directory, one after the other, between
# a line before and one behind (the driver, `run`, splits the output there).
# usage: bash inside.sh SECONDS NAME...
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C TZ=UTC TERM=linux
umask 022
# stress-ng's `resources` sends SIGALRM to numbers of processes that it never wrote, often small
# ones: this shell lives through it, and the first hundred belong to nobody.
trap : ALRM
for i in {1..100}; do (:); done
limit=$1
shift
for name; do
    export HOME=/tmp/programs/$name
    rm -rf "$HOME"; mkdir -p "$HOME"; cd "$HOME" || exit 1
    echo "# begins: $name"
    begin=$(date +%s%N)
    timeout -k 5 "$limit" bash "/add/programs/$name.sh" </dev/null 2>"/tmp/programs/$name.err"
    status=$?
    end=$(date +%s%N)
    tail -n 20 "/tmp/programs/$name.err" | sed 's/^/# error: /'
    echo "# ended: $name $status $(((end - begin) / 1000000))"
    cd / && rm -rf "$HOME"
done
