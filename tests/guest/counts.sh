# SPDX-License-Identifier: MIT
# sample: what the instance holds, in one line, as /dev/feuer says it.  To be sourced.
# What is in use beyond caches: frames that are neither free, nor the heap's, nor table
# frames that are free; and objects, slots, processes, inodes, pages of files.
sample()
{
    sleep 0.3
    total=0 free=0 heap=0 tables_free=0 rest=
    while read -r name value; do
        case $name in
        frames_total) total=$value ;;
        frames_free) free=$value ;;
        frames_tables_free) tables_free=$value ;;
        heap_frames) heap=$value ;;
        heap_bytes | frames_tables) ;;
        *) rest="$rest $name=$value" ;;
        esac
    done </dev/feuer
    echo "frames=$((total - free - heap - tables_free))$rest"
}
