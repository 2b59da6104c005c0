# SPDX-License-Identifier: MIT
# image: apps
# stress-ng, a second of each stressor with two workers: its status is that of Linux (0 passed, 2 its
# check failed, 3 a resource is missing, 4 not there).  Those of classes cpu, vm, pipe, futex, fork,
# signal and memory that need no device, network or rights beyond root's.

cpu="atomic bsearch context cpu crypt fp funccall hash heapsort hsearch lsearch matrix memcpy mergesort
    nop qsort radixsort shellsort skiplist str tree tsc vecmath wcs zlib"
vm="bigheap brk madvise malloc mincore mlock mmap mmapaddr mmapfixed mmapfork mmaphuge mmapmany
    mprotect mremap msync munmap pageswap physpage remap rmap shm stack stackmmap vm vm-addr vm-rw
    vm-segv vm-splice zero"
pipe="fifo pipe pipeherd sendfile splice tee"
futex="cyclic futex membarrier mutex sem yield"
fork="clone daemon exec exit-group fork forkheavy nice procfs pthread session spawn switch vfork
    vforkmany wait zombie schedpolicy affinity"
signal="alarm itimer kill sigabrt sigchld sigfd sigfpe sigio signal signest sigpending sigpipe sigq
    sigrt sigsegv sigsuspend sigtrap timer timerfd clock nanosleep sleep"
memory="full get getrandom hdd lockbus memfd memthrash null resources tmpfs userfaultfd"
files="access chdir chmod chown dentry dir dirdeep dup epoll eventfd fallocate fault fcntl fiemap file-ioctl
    filename flock fstat getdent handle inotify link locka lockf lockofd open poll pty readahead rename
    revio seek symlink sync-file sysinfo touch urandom utime"
for one in ${STRESSORS:-$cpu $vm $pipe $futex $fork $signal $memory $files}; do
    timeout -k 5 60 stress-ng --"$one" 2 --timeout 1 --temp-path . >"log.$one" 2>&1
    status=$?
    echo "$one $status"
    [ $status -eq 0 ] || grep -iE 'fail|error|errno' "log.$one" | head -n 3 >&2
done
