#!/bin/sh
# SPDX-License-Identifier: MIT
# Real programs of the Debian root on /mnt, one row each; called by the test guest's init.
# Inputs are made from the root's own files, so they are the same everywhere; results go to tmpfs.
# What a row reads is read once before, so that rows measure the CPU and not the disk.

: "${BENCH_ROWS:=python,perl,gcc,gzip,xz,openssl-sha256,openssl-aes,openssl-gcm,openssl-rsa,sqlite,shell}"
root() {
    chroot /mnt /usr/bin/env -i PATH=/usr/bin:/usr/sbin HOME=/run LC_ALL=C TMPDIR=/run \
        PYTHONPYCACHEPREFIX=/run/pyc "$@"
}

wanted() { case ",$BENCH_ROWS," in *",$1,"*) return 0 ;; esac; return 1; }

# row NAME COMMAND...: the command runs in the root, between markers.
row() {
    name=$1
    shift
    wanted "$name" || return 0
    "warm_$(echo "$name" | tr - _)" >/dev/null 2>&1
    echo "@start $name"
    value=$(root "$@" 2>/run/error) || { echo "row $name failed:"; cat /run/error; return 1; }
    echo "@end $name ${value##*
}"
}

warm_python() { root python3 -c 'import json, re, hashlib'; }
warm_perl() { root perl -e 1; }
warm_gcc() { root gcc -O2 -c -o /run/w.o -x c /dev/null; root gcc -O2 -S -o /run/w.s /run/small.c; }
warm_gzip() { root gzip --version; }
warm_xz() { root xz --version; }
warm_openssl_sha256() { root openssl version; }
warm_openssl_aes() { root openssl version; }
warm_openssl_gcm() { root openssl version; }
warm_openssl_rsa() { root openssl version; }
warm_sqlite() { root sqlite3 :memory: 'select 1'; }
warm_shell() { root dash -c 'true; x=$(echo a | cat)'; }

cd /mnt/run || exit 1

cat > work.py <<'PY'
import hashlib, json, re
words = [f"w{i * 7919 % 10007}" for i in range(5000)]
count = {}
for w in words:
    count[w] = count.get(w, 0) + 1
text = json.dumps({"words": words, "count": count})
back = json.loads(text)
found = re.findall(r'"w(\d+)7"', text)
order = sorted(back["count"].items(), key=lambda kv: (-kv[1], kv[0]))
digest = b""
for i in range(150):
    digest = hashlib.sha256(digest + text[:2000].encode()).digest()
total = 0
for i in range(60000):
    total = (total * 31 + i) & 0xffffffff
assert len(found) > 100 and len(order) > 500 and total
PY

cat > work.pl <<'PL'
my (%h, $s);
for my $i (1 .. 120000) { my $k = ($i * 7919) % 5003; $h{"k$k"} += $i; $s .= "x" if $i % 100 == 0; }
my $t = 0;
for my $k (sort keys %h) { $t += length($k) * ($h{$k} % 97); }
for my $i (1 .. 400000) { $t = ($t * 31 + $i) % 1000003; }
die unless $t && length($s) == 1200;
PL

echo 'int main(void) { return 0; }' > small.c
{
    echo '#include <stdio.h>'
    echo '#include <stdlib.h>'
    i=0
    while [ $i -lt 4 ]; do
        echo "struct s$i { int a, b; struct s$i *next; double d[8]; };"
        echo "int f$i(struct s$i *p, int n) { int t = 0; for (int i = 0; i < n; i++) {"
        echo " switch ((p->a + i) % 7) { case 0: t += p->b * i; break; case 1: t ^= p->a; break;"
        echo " case 3: t -= i * $i; break; default: p->d[i & 7] += t; } if (p->next) p = p->next; }"
        echo " printf(\"%d\\n\", t); return t + (int)p->d[3]; }"
        i=$((i + 1))
    done
} > work.c

if wanted gzip || wanted xz || wanted openssl-sha256 || wanted openssl-aes; then
    cat /mnt/usr/bin/python3.* /mnt/usr/bin/perl 2>/dev/null | head -c 6000000 > data
fi
if wanted sqlite; then
    cat > work.sql <<'SQL'
create table a(id integer primary key, k integer, t text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 30000)
  insert into a select i, i * 7919 % 30011, 'text ' || i from n;
create index ak on a(k);
create table b as select k as id, count(*) as c from a group by k % 1000;
select sum(a.id), count(*) from a join b on a.k = b.id;
select count(*) from a x join a y on x.k = y.id where x.t like '%9%';
SQL
fi

row python python3 /run/work.py
row perl perl /run/work.pl
row gcc gcc -O2 -c -o /run/work.o /run/work.c
row gzip gzip -6 -k -f /run/data
row xz sh -c 'head -c 2000000 /run/data | xz -3 -T1 > /run/data.xz'
row openssl-sha256 sh -c 'cat /run/data /run/data /run/data /run/data | openssl dgst -sha256 >/dev/null'
row openssl-aes sh -c 'cat /run/data /run/data | openssl enc -aes-128-ctr -K 00112233445566778899aabbccddeeff -iv 00000000000000000000000000000000 > /dev/null'
# Seconds for a gigabyte, from OpenSSL's own loop of fixed length.
row openssl-gcm sh -c "openssl speed -seconds 2 -bytes 8192 -evp aes-128-gcm 2>/dev/null | perl -ne 'printf \"value=%.6f\", 1e6 / \$1 if /^AES-128-GCM +([0-9.]+)k/'"
# Seconds for one signature, from OpenSSL's own loop of fixed length.
row openssl-rsa sh -c "openssl speed -seconds 2 rsa2048 2>/dev/null | sed -n 's/^rsa *2048 bits *\([0-9.]*\)s .*/value=\1/p'"
row sqlite sh -c 'sqlite3 :memory: < /run/work.sql > /dev/null'
row shell dash -c 'i=0; while [ $i -lt 40 ]; do /usr/bin/true; x=$(echo a | cat); i=$((i + 1)); done'
echo @done
