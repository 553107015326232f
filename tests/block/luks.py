#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# test-timeout: 600
"""Encrypted images: LUKS and qcow2 with LUKS inside, both ways beside Debian's qemu-img and cryptsetup, secrets in
all their spellings, and headers that lie."""
import base64
import json
import os
import shutil
import struct
import subprocess
import sys

sys.path[:0] = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "..", "lib")]
from images import IMG, IO, QEMU_IMG, Failed, Workdir, img, qemu_img, run
import rhea
from tap import Skip, Suite

suite = Suite()
CRYPTSETUP = shutil.which("cryptsetup") or "/sbin/cryptsetup"
SECRET = ("--object", "secret,id=s,data=swordfish")
QUICK = "iter-time=10"
LAYOUTS = ["", "cipher-alg=aes-128", "cipher-alg=serpent-256,hash-alg=sha512",
           "cipher-alg=twofish-128,cipher-mode=cbc,ivgen-alg=plain",
           "cipher-mode=cbc,ivgen-alg=essiv,ivgen-hash-alg=sha256,hash-alg=sha1"]


def need(*programs):
    for program in programs:
        if not program or not os.path.exists(program):
            raise Skip("no qemu-img or cryptsetup (Debian packages qemu-utils, cryptsetup-bin)")


def raw_disk(path, size=3 << 20):
    """Bytes that differ everywhere, and zeroes in the middle."""
    with open(path, "wb") as f:
        f.write(b"".join(struct.pack("<Q", i * 0x9e3779b97f4a7c15 % 2**64) for i in range(size // 8)))
        f.seek(size // 3)
        f.write(bytes(size // 4))
    return path


def options(path, fmt, secret="s"):
    key = "key-secret" if fmt == "luks" else "encrypt.key-secret"
    return f"driver={fmt},{key}={secret},file.filename={path}"


def create_options(fmt, layout):
    prefix = "" if fmt == "luks" else "encrypt."
    all_of_it = [o for o in ("key-secret=s", QUICK, *layout.split(",")) if o]
    return ",".join((["encrypt.format=luks"] if prefix else []) + [prefix + o for o in all_of_it])


def make_by(tool, *argv):
    """The other tool measures its own time, and fails when the host's clocks are too coarse for it."""
    for _ in range(20):
        try:
            return tool(*argv)
        except Failed as e:
            if "accurate CPU usage" not in str(e):
                raise
    raise Skip("qemu-img cannot measure its time on this host")


def compare(tool, raw, path, fmt):
    tool("compare", *SECRET, "--image-opts", f"driver=raw,file.filename={raw}", options(path, fmt))


def refused(*argv):
    done = subprocess.run([IMG, *argv], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, (argv, done)
    return done.stderr


def both_ways(fmt):
    need(QEMU_IMG)
    with Workdir() as w:
        raw = raw_disk(w.file("raw"))
        for number, layout in enumerate(LAYOUTS):
            for name, make in ("ours", img), ("theirs", qemu_img):
                path = w.file(f"{name}{number}")
                make_by(make, "convert", *SECRET, "-f", "raw", "-O", fmt, "-o", create_options(fmt, layout), raw, path)
                compare(img, raw, path, fmt)
                compare(qemu_img, raw, path, fmt)
                if fmt == "qcow2":
                    img("check", path)
                    qemu_img("check", *SECRET, "--image-opts", options(path, fmt))


@suite.test
def luks_is_read_and_made_as_by_the_other():
    both_ways("luks")


@suite.test
def qcow2_is_read_and_made_as_by_the_other():
    both_ways("qcow2")


@suite.test
def cryptsetup_opens_what_is_made():
    need(CRYPTSETUP)
    with Workdir() as w:
        for number, layout in enumerate(LAYOUTS):
            path = w.file(str(number))
            img("create", *SECRET, "-q", "-f", "luks", "-o", create_options("luks", layout), path, "1M")
            assert "Key Slot 0: ENABLED" in run(CRYPTSETUP, "luksDump", path)
            if "aes" not in layout and "alg=" in layout:
                continue  # it asks the kernel for other ciphers, which not every host has
            run(CRYPTSETUP, "luksOpen", "--test-passphrase", "--key-file", "-", path, stdin="swordfish")
            run(CRYPTSETUP, "luksOpen", "--test-passphrase", "--key-file", "-", path, stdin="wrong", ok=(2,))


@suite.test
def what_cryptsetup_makes_is_opened():
    need(CRYPTSETUP, QEMU_IMG)
    with Workdir() as w:
        path = w.file("i")
        with open(path, "wb") as f:
            f.truncate(8 << 20)
        run(CRYPTSETUP, "luksFormat", "--type", "luks1", "-q", "--pbkdf-force-iterations", "1000", "--key-file", "-",
            path, stdin="first")
        with open(w.file("first"), "w") as f:
            f.write("first")
        run(CRYPTSETUP, "luksAddKey", "--pbkdf-force-iterations", "1000", "--key-file", w.file("first"), path, "-",
            stdin="swordfish")
        img("io", *SECRET, "--image-opts", "-c", "write -P 0x5a 1000 100000", options(path, "luks"))
        for tool in img, qemu_img:
            tool("convert", *SECRET, "--image-opts", "-O", "raw", options(path, "luks"), w.file("raw"))
            with open(w.file("raw"), "rb") as f:
                data = f.read()
            assert data[1000:101000] == b"\x5a" * 100000
        run(CRYPTSETUP, "luksDump", path)


@suite.test
def any_alignment_is_written():
    for fmt in "luks", "qcow2":
        with Workdir() as w:
            path = w.file("i")
            img("create", *SECRET, "-q", "-f", fmt, "-o", create_options(fmt, ""), path, "1M")
            commands = []
            if fmt == "luks":
                commands += ["-c", "write -P 0 0 1M"]
            model = bytearray(1 << 20)
            for at, length in (0, 1), (511, 2), (70000, 131), (1024, 512), (65535, 200001), (1048575, 1), (300, 5000):
                byte = 1 + (at + length) % 250
                model[at:at + length] = bytes([byte]) * length
                commands += ["-c", f"write -P {byte} {at} {length}"]
            img("io", *SECRET, "--image-opts", *commands, options(path, fmt))
            img("convert", *SECRET, "--image-opts", "-O", "raw", options(path, fmt), w.file("raw"))
            with open(w.file("raw"), "rb") as f:
                assert f.read() == model, fmt
            with open(path, "rb") as f:
                assert bytes([1 + 200001 + 65535 - 250 * ((200001 + 65535) // 250)]) * 64 not in f.read(), fmt


@suite.test
def snapshots_and_backing_files_are_encrypted_too():
    need(QEMU_IMG)
    with Workdir() as w:
        raw = raw_disk(w.file("raw"), 1 << 20)
        path = w.file("i")
        img("create", *SECRET, "-q", "-f", "qcow2", "-b", raw, "-F", "raw", "-o", create_options("qcow2", ""), path)
        img("io", *SECRET, "--image-opts", "-c", "write -P 7 100 3000", options(path, "qcow2"))
        img("snapshot", *SECRET, "--image-opts", "-c", "one", options(path, "qcow2"))
        img("io", *SECRET, "--image-opts", "-c", "write -P 9 200 100000", options(path, "qcow2"))
        for tool in img, qemu_img:
            tool("convert", *SECRET, "--image-opts", "-O", "raw", options(path, "qcow2"), w.file(tool.__name__))
        with open(raw, "rb") as f:
            model = bytearray(f.read())
        model[100:3100] = bytes([7]) * 3000
        before = bytes(model)
        model[200:100200] = bytes([9]) * 100000
        for tool in img, qemu_img:
            with open(w.file(tool.__name__), "rb") as f:
                assert f.read() == model, tool.__name__
        img("convert", *SECRET, "--image-opts", "-l", "one", "-O", "raw", options(path, "qcow2"), w.file("then"))
        with open(w.file("then"), "rb") as f:
            assert f.read() == before
        img("check", path)


@suite.test
def growing_reads_as_zeroes():
    for fmt in "luks", "qcow2":
        with Workdir() as w:
            path = w.file("i")
            img("create", *SECRET, "-q", "-f", fmt, "-o", create_options(fmt, ""), path, "64k")
            img("resize", *SECRET, "-q", "--image-opts", options(path, fmt), "1M")
            img("io", *SECRET, "--image-opts", "-c", "read -P 0 64k 960k", options(path, fmt))


@suite.test
def info_says_what_the_other_says():
    need(QEMU_IMG)
    with Workdir() as w:
        for fmt in "luks", "qcow2":
            path = w.file(fmt)
            img("create", *SECRET, "-q", "-f", fmt, "-o", create_options(fmt, LAYOUTS[-1]), path, "1M")
            ours, theirs = (json.loads(tool("info", "--output=json", path)) for tool in (img, qemu_img))
            theirs.pop("children", None)
            assert "encrypted: yes" in img("info", path)
            assert ours == theirs, (ours, theirs)


@suite.test
def secrets_in_all_spellings():
    need(QEMU_IMG)
    key, iv, text = bytes(range(32)), bytes(range(16)), b"swordfish"
    pad = 16 - len(text) % 16
    done = subprocess.run(["openssl", "enc", "-aes-256-cbc", "-K", key.hex(), "-iv", iv.hex()], input=text,
                          capture_output=True, check=False)
    if done.returncode:
        raise Skip("no openssl")
    assert len(done.stdout) == len(text) + pad
    with Workdir() as w:
        path = w.file("i")
        img("create", *SECRET, "-q", "-f", "luks", "-o", create_options("luks", ""), path, "64k")
        with open(w.file("pass"), "wb") as f:
            f.write(text)
        master = ["--object", f"secret,id=m,format=base64,data={base64.b64encode(key).decode()}"]
        sealed = f"format=base64,keyid=m,iv={base64.b64encode(iv).decode()}"
        good = [["--object", f"secret,id=s,file={w.file('pass')}"],
                ["--object", f"secret,id=s,format=base64,data={base64.b64encode(text).decode()}"],
                [*master, "--object", f"secret,id=s,{sealed},data={base64.b64encode(done.stdout).decode()}"]]
        bad = [["--object", "secret,id=s,data=wrong"], [],
               ["--object", "secret,id=s"], ["--object", "secret,id=s,format=base64,data=!!"],
               [*master, "--object", f"secret,id=s,{sealed},data=AAAA"],
               ["--object", "secret,id=s,keyid=no,data=AAAA"], ["--object", "iothread,id=s"]]
        for objects in good:
            for tool in img, qemu_img:
                tool("convert", *objects, "--image-opts", "-O", "raw", options(path, "luks"), w.file("raw"))
        for objects in bad:
            refused("io", *objects, "--image-opts", "-c", "read 0 512", options(path, "luks"))


@suite.test
def headers_that_lie_are_refused():
    lies = [(6, b"\x00\x02"), (8, b"rot13\0"), (40, b"xts-plain65\0"), (72, b"md4\0\0\0"), (104, b"\xff" * 4),
            (108, b"\0\0\0\0"), (108, b"\0\0\xff\xf8"), (164, b"\xff" * 4), (164, bytes(4)), (212, b"\xff" * 4),
            (212, bytes(4)), (248, b"\xff" * 4), (248, bytes(4)), (252, b"\xff" * 4), (252, bytes(4))]
    with Workdir() as w:
        path, bad = w.file("i"), w.file("bad")
        img("create", *SECRET, "-q", "-f", "luks", "-o", create_options("luks", ""), path, "64k")
        for at, what in lies:
            shutil.copy(path, bad)
            with open(bad, "r+b") as f:
                f.seek(at)
                f.write(what)
            refused("io", *SECRET, "--image-opts", "-c", "read 0 512", options(bad, "luks"))
        for length in 0, 6, 591, 592, 4096, 100000:
            shutil.copy(path, bad)
            os.truncate(bad, length)
            refused("io", *SECRET, "--image-opts", "-c", "read 0 512", options(bad, "luks"))


@suite.test
def without_the_key_nothing_is_read():
    with Workdir() as w:
        for fmt in "luks", "qcow2":
            path = w.file(fmt)
            img("create", *SECRET, "-q", "-f", fmt, "-o", create_options(fmt, ""), path, "64k")
            assert "is missing" in refused("io", "-f", fmt, "-c", "read 0 512", path)
            img("info", path)
        assert "encrypt.format" in refused("create", *SECRET, "-f", "qcow2", "-o", "encrypt.key-secret=s",
                                           w.file("x"), "1M")
        assert "key-secret" in refused("create", "-f", "luks", w.file("x"), "1M")


@suite.test
def the_other_tools_take_secrets_too():
    with Workdir() as w:
        path, socket = w.file("i"), w.file("s")
        img("create", *SECRET, "-q", "-f", "luks", "-o", create_options("luks", ""), path, "1M")
        run(IO, *SECRET, "--image-opts", "-c", "write -P 3 0 1M", options(path, "luks"))
        raw_disk(w.file("raw"), 1 << 20)
        img("convert", *SECRET, "-n", "-f", "raw", "--target-image-opts", w.file("raw"), options(path, "luks"))
        compare(img, w.file("raw"), path, "luks")
        run(os.path.abspath("rhea-nbd"), *SECRET, "--fork", "-k", socket, "--image-opts", options(path, "luks"))
        img("compare", "-f", "raw", "-F", "raw", w.file("raw"), f"nbd+unix:///?socket={socket}")
        assert "needs -n" in refused("convert", *SECRET, "--target-image-opts", w.file("raw"), options(path, "luks"))


@suite.test
def a_machine_opens_them_by_its_secrets():
    with Workdir() as w:
        for fmt in "luks", "qcow2":
            img("create", *SECRET, "-q", "-f", fmt, "-o", create_options(fmt, ""), w.file(fmt), "1M")
        key = "file.filename=%s,if=none,id=d,format=qcow2,encrypt.key-secret=s" % w.file("qcow2")
        with rhea.Machine("-bios", "none", "-S", "-object", "secret,id=s,data=swordfish", "-drive", key, qmp=True) as m:
            with m.qmp() as q:
                drive = next(d for d in q.command("query-block") if d["device"] == "d")
                assert drive["inserted"]["encrypted"] is True, drive
                add = {"driver": "luks", "node-name": "l", "file": {"driver": "file", "filename": w.file("luks")}}
                q.command("object-add", **{"qom-type": "secret", "id": "t", "data": "wrong"})
                for secret, error in ("none", "no secret"), ("t", "opens none"):
                    try:
                        q.command("blockdev-add", **add, **{"key-secret": secret})
                    except AssertionError as e:
                        assert error in str(e), e
                    else:
                        raise RuntimeError(f"it opens with {secret}")
                q.command("blockdev-add", **add, **{"key-secret": "s"})
                q.command("object-del", id="t")
                q.command("object-add", **{"qom-type": "secret", "id": "t", "data": "again"})


def built_with_encryption():
    with Workdir() as w:
        done = subprocess.run([IMG, "create", *SECRET, "-f", "luks", "-o", create_options("luks", ""), w.file("i"), "1M"],
                              capture_output=True, text=True, timeout=120)
        return "no encryption" not in done.stderr


OTHER = ("--object", "secret,id=t,data=halibut")


def opens(path, password):
    """Whether cryptsetup finds a key slot for it."""
    need(CRYPTSETUP)
    done = subprocess.run([CRYPTSETUP, "open", "--test-passphrase", "--type", "luks1", "--key-file", "-", path],
                          input=password, text=True, capture_output=True, timeout=120)
    return done.returncode == 0


def active(path):
    slots = json.loads(img("info", "--output=json", "-f", "luks", path))["format-specific"]["data"]["slots"]
    return [i for i, slot in enumerate(slots) if slot["active"]]


@suite.test
def other_passwords():
    """Key slots come and go; the last one stays; cryptsetup and the other tool agree."""
    with Workdir() as w:
        path, raw = w.file("i"), raw_disk(w.file("raw"))
        img("convert", *SECRET, "-O", "luks", "-o", create_options("luks", ""), raw, path)
        amend = ("amend", *SECRET, *OTHER)
        both = ("--image-opts", options(path, "luks"))
        assert "state= is missing" in refused(*amend, *both, "-o", "keyslot=1")
        assert "'new-secret' is required" in refused(*amend, *both, "-o", "state=active")
        assert "master key" in refused(*amend, *both, "-o", "state=active,new-secret=s,old-secret=t")
        assert "No key slot would be left" in refused(*amend, *both, "-o", "state=inactive,keyslot=0")
        assert "keyslot" in refused(*amend, *both, "-o", "state=active,new-secret=t,keyslot=8")
        img(*amend, *both, "-o", f"state=active,new-secret=t,{QUICK}")
        assert active(path) == [0, 1] and opens(path, "halibut") and opens(path, "swordfish")
        assert "Refusing to overwrite" in refused(*amend, *both, "-o", "state=active,new-secret=t,keyslot=1")
        img(*amend, "-f", "luks", "-o", f"state=active,old-secret=t,new-secret=t,keyslot=6,{QUICK}", path)
        assert active(path) == [0, 1, 6]
        img(*amend, "-f", "luks", "-o", "state=inactive,old-secret=s", path)
        assert active(path) == [1, 6] and opens(path, "halibut") and not opens(path, "swordfish")
        assert "No keyslots match" in refused(*amend, "-f", "luks", "-o", "state=inactive,old-secret=s", path)
        assert "No key slot would be left" in refused(*amend, "-f", "luks", "-o", "state=inactive,old-secret=t", path)
        img(*amend, "-f", "luks", "-o", "state=inactive,old-secret=t,keyslot=1", path)
        assert active(path) == [6]
        for tool in (img, qemu_img) if QEMU_IMG else (img,):
            tool("compare", *OTHER, "--image-opts", f"driver=raw,file.filename={raw}", options(path, "luks", "t"))
        img(*amend, "--force", "-f", "luks", "-o", "state=inactive,keyslot=6", path)
        assert active(path) == [] and not opens(path, "halibut")


@suite.test
def other_passwords_of_qcow2():
    need(QEMU_IMG)
    with Workdir() as w:
        path, raw = w.file("i"), raw_disk(w.file("raw"))
        img("convert", *SECRET, "-O", "qcow2", "-o", create_options("qcow2", ""), raw, path)
        amend = ("amend", *SECRET, *OTHER, "--image-opts")
        new = f"encrypt.state=active,encrypt.new-secret=t,encrypt.{QUICK}"
        img(*amend, "-o", f"{new},lazy_refcounts=on", options(path, "qcow2"))
        make_by(qemu_img, *amend, "-o", f"{new},encrypt.keyslot=5", options(path, "qcow2"))
        for tool in img, qemu_img:
            for secret in "s", "t":
                tool("compare", *SECRET, *OTHER, "--image-opts", f"driver=raw,file.filename={raw}",
                     options(path, "qcow2", secret))
        qemu_img(*amend, "-o", "encrypt.state=inactive,encrypt.old-secret=s", options(path, "qcow2", "t"))
        assert "opens none" in refused("io", *SECRET, "-c", "read 0 512", "--image-opts", options(path, "qcow2"))
        img(*amend, "-o", "encrypt.state=inactive,encrypt.keyslot=1", options(path, "qcow2", "t"))
        img("check", "-q", "-f", "qcow2", path)
        qemu_img("compare", *OTHER, "--image-opts", f"driver=raw,file.filename={raw}", options(path, "qcow2", "t"))
        img("create", "-q", "-f", "qcow2", w.file("plain"), "1M")
        assert "is not encrypted" in refused("amend", *OTHER, "-o", new, w.file("plain"))


@suite.test
def info_of_a_chain():
    """Over an encrypted backing file, without its key."""
    with Workdir() as w:
        img("create", "-q", *SECRET, "-f", "luks", "-o", create_options("luks", ""), w.file("base"), "1M")
        img("create", "-q", "-u", "-f", "qcow2", "-b", w.file("base"), "-F", "luks", w.file("top"), "1M")
        chain = json.loads(img("info", "--output=json", "--backing-chain", w.file("top")))
        assert [i["format"] for i in chain] == ["qcow2", "luks"], chain
        assert "key-secret= is missing" in refused("io", "-c", "read 0 512", w.file("top"))


@suite.test
def measured():
    """What a new image will take is what it takes, and what the other tool says."""
    with Workdir() as w:
        for fmt, layout in ("luks", ""), ("luks", "cipher-alg=aes-128"), ("qcow2", ""), ("qcow2", "cipher-mode=cbc"):
            args = ("measure", *SECRET, "--output=json", "-O", fmt, "-o", create_options(fmt, layout), "--size", "10M")
            ours = json.loads(img(*args))
            img("create", "-q", *SECRET, "-f", fmt, "-o", create_options(fmt, layout), w.file("i"), "10M")
            assert os.stat(w.file("i")).st_size <= ours["required"], ours
            if QEMU_IMG:
                assert ours == json.loads(make_by(qemu_img, *args)), ours
        assert "key-secret" in refused("measure", "-O", "luks", "--size", "1M")


if __name__ == "__main__":
    if not built_with_encryption():
        print("1..0 # SKIP this build has no libgcrypt")
        sys.exit(0)
    sys.exit(suite.run())
