# SPDX-License-Identifier: MIT
# image: small
# The shell of SQLite over 100,000 rows, with a rollback journal and with a write-ahead log; two
# writers at once, a reader beside a writer, a transaction that a kill interrupts, recovery.

rows() { # JOURNAL
    rm -f data.db*
    sqlite3 data.db <<S
pragma journal_mode=$1;
create table t(id integer primary key, name text, value integer);
begin;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 100000)
insert into t select i, 'name ' || (i * 7919 % 100003), i % 1000 from n;
commit;
create index by_name on t(name);
select count(*), sum(value), max(name) from t;
select name from t order by name limit 3 offset 50000;
begin; delete from t where id % 2; rollback;
select count(*) from t;
begin; delete from t where id % 2; commit;
update t set value = value + 1 where name like 'name 1%';
select count(*), sum(value) from t;
select value, count(*) c from t group by value order by c desc, value limit 3;
pragma integrity_check;
vacuum;
select count(*) from t;
S
}
rows delete
rows wal
rows truncate | tail -n 1
rows persist | tail -n 1

# Two writers take turns; nothing is lost.
for journal in delete wal; do
    rm -f both.db*
    sqlite3 both.db "pragma journal_mode=$journal; create table c(n integer); insert into c values(0);" >/dev/null
    for writer in 1 2; do
        for _ in 1 2 3 4 5; do
            echo ".timeout 200000"
            for _ in 1 2 3 4 5 6 7 8 9 10; do echo "update c set n = n + 1;"; done
        done | sqlite3 both.db &
    done
    wait
    sqlite3 both.db "select '$journal', n from c"
done

# A reader's snapshot beside a writer.
sqlite3 both.db "pragma journal_mode=wal" >/dev/null
mkfifo written
{ echo "begin; select n from c;"; echo ".system touch reads"; cat written; echo "select n from c; commit; select n from c;"; } | sqlite3 both.db >reader &
while ! [ -e reads ]; do sleep 0.05; done
sqlite3 both.db ".timeout 60000" "update c set n = 500"; : >written
wait
cat reader

# A writer that is killed within a transaction leaves a hot journal; the next one rolls it back.
sqlite3 hot.db "pragma journal_mode=delete; create table t(a); insert into t values('kept');" >/dev/null
mkfifo wait_here
{ echo "pragma cache_size=1; begin; with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000) insert into t select hex(randomblob(50)) from n;"
  echo "select 'in';"; cat wait_here; } | sqlite3 hot.db >inside &
writer=$!
while ! grep -q in inside 2>/dev/null; do sleep 0.05; done
kill -9 $writer; : >wait_here; wait 2>/dev/null
ls hot.db-journal
sqlite3 hot.db "select count(*), a from t; pragma integrity_check"
ls hot.db*

# A database that is locked says so; dump and restore; CSV.
mkfifo refused
{ echo "begin exclusive;"; echo ".system touch is_locked"; cat refused; echo "commit;"; } | sqlite3 hot.db &
while ! [ -e is_locked ]; do sleep 0.05; done
sqlite3 hot.db "select * from t" 2>&1; : >refused; wait
sqlite3 data.db .dump | sqlite3 copy.db; sqlite3 copy.db "select count(*), sum(value) from t"
sqlite3 -csv data.db "select * from t limit 2"
sqlite3 data.db ".mode csv" ".output rows.csv" "select * from t" ; wc -l <rows.csv
sqlite3 new.db ".import --csv rows.csv imported" "select count(*) from imported"
sqlite3 data.db ".backup saved.db"; sqlite3 saved.db "select count(*) from t"
sqlite3 data.db "pragma mmap_size=268435456; select sum(length(name)) from t;"
