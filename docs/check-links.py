#!/usr/bin/env python3
"""Checks that relative links in Markdown files lead to files, and to headings where they name one."""
import pathlib, re, subprocess, sys

root = pathlib.Path(__file__).resolve().parent.parent


def text(path):
    """The file without its blocks of code."""
    return re.sub(r"^```.*?^```", "", path.read_text(), flags=re.M | re.S)


def anchors(path):
    """Headings as GitHub turns them into anchors."""
    headings = re.findall(r"^#+ +(.*)$", text(path), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.md"], cwd=root, capture_output=True, text=True, check=True)
wrong = []
for name in listed.stdout.split():
    page = root / name
    # A pattern in code may look like a link.
    prose = re.sub(r"`[^`\n]*`", "", text(page))
    for link in re.findall(r"\]\(([^()\s]+)\)", prose):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        if not target.exists():
            wrong.append(f"{name}: {link} leads nowhere")
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            wrong.append(f"{name}: {link} names no heading")
sys.exit("\n".join(wrong) or 0)
