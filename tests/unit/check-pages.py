#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds the man pages to the public header, to each other, and to what mandoc knows of pages.

check-pages.py HEADER SOURCE PAGE...: the pages as they are installed, among them those that only
link to another. Everything that the header has is described in a page, as the header has it, and is
found by its name; nothing is described that there is not; and what is referred to is there.
"""

import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True

from checks import expect, finish, read  # noqa: E402


def one_space(text):
    """C without comments, and with white space only where it matters."""
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    return re.sub(r" ?([*(),;{}]) ?", r"\1", " ".join(text.split()))


class Header:
    """What is public. Every declaration as its name and its text."""

    def __init__(self, path):
        text = read(path)
        bare = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
        bare = re.sub(r"^#.*(?:\\\n.*)*$|^extern \"C\" \{$", "", bare, flags=re.M)
        self.prototypes, self.structs, self.constants, types = {}, {}, {}, set()
        for head, name, body in re.findall(r"^typedef (\w+) (\w+) \{\n(.*?)^\}", bare, re.M | re.S):
            types.add(name)
            if head == "struct":
                body = re.sub(r"^.*\breserved\w*(\[\d+\])?;\n", "", body, flags=re.M)
                self.structs[name] = one_space(body)
            else:
                self.constants.update(re.findall(r"^ +(DOORWARD_\w+) = (\d+),?$", body, re.M))
        flat = re.sub(r"^typedef \w+ \w+ \{\n.*?^\} \w+;", "", bare, flags=re.M | re.S)
        for declaration in re.findall(r"[^;{}]+;", flat):
            declaration = one_space(declaration)
            name = re.search(r"\b(doorward_\w+)(?:\)?\(|;)", declaration)[1]
            self.prototypes[name] = declaration
        self.constants.update(re.findall(r"^#define (DOORWARD_\w+) (\d+)$", text, re.M))
        self.names = types | set(self.prototypes)
        self.words = {
            constant: word
            for word, constant in re.findall(
                r"/\* \(([a-z-]+)\)[^*]*(?:\*(?!/)[^*]*)*\*/\n +(DOORWARD_\w+) =", text
            )
        }
        # What says only that it is this header, or that there is nothing.
        understood = len(self.prototypes) >= 38 and len(self.structs) >= 4
        understood &= len(self.constants) >= 55 and len(self.words) >= 41
        expect(understood, "the header was not understood")


class Page:
    """A page, as scdoc made it: its text without marks, and what stands in bold."""

    def __init__(self, path):
        self.path = path
        self.name, self.section = os.path.basename(path).rsplit(".", 1)
        self.roff = read(path)
        self.link = re.fullmatch(r"\.so man(\d)/([\w.-]+)\.\1\n", self.roff)
        text = re.sub(r"^\.\\\".*\n|^\.[a-z]+ .*\n", "", self.roff, flags=re.M)
        self.bold = self.plain(re.sub(r"\\fB(.*?)\\f[RP]", r"*\1*", text, flags=re.S))
        self.text = self.plain(text)

    @staticmethod
    def plain(text):
        text = re.sub(r"\\f[BIRP]|\\&", "", text)
        for escape, meaning in (("\\-", "-"), ("\\(aq", "'"), ("\\*(Aq", "'"), ("\\e", "\\")):
            text = text.replace(escape, meaning)
        return text

    def __str__(self):
        return f"{self.name}({self.section})"

    def part(self, title):
        found = re.search(rf"^\.SH {title}\n(.*?)(?=^\.SH |\Z)", self.bold, re.M | re.S)
        return found[1] if found else ""

    def names(self):
        """Those in NAME, which whatis(1) and apropos(1) find."""
        head = self.part("NAME").replace(".P", " ").split(" - ")[0].split("\n- ")[0]
        return {name.strip() for name in head.split(",")}

    def prototypes(self):
        """Of functions, variables and callbacks, by their names."""
        found = {}
        text = re.sub(r"^\.nf.*?^\.fi", "", self.part("SYNOPSIS"), flags=re.M | re.S)
        text = re.sub(r"^\.(P|br|nf|fi|RS.*|RE)$", "", text, flags=re.M)
        text = text.replace("#include <doorward.h>", "")
        for declaration in re.findall(r"[^;{}]+;", text):
            name = re.search(r"\*(doorward_\w+)\*[(;)]", declaration)
            if name:
                plain = re.sub(r"\*(doorward_\w+)\*(?=[(;)])", r"\1", declaration)
                plain = re.sub(r"^[\s*]*", "", plain)
                found[name[1]] = one_space(plain)
        return found

    def references(self):
        return set(re.findall(r"\*([\w.@-]+)\*\((\d)\)", self.bold))

    def mentions(self):
        return set(re.findall(r"\*(doorward_\w+)\*\(\)", self.bold))


def check_declarations(header, pages):
    """Prototypes, structures and constants: each in a page, as it is in the header."""
    prototypes, structs, constants = {}, {}, {}
    for page in pages:
        for name, text in page.prototypes().items():
            expect(name not in prototypes, f"{name} has a synopsis in two pages")
            prototypes[name] = text
            expect(name in header.names, f"{page}: there is no {name}")
        for name, body in re.findall(r"^typedef struct (\w+) \{\n(.*?)^\}", page.text, re.M | re.S):
            structs[name] = one_space(body)
            expect(name in header.structs, f"{page}: there is no struct {name}")
        for name, number, word in re.findall(
            r"\*(DOORWARD_\w+)\* \((\d+)(?:, \*([a-z-]+)\*)?\)", page.bold
        ):
            constants[name] = (number, word)
    for name, text in header.prototypes.items():
        there = prototypes.get(name)
        expect(there is not None, f"no page has a synopsis of {name}")
        expect(there in (None, text), f"the page of {name} has {there}, the header has {text}")
    for name, body in header.structs.items():
        there = structs.get(name)
        expect(there is not None, f"no page shows struct {name}")
        expect(there in (None, body), f"the page of struct {name} has {there}, the header {body}")
    for name, number in header.constants.items():
        wanted = (number, header.words.get(name, ""))
        there = constants.get(name)
        expect(there is not None, f"no page describes {name}: *{name}* ({', *'.join(wanted)}*)")
        expect(there in (None, wanted), f"{name} is {wanted} in the header, {there} in the page")


def check_names(header, pages, links, source):
    """Each public name is found by man(1), where it is described; no page has one that is not."""
    # What else is written so: the environment, and fields of the journal.
    quoted = set()
    for folder in ("broker", "client", "helpers"):
        for file in os.listdir(f"{source}/{folder}"):
            if file.endswith(".c"):
                quoted |= set(re.findall(r'"(DOORWARD_\w+)', read(f"{source}/{folder}/{file}")))
    described = {}
    for page in pages:
        own = page.names()
        expect(page.name in own, f"{page}: NAME does not have it")
        for name in own | set(page.prototypes()):
            described[name] = page
        for name in set(re.findall(r"\b(?:doorward_\w+\w|DOORWARD_\w+\w)", page.text)):
            known = name in header.names or name in header.constants or name in quoted
            expect(known, f"{page}: there is no {name}")
    found = {page.name for page in pages} | set(links)
    for name in header.names:
        expect(name in found, f"docs/meson.build: {name} is to be a name of the page that has it")
    for name, target in links.items():
        if name in header.prototypes and name in described:
            there = str(described[name])
            expect(there == target, f"docs/meson.build: {name} is in {there}, and links {target}")
        expect(name in header.names, f"docs/meson.build: there is no {name}")


def check_references(pages, links):
    """What is referred to is there; SEE ALSO has all of it, and all that has what is mentioned."""
    there = {(page.name, page.section) for page in pages} | set(links)
    for (name, section), target in links.items():
        expect(target in there, f"docs/meson.build: there is no {target} for {name}({section})")
    overview = next(page for page in pages if page.name == "libdoorward")
    for page in pages:
        also = set(re.findall(r"\*([\w.@-]+)\*\((\d)\)", page.part("SEE ALSO")))
        for name, section in sorted(page.references()):
            if not re.match(r"(lib)?doorward", name):
                continue
            expect((name, section) in there, f"{page}: there is no {name}({section})")
            wanted = links.get((name, section), (name, section))
            if wanted != (page.name, page.section):
                expect(wanted in also, f"{page}: SEE ALSO does not have {'%s(%s)' % wanted}")
        for name in sorted(page.mentions()) if page.section == "3" else ():
            expect((name, "3") in there, f"{page}: {name}() is found in no page")
            wanted = links.get((name, "3"), (name, "3"))
            if page is not overview and wanted != (page.name, "3"):
                missing = f"{page}: SEE ALSO does not have {wanted[0]}(3), for {name}()"
                expect(wanted in also, missing)
        if page.section == "3" and page is not overview:
            expect(("libdoorward", "3") in also, f"{page}: SEE ALSO does not have libdoorward(3)")
            seen = (page.name, "3") in overview.references()
            expect(seen, f"{overview} does not have {page}")


# What scdoc writes, and no page can help: paragraphs before and after headings and lists, and its
# source's lines, which escapes make long and nobody reads. Titles are lower case as the names are.
MANDOC_EXCEPTIONS = (
    r"skipping paragraph macro: \.?(PP?|br) (empty|after|before)",
    r"lower case character in document title",
    r"input text line longer than 80 bytes",
)


def check_mandoc(page):
    lint = subprocess.run(
        ["mandoc", "-Tlint", page.path], check=False, capture_output=True, text=True
    )
    for line in lint.stdout.splitlines():
        allowed = any(re.search(exception, line) for exception in MANDOC_EXCEPTIONS)
        expect(allowed, f"{page}: {line}")


def main():
    header = Header(sys.argv[1])
    everything = [Page(path) for path in sys.argv[3:]]
    pages = [page for page in everything if not page.link]
    links = {}
    for page in everything:
        if page.link:
            links[page.name, page.section] = (page.link[2], page.link[1])
            expect(page.section == page.link[1], f"{page} links to another section")
    library = [page for page in pages if page.section == "3"]
    check_declarations(header, library)
    own = {name: "%s(%s)" % target for (name, section), target in links.items() if section == "3"}
    check_names(header, library, own, sys.argv[2])
    check_references(pages, links)
    for page in pages:
        check_mandoc(page)
    finish(f"{len(pages)} pages, {len(links)} links")


if __name__ == "__main__":
    main()
