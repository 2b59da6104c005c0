# SPDX-License-Identifier: MIT
# image: small
# Perl with its modules: processes and pipes, files and directories, signals and timers, sorting and
# regular expressions, in-place edits, storable data, digests.

perl -v | sed -n 's/.*(\(v5\.[0-9]*\).*/\1/p'
perl -e 'my %h; $h{$_ % 97} += $_ for 1..40000; my $s = 0; $s += $h{$_} * $_ for sort keys %h; print "sum $s\n"'
perl -MPOSIX -e '
    my @pids;
    for my $i (1..20) { my $p = fork; die unless defined $p; POSIX::_exit($i) unless $p; push @pids, $p }
    my $s = 0; for (@pids) { waitpid $_, 0; $s += $? >> 8 } print "children $s\n"'
perl -e 'open my $p, "-|", "seq 1 1000" or die; my $s = 0; $s += $_ while <$p>; close $p; print "pipe $s $?\n"'
perl -MIPC::Open3 -MSymbol -e '
    my $err = gensym; my $pid = open3(my $in, my $out, $err, "sh", "-c", "cat; echo bad >&2; exit 3");
    print $in "through\n"; close $in; print "open3 ", <$out>, "open3 ", <$err>; waitpid $pid, 0; print $? >> 8, "\n"'
perl -e '
    my ($r, $w); pipe $r, $w; my $got = "";
    local $SIG{ALRM} = sub { $got = "alarm" }; alarm 1; my $n = sysread $r, my $b, 1;
    print "interrupted ", defined $n ? $n : "no", " $got ", $!{EINTR} ? "EINTR" : "", "\n"'
perl -MTime::HiRes=ualarm,usleep,clock_gettime,CLOCK_MONOTONIC -e '
    my $n = 0; $SIG{ALRM} = sub { $n++ }; ualarm 2000, 2000; usleep 1000 while $n < 20; ualarm 0; print "ticks ", $n >= 20, "\n";
    my $t = clock_gettime(CLOCK_MONOTONIC); usleep 20000; print "slept ", clock_gettime(CLOCK_MONOTONIC) - $t >= 0.02, "\n"'
perl -MPOSIX=:signal_h,:sys_wait_h -e '
    my $set = POSIX::SigSet->new(SIGUSR1); my $n = 0; $SIG{USR1} = sub { $n++ };
    sigprocmask(SIG_BLOCK, $set); kill USR1 => $$; print "blocked $n\n"; sigprocmask(SIG_UNBLOCK, $set); print "unblocked $n\n";
    my $p = fork; unless ($p) { kill KILL => $$; sleep 9 } waitpid $p, 0; print "signal ", WTERMSIG($?), "\n"'
mkdir tree
perl -MFile::Path=make_path,remove_tree -MFile::Find -MFile::Copy -MFile::Temp=tempfile -MFile::Basename -e '
    for my $i (1..10) { for my $j (1..10) { make_path "tree/$i/$j"; open my $f, ">", "tree/$i/$j/file"; print $f $i * $j, "\n" } }
    my ($n, $s) = (0, 0); find sub { return unless -f; $n++; open my $f, "<", $_; $s += <$f> }, "tree"; print "found $n $s\n";
    copy "tree/9/9/file", "copied" or die; move "copied", "moved" or die; print "moved ", -s "moved", " ", -e "copied" ? "both" : "gone", "\n";
    my ($h, $name) = tempfile(DIR => "."); print $h "x" x 100000; close $h; print "temporary ", -s $name, "\n"; unlink $name;
    my @s = stat "moved"; printf "mode %o links %d\n", $s[2], $s[3]; symlink "moved", "link"; print readlink "link", "\n";
    rename "moved", "tree/file" or die; print basename("tree/file"), " ", join(",", sort map { basename $_ } glob "tree/1*"), "\n";
    remove_tree "tree"; print "left ", -e "tree" ? "yes" : "no", "\n"'
seq 1 5 >lines && perl -pi.orig -e 's/(\d+)/$1 * $1/e' lines && tr '\n' ' ' <lines && wc -l <lines.orig
perl -MStorable=store,retrieve -MDigest::SHA=sha256_hex -MDigest::MD5=md5_hex -MMIME::Base64 -MList::Util=sum,shuffle -e '
    my $d = { map { $_ => [ 1 .. $_ ] } 1 .. 100 }; store $d, "stored"; my $e = retrieve "stored"; print sum(map { scalar @$_ } values %$e), "\n";
    print sha256_hex("x" x 100000), " ", md5_hex(""), " ", encode_base64("perl");
    my @a = sort { $a <=> $b } shuffle 1 .. 10000; print "$a[0] $a[-1] ", scalar @a, "\n"'
perl -MFcntl=:flock,:seek -e '
    open my $f, "+>", "locked"; flock $f, LOCK_EX; my $p = fork;
    unless ($p) { open my $g, "+<", "locked"; print flock($g, LOCK_EX | LOCK_NB) ? "got" : "refused", "\n"; exit } waitpid $p, 0;
    seek $f, 10_000_000, SEEK_SET; print $f "end"; close $f; print -s "locked", " ", (stat "locked")[12] < 100 ? "sparse" : "full", "\n"'
perl -Mthreads -Mthreads::shared -MThread::Queue -e '
    my $n :shared = 0; my @t = map { threads->create(sub { for (1..500) { lock $n; $n++ } $_[0] }, $_) } 1..8;
    my $s = 0; $s += $_->join for @t; print "threads $n $s\n";
    my $q = Thread::Queue->new; my $t = threads->create(sub { my $s = 0; while (defined(my $i = $q->dequeue)) { $s += $i } $s });
    $q->enqueue($_) for 1..1000; $q->end; print "queue ", $t->join, "\n"'
perl -e '$_ = join "", map { chr(97 + $_ * 7 % 26) } 1..20000; my $n = () = /[aeiou][^aeiou]{2}/g; print "matches $n\n"; local $/; my $c = `cat "$0" 2>/dev/null`; print "eval ", eval { die { code => 5 } } // $@->{code}, "\n"'
perl -e 'my $s = "x"; $s x= 60_000_000; substr($s, 30_000_000, 1) = "y"; print length $s, " ", index($s, "y"), "\n"'
