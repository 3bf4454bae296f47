#!/usr/bin/env python3
"""Copies src/ for the fuzzer's build and puts a counter at the beginning of each block of the rooms that the fuzzer explores: bodies
of methods, branches, loops and cases. That is its guide: block coverage with hit counts, of our own code and nothing else (what
is decided inside an expression is not seen). The house style makes it easy: each brace stands on a line of its own, below the head
that it belongs to and at the head's indentation. What is not recognised is left out; what is recognised wrongly does not compile.

usage: instrument.py SRC OUT"""
import os, re, sys

ROOMS = ("Protocol", "Commands", "Transfer", "Files", "Workers/Session", "Workers/Prelogin")
STATEMENT = re.compile(r"\s*(if|else|for|foreach|while|do|try|catch|finally|using|fixed|lock)\b")
METHOD = re.compile(r"\s*(?:\[[^\]]*\]\s*)?((private|internal|public|protected|static|unsafe|override|sealed|readonly|async) )+")
NO_METHOD = re.compile(r"\b(class|struct|record|interface|enum|switch|new|delegate \*)\b| = ")


def head_of(lines, at):
    """The line on which the statement or member begins that the brace on line 'at' belongs to."""
    indent = len(lines[at]) - len(lines[at].lstrip())
    i = at - 1
    while i > 0 and lines[i].strip() and len(lines[i]) - len(lines[i].lstrip()) > indent:
        i -= 1
    return lines[i] if lines[i].strip() and len(lines[i]) - len(lines[i].lstrip()) == indent else ""


def opens_block(lines, at):
    if lines[at].strip() != "{":
        return False
    head = head_of(lines, at)
    if STATEMENT.match(head):
        return True
    return bool(METHOD.match(head)) and "(" in head and "=>" not in head and lines[at - 1].rstrip().endswith(")") and not NO_METHOD.search(head.split("(")[0])


def opens_case(lines, at):
    line = lines[at].strip()
    if not (line.startswith("case ") and line.endswith(":") or line == "default:"):
        return False
    following = lines[at + 1].strip()
    return not following.startswith(("case ", "default:"))


def main():
    source, out = sys.argv[1:3]
    sites = []
    for directory, subdirectories, files in os.walk(source):
        room = os.path.relpath(directory, source)
        os.makedirs(os.path.join(out, room), exist_ok=True)
        for name in sorted(files):
            if not name.endswith(".cs"):
                continue
            path = os.path.join(room, name)
            lines = open(os.path.join(source, path), encoding="utf-8").read().split("\n")
            if room.startswith(ROOMS):
                for i, line in enumerate(lines):
                    if opens_block(lines, i) or opens_case(lines, i):
                        lines[i] = "%s global::Aotftpd.Fuzz.Coverage.Hit(%d);" % (line, len(sites))
                        sites.append("%s:%d" % (path, i + 1))
            text = "\n".join(lines)
            target = os.path.join(out, path)
            if not os.path.exists(target) or open(target, encoding="utf-8").read() != text:
                with open(target, "w", encoding="utf-8") as f:
                    f.write(text)
    with open(os.path.join(out, "Sites.cs"), "w", encoding="utf-8") as f:
        f.write("namespace Aotftpd.Fuzz;\n\ninternal static partial class Coverage\n{\n    internal const int Count = %d;\n\n    internal static readonly string[] Sites =\n    [\n%s    ];\n}\n"
                % (len(sites), "".join('        "%s",\n' % s for s in sites)))


main()
