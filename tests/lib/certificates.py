# SPDX-License-Identifier: MIT
"""Certificates for TLS, made by certtool (Debian package gnutls-bin)."""

import os
import subprocess


def _certtool(folder, *argv, template=""):
    with open(os.path.join(folder, "template"), "w", encoding="ascii") as f:
        f.write(template)
    extra = ["--template", os.path.join(folder, "template")] if template else []
    subprocess.run(["certtool", *argv, *extra], check=True, timeout=100, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def make(folder):
    """Directories "server", "client" and "stranger", the last with a certificate of another authority than "ca"."""
    def file(name):
        return os.path.join(folder, name)

    for ca in "ca", "other":
        _certtool(folder, "--generate-privkey", "--bits", "2048", "--outfile", file(f"{ca}-key"))
        _certtool(folder, "--generate-self-signed", "--load-privkey", file(f"{ca}-key"), "--outfile", file(ca),
                  template=f"cn = {ca}\nca\ncert_signing_key\nexpiration_days = 100\n")
    for who, ca in ("server", "ca"), ("client", "ca"), ("stranger", "other"):
        end = "server" if who == "server" else "client"
        where = file(who)
        os.mkdir(where)
        _certtool(folder, "--generate-privkey", "--bits", "2048", "--outfile", f"{where}/{end}-key.pem")
        _certtool(folder, "--generate-certificate", "--load-ca-privkey", file(f"{ca}-key"),
                  "--load-ca-certificate", file(ca), "--load-privkey", f"{where}/{end}-key.pem",
                  "--outfile", f"{where}/{end}-cert.pem",
                  template=f"cn = {who}\ndns_name = localhost\nip_address = 127.0.0.1\ntls_www_{end}\n"
                           "signing_key\nencryption_key\nexpiration_days = 100\n")
        with open(file("ca"), "rb") as f, open(f"{where}/ca-cert.pem", "wb") as copy:
            copy.write(f.read())
