#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 900
"""A Debian guest at work is saved in the middle, and goes on in new processes: on the JIT, then on the
interpreter, then on the JIT again, with its disk, network, virtio-serial port and random device."""

import contextlib
import os
import re
import shutil
import socket
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "block")]
import images                                           # noqa: E402
import rhea                                             # noqa: E402
import tap                                              # noqa: E402

suite = tap.Suite()

# Copies a file again and again and compares it as the disk gives it back; a process beside it counts
# and hashes without a pause, so that a lost register or a stale translation shows.
WORK = r"""
cat > /tmp/work.sh <<'END'
cd /mnt/root
dd if=/dev/urandom of=ref bs=64k count=16 2>/dev/null
want=$(sha256sum < ref)
n=0
while [ ! -e /tmp/stop ]; do
    n=$((n + 1))
    cp ref copy && sync && echo 3 > /proc/sys/vm/drop_caches
    [ "$(sha256sum < copy)" = "$want" ] || echo "DISK MISMATCH in round $n"
    echo "round $n"
done
echo "disk work ended"
END
cat > /tmp/count.sh <<'END'
a=0; b=1; i=0
while [ ! -e /tmp/stop ]; do
    i=$((i + 1)); t=$(((a + b) % 1000003)); a=$b; b=$t
    if [ $((i % 200)) = 0 ]; then
        [ "$(echo "$i $a" | sha256sum)" = "$(printf '%d %d\n' $i $a | sha256sum)" ] || echo "HASH MISMATCH $i"
    fi
done
x=0; y=1; j=0
while [ $j -lt $i ]; do
    j=$((j + 1)); t=$(((x + y) % 1000003)); x=$y; y=$t
done
[ $x = $a ] && [ $y = $b ] && echo "count work ended" || echo "COUNT MISMATCH $i"
END
sh /tmp/count.sh & sh /tmp/work.sh &
"""


def machine(folder, accel, harts, *args, disk="root-small.ext4,format=raw"):
    devices = ["-drive", f"file={folder}/{disk},if=none,id=d0",
               "-device", "virtio-blk-device,drive=d0",
               "-netdev", "user,id=n0", "-device", "virtio-net-device,netdev=n0",
               "-device", "virtio-serial-device", "-chardev",
               f"socket,id=c0,path={folder}/port,server=on,wait=off",
               "-device", "virtserialport,chardev=c0,name=rhea.test", "-device", "virtio-rng-device"]
    return rhea.Machine("-accel", accel, "-smp", harts, "-kernel", rhea.guest_file("Image"), "-initrd",
                        rhea.guest_file("initrd.cpio"), "-append",
                        "console=ttyS0 rhea.root=/dev/vda rhea.net", *devices, *args, memory="384M", qmp=True)


def save(m, path):
    """Stops the machine wherever it is, saves it, and ends the process."""
    with m.qmp() as q:
        q.command("stop")
        assert q.command("human-monitor-command", command_line=f"savevm-file {path}") == ""
        q.command("quit")
    assert m.wait(60) == 0


def rounds_go_on(m, count, timeout):
    for _ in range(count):
        m.expect(r"round \d+\r?\n", timeout)


def port_answers(folder, m):
    """A line goes through the virtio-serial port both ways."""
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as s:
        s.settimeout(60)
        s.connect(f"{folder}/port")
        # Until the guest knows that the port is open it reads nothing.
        m.send("P=$(echo /dev/vport*p1); until read -r line < $P; do sleep 0.1; done; "
               "echo \"guest got $line\" > $P\n")
        s.sendall(b"bark\n")
        answer = b""
        while b"\n" not in answer:
            part = s.recv(100)
            assert part, "the port hung up"
            answer += part
        assert answer.strip() == b"guest got bark", answer


def network_answers(m):
    """A connection begun after the load; those from before ended with the old process's sockets."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        server.settimeout(60)
        m.send(f"echo woof | nc -w 5 10.0.2.2 {server.getsockname()[1]}\n")
        peer, _ = server.accept()
        with peer:
            peer.settimeout(60)
            assert peer.recv(100) == b"woof\n"


def finish(m):
    m.send("touch /tmp/stop\n")
    m.expect(r"count work ended", 300)
    m.run("wait", 300)
    m.send("exit\n")
    m.expect(r"reboot: Power down", 120)
    assert m.wait(60) == 0
    assert not re.search(r"MISMATCH (in round )?\d", m.log), m.log[-3000:]


def chain(harts):
    for accel in ("tcg", "tci"):
        rhea.need_accel(accel)
    with rhea.scratch() as folder:
        disk = rhea.copy_image("root-small.ext4", folder)
        state = os.path.join(folder, "state")
        with machine(folder, "tcg", harts) as m:
            m.expect(r"rhea-guest: ready", 300)
            port_answers(folder, m)
            m.send(WORK)
            rounds_go_on(m, 3, 120)
            save(m, state)
        # From one state, with the disk as it was then, the guest goes on as often as one likes.
        shutil.copyfile(disk, disk + ".saved")
        for accel in ("tci", "tcg"):
            shutil.copyfile(disk + ".saved", disk)
            with machine(folder, accel, harts, "-loadvm", state) as m:
                rounds_go_on(m, 2, 300)
                port_answers(folder, m)
                network_answers(m)
                if accel == "tci":
                    save(m, state + ".2")
                    shutil.copyfile(disk, disk + ".saved.2")
                else:
                    finish(m)
        shutil.copyfile(disk + ".saved.2", disk)
        with machine(folder, "tcg", harts, "-loadvm", state + ".2") as m:
            assert "OpenSBI" not in m.log
            rounds_go_on(m, 2, 120)
            finish(m)
        rhea.check_ext4(disk)


def in_disks(harts):
    """The same with savevm and loadvm, where the disk goes back by itself: in the process, and in others."""
    with rhea.scratch() as folder:
        raw, disk = rhea.copy_image("root-small.ext4", folder), os.path.join(folder, "root.qcow2")
        images.img("convert", "-O", "qcow2", raw, disk)
        for start in ([], ["-loadvm", "work"], ["-loadvm", "later"]):
            with machine(folder, "tcg", harts, *start, disk="root.qcow2,format=qcow2") as m, m.qmp() as q:
                def hmp(line):
                    assert q.command("human-monitor-command", command_line=line) == "", line

                if not start:
                    m.expect(r"rhea-guest: ready", 300)
                    m.send(WORK)
                    rounds_go_on(m, 3, 120)
                    hmp("savevm work")
                    rounds_go_on(m, 2, 120)
                    hmp("savevm later")
                    rounds_go_on(m, 1, 120)
                    hmp("loadvm work")
                assert "OpenSBI" not in m.log or not start
                rounds_go_on(m, 2, 120)
                finish(m)
            images.img("check", "-q", disk)
            if images.HAVE_QEMU:
                images.qemu_img("check", disk)
        images.img("convert", "-O", "raw", disk, raw)
        rhea.check_ext4(raw)


suite.add("goes-on-1", chain, 1)
suite.add("goes-on-4", chain, 4)
suite.add("in-disks-1", in_disks, 1)
suite.add("in-disks-4", in_disks, 4)

sys.exit(suite.run())
